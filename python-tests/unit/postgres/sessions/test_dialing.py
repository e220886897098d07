"""Connecting on a thread of its own: what is asked for, how long, and who closes what came late."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from model.virtual_time import VirtualLoop, the_loop
from tables import each_row

from cloaca_core.errors import StoreUnavailableError
from cloaca_postgres.sessions.dialing import dial
from cloaca_postgres.url import parse

SOON = 60.0


class Libpq:
    """Stands for ``psycopg.connect``: connects when it may, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.began = threading.Event()
        self.go = threading.Event()
        self.closed = threading.Event()
        self.thread: threading.Thread | None = None

    def connect(self, conninfo: str, **options: Any) -> Libpq:
        self.thread = threading.current_thread()
        self.asked.append((conninfo, options))
        self.began.set()
        self.go.wait(SOON)
        return self

    def close(self) -> None:
        self.closed.set()

    def answer(self) -> None:
        """Let it connect, and wait until its thread has done with that."""
        assert self.began.wait(SOON)
        assert self.thread is not None
        self.go.set()
        self.thread.join(SOON)


@pytest.fixture
def libpq(monkeypatch: pytest.MonkeyPatch) -> Iterator[Libpq]:
    libpq = Libpq()
    monkeypatch.setattr(psycopg, "connect", libpq.connect)
    yield libpq
    libpq.go.set()


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port where connections are taken and never answered."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.virtual_time
async def test_a_silent_host_is_given_up_after_the_timeout(silent_port: int) -> None:
    target = parse(f"postgresql://me:hunter2@127.0.0.1:{silent_port}/work")
    beginning = the_loop().time()

    with pytest.raises(StoreUnavailableError, match=r"no connection within 7 seconds") as caught:
        await dial(target, 7)

    assert the_loop().time() - beginning == 7

    assert "hunter2" not in str(caught.value)


@each_row("host", ["127.0.0.1:1", "nowhere.invalid"])
async def test_a_host_that_refuses_or_does_not_exist_is_told_with_its_reason(host: str) -> None:
    with pytest.raises(StoreUnavailableError, match="work on ") as caught:
        await dial(parse(f"postgresql://me:hunter2@{host}/work"), SOON)

    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_dialing_uses_no_thread_that_would_keep_the_process_alive(silent_port: int) -> None:
    before = set(threading.enumerate())
    dialing = asyncio.create_task(dial(parse(f"postgresql://127.0.0.1:{silent_port}/w"), SOON))
    await asyncio.sleep(0)

    started = set(threading.enumerate()) - before
    dialing.cancel()

    assert [thread.daemon for thread in started] == [True]
    with pytest.raises(asyncio.CancelledError):
        await dialing


@pytest.mark.virtual_time
async def test_each_of_several_hosts_has_the_whole_timeout(silent_port: int) -> None:
    host = f"127.0.0.1:{silent_port}"
    beginning = the_loop().time()

    with pytest.raises(StoreUnavailableError, match=r"no connection within 14 seconds"):
        await dial(parse(f"postgresql://{host},{host}/work"), 7)

    assert the_loop().time() - beginning == 14


@pytest.mark.parametrize(("timeout", "seconds"), [(0.2, "1"), (2.4, "2"), (7.0, "7")])
async def test_libpq_is_told_to_notice_a_dead_peer_and_not_to_wait_longer_than_we_do(
    libpq: Libpq, timeout: float, seconds: str
) -> None:
    libpq.go.set()

    await dial(parse("postgresql://127.0.0.1/work?keepalives_count=9"), timeout)

    ((conninfo, options),) = libpq.asked
    asked = psycopg.conninfo.conninfo_to_dict(conninfo)
    assert asked["connect_timeout"] == seconds
    assert asked["tcp_user_timeout"] == "20000"
    assert asked["keepalives_count"] == "9"  # the URL's own
    assert asked["fallback_application_name"] == "cloaca"
    assert options == {"autocommit": True, "client_encoding": "UTF8"}
    assert not libpq.closed.is_set()


@pytest.mark.virtual_time
async def test_what_connects_when_nobody_waits_any_more_is_closed(libpq: Libpq) -> None:
    with pytest.raises(StoreUnavailableError, match="no connection within"):
        await dial(parse("postgresql://127.0.0.1/work"), SOON)

    libpq.answer()

    assert libpq.closed.is_set()


async def test_what_has_connected_when_its_caller_gives_up_is_closed(libpq: Libpq) -> None:
    dialing = asyncio.create_task(dial(parse("postgresql://127.0.0.1/work"), SOON))
    await asyncio.sleep(0)
    libpq.answer()  # and its caller has not been on turn since

    dialing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dialing

    assert libpq.closed.is_set()


def test_what_connects_when_the_loop_is_closed_troubles_nobody(libpq: Libpq) -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner, pytest.raises(StoreUnavailableError):
        runner.run(dial(parse("postgresql://127.0.0.1/work"), SOON))

    libpq.answer()

    assert libpq.closed.is_set()
