"""A call of a table is one of its method, on the engine's loop, when a caller waits for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest
from tables import each_row

from cloaca_core._engine.engine import Engine
from cloaca_core._engine.runtime.loop_thread import LoopThread
from cloaca_core.errors import ConfigError
from cloaca_core.runner.calls.call import Call
from cloaca_core.runner.calls.firing.table_calls import TableCalls
from cloaca_core.runner.calls.orders import asker
from cloaca_core.runner.host import EngineHost


class Table:
    """Notes who asked for what, and on which thread."""

    def __init__(self, engine: object, by: str) -> None:
        self.engine = engine
        self.by = by

    async def get(self, name: str, *, limit: int) -> tuple[object, str, int, str]:
        await asyncio.sleep(0)
        return self.engine, name, limit, threading.current_thread().name

    async def who(self) -> str:
        return self.by


class Calls(TableCalls[Table]):
    def get(self, name: str, limit: int) -> Call[tuple[object, str, int, str]]:
        return self._ask(Table.get, name, limit=limit)

    def who(self, by: str | None) -> Call[str]:
        return self._ask_as(by, Table.who)


class Host:
    """In place of the runner's: counts what was sent."""

    def __init__(self, thread: LoopThread) -> None:
        self.sent = 0
        self._thread = thread

    def send(self, ask: Any) -> Any:
        self.sent += 1
        return self._thread.submit(ask(cast(Engine, "the engine")))


@pytest.fixture
def host() -> Iterator[Host]:
    thread = LoopThread()
    thread.start()
    yield Host(thread)
    thread.stop()


def test_the_table_is_made_of_the_engine_and_answers_on_its_thread(host: Host) -> None:
    calls = Calls(cast(EngineHost, host), Table)

    assert calls.get("a", 3).wait() == ("the engine", "a", 3, "cloaca-engine")


def test_nothing_is_sent_before_a_caller_waits(host: Host) -> None:
    call = Calls(cast(EngineHost, host), Table).get("a", 3)
    before = host.sent
    call.wait()

    assert (before, host.sent) == (0, 1)


def test_the_table_is_that_of_the_one_who_asks(host: Host) -> None:
    calls = Calls(cast(EngineHost, host), Table)

    assert calls.who("ann").wait() == "ann"
    assert calls.who(None).wait() == asker(None)


@each_row("by", ["", "a" * 256, "\0"])
def test_a_name_that_no_database_takes_is_refused_at_the_call(host: Host, by: str) -> None:
    with pytest.raises(ConfigError, match=r"^by must have 1 to 255 characters"):
        Calls(cast(EngineHost, host), Table).who(by)
    assert host.sent == 0
