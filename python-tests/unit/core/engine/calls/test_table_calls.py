"""A call of a table is one of its method, on the engine's loop, when a caller waits for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar, cast

import pytest
from tables import each_row

from cloaca_core.assembly.caller import Caller
from cloaca_core.assembly.engine import Engine
from cloaca_core.assembly.host import EngineHost
from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.definition.registry import Registry
from cloaca_core.engine.calls.call import Call
from cloaca_core.engine.calls.orders import asker
from cloaca_core.engine.calls.table_calls import table_call
from cloaca_core.engine.runtime.loop_thread import LoopThread
from cloaca_core.errors import ConfigError

T = TypeVar("T")


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


class Host:
    """In place of the runner's: counts what was sent."""

    works = True

    def __init__(self, thread: LoopThread) -> None:
        self.registry, self.config = Registry(), DefaultRunnerConfig()
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


def call_of(host: Host, by: str | None, ask: Callable[[Table], Coroutine[Any, Any, T]]) -> Call[T]:
    """A call of the table in this host's engine."""
    return table_call(Caller(cast("EngineHost", host)), Table, by, ask)


def test_the_table_is_made_of_the_engine_and_answers_on_its_thread(host: Host) -> None:
    call = call_of(host, None, lambda table: table.get("a", limit=3))

    assert call.wait() == ("the engine", "a", 3, "cloaca-engine")


def test_nothing_is_sent_before_a_caller_waits(host: Host) -> None:
    call = call_of(host, None, Table.who)
    before = host.sent
    call.wait()

    assert (before, host.sent) == (0, 1)


def test_the_table_is_that_of_the_one_who_asks(host: Host) -> None:
    assert call_of(host, "ann", Table.who).wait() == "ann"
    assert call_of(host, None, Table.who).wait() == asker(None)


@each_row("by", ["", "a" * 256, "\0"])
def test_a_name_that_no_database_takes_is_refused_at_the_call(host: Host, by: str) -> None:
    with pytest.raises(ConfigError, match=r"^by must have 1 to 255 characters"):
        call_of(host, by, Table.who)
    assert host.sent == 0
