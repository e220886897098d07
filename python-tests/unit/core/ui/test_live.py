"""An open page is told that something has changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

import cloaca

WAIT = 20


class Stream:
    """Reads events of the page, as a browser does, until it leaves."""

    def __init__(self, app: Any) -> None:
        self._parts: asyncio.Queue[str] = asyncio.Queue()
        self._gone = asyncio.Event()
        self.text = ""
        self.status = 0
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/live",
            "query_string": b"",
            "headers": [(b"host", b"here")],
        }
        self._task = asyncio.ensure_future(app(scope, self._receive, self._send))
        self._asked = False

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self._parts.put_nowait(message["body"].decode())

    async def until(self, number: int) -> None:
        """Wait until so many events have come."""
        async with asyncio.timeout(WAIT):
            while self.text.count("event: changed") < number:
                self.text += await self._parts.get()

    async def all(self) -> str:
        """All that has come, after the end."""
        await self.over()
        return "".join([self._parts.get_nowait() for _ in range(self._parts.qsize())])

    async def leave(self) -> None:
        """Leave, as a browser does that closes the tab."""
        self._gone.set()
        await self.over()

    async def over(self) -> None:
        """Wait until the stream has ended."""
        await asyncio.wait_for(self._task, WAIT)


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[cloaca.AsyncClient]:
    """A client that is open."""
    with cloaca.WorkflowBuilder("flow"):

        @cloaca.task
        def only(context: cloaca.Context) -> None: ...

    async with cloaca.AsyncClient(database_url) as opened:
        yield opened


def page(client: cloaca.AsyncClient) -> Any:
    """The page at the host ``here``."""
    return cloaca.ui(client, auth=cloaca.ui_without_auth, hosts=["here"])


async def test_a_page_asks_anew_at_once_and_hears_of_each_change(
    client: cloaca.AsyncClient,
) -> None:
    stream = Stream(page(client))
    await stream.until(1)
    run = await client.submit("flow")
    await stream.until(2)
    before = stream.text.count("event: changed")
    await run.cancel()
    await stream.until(before + 1)
    await stream.leave()


async def test_a_stream_ends_with_the_program(client: cloaca.AsyncClient) -> None:
    stream = Stream(page(client))
    await stream.until(1)
    await client.shutdown()
    await stream.over()


async def test_a_stream_ends_when_its_visitor_is_none_any_more(client: cloaca.AsyncClient) -> None:
    known = [cloaca.Visitor("view", "ann")]
    app = cloaca.ui(client, auth=lambda _: known[0] if known else None, hosts=["here"])
    stream = Stream(app)
    await stream.until(1)
    known.clear()
    await client.submit("flow")
    await stream.over()
    assert stream.text.count("event: changed") == 1


async def test_one_stream_too_many_is_refused(
    client: cloaca.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloaca_core.ui.desk.streams.Streams.__init__.__defaults__", (1,))
    app = page(client)
    first = Stream(app)
    await first.until(1)
    second = Stream(app)
    assert "Many pages are open" in await second.all()
    assert second.status == 429
    await first.leave()
    third = Stream(app)
    await third.until(1)
    await third.leave()
