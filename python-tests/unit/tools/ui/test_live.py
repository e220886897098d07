"""An open page is told that something has changed."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

import cloaca
from cloaca_tools.ui import live
from cloaca_tools.ui.site import changes

WAIT = 60


class Stream:
    """Reads events of the page, as a browser does, until it leaves."""

    def __init__(self, app: Any, since: str = "") -> None:
        self._parts: asyncio.Queue[str] = asyncio.Queue()
        self._gone = asyncio.Event()
        self.since = since
        self.text = ""
        self.status = 0
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/live",
            "query_string": f"since={since}".encode(),
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

    async def mark(self) -> str:
        """The mark that comes first."""
        async with asyncio.timeout(WAIT):
            while "\n\n" not in self.text:
                self.text += await self._parts.get()
        return self.text.partition("\n")[0].removeprefix("id: ")

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


async def of_a_page(app: Any) -> Stream:
    """The stream that a page opens when it is made."""
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app)) as web:
        found = re.search(r'/live\?since=([^"]+)"', (await web.get("http://here/runs")).text)
    assert found is not None
    return Stream(app, since=found[1])


async def test_a_page_of_unknown_age_asks_anew_at_once_and_hears_of_each_change(
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


async def test_a_page_that_is_up_to_date_is_not_made_again(client: cloaca.AsyncClient) -> None:
    app = page(client)
    first = await of_a_page(app)
    await first.mark()  # that the client listens to the database from now on may be a change

    stream = await of_a_page(app)
    assert await stream.mark() == stream.since
    assert "changed" not in stream.text
    await client.submit("flow")
    await stream.until(1)

    old = Stream(app, since=stream.since)
    await old.until(1)
    for each in (first, stream, old):
        await each.leave()


async def test_a_stream_ends_by_itself_so_that_its_visitor_is_asked_for_anew(
    client: cloaca.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LASTS", 0.0)
    monkeypatch.setattr(changes, "IDLE", 3600.0)  # after which it would end, too
    stream = Stream(page(client))
    await stream.over()


@pytest.mark.backend("sqlite", reason="the database is a file, which is moved away")
async def test_a_page_learns_that_its_database_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LASTS", 0.1)
    place = tmp_path / "orders.db"
    async with cloaca.AsyncClient(f"sqlite://{place}?mode=rwc") as client:
        app = page(client)
        stream = Stream(app)
        await stream.until(1)
        place.rename(tmp_path / "elsewhere.db")

        await stream.over()
        again = Stream(app)
        await again.over()

        assert again.status == 503
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app)) as web:
            shown = (await web.get("http://here/runs")).text
        assert '<span id="live-state">Not connected</span>' in shown
        (tmp_path / "elsewhere.db").rename(place)


@pytest.mark.skipif(sys.platform == "win32", reason="no loop of Windows takes signals")
@pytest.mark.parametrize("how", ["signal", "loop"])
async def test_a_stream_ends_when_the_server_is_asked_to_end(
    client: cloaca.AsyncClient, how: str
) -> None:
    """Servers set a handler of the process, or of the loop."""
    asked = asyncio.Event()
    loop, before = asyncio.get_running_loop(), signal.getsignal(signal.SIGTERM)
    if how == "signal":
        signal.signal(signal.SIGTERM, lambda *_: asked.set())
    else:
        loop.add_signal_handler(signal.SIGTERM, asked.set)
    ours = signal.getsignal(signal.SIGTERM)
    try:
        app = page(client)
        stream = Stream(app)
        await stream.until(1)

        signal.raise_signal(signal.SIGTERM)

        await stream.over()
        await asyncio.wait_for(asked.wait(), WAIT)
        assert signal.getsignal(signal.SIGTERM) is ours
        late = Stream(app)
        await late.over()
        assert late.status == 503
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, before)


async def test_one_stream_too_many_is_refused(
    client: cloaca.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloaca_tools.ui.site.places.STREAMS", 1)
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
