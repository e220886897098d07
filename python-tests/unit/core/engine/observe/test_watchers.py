"""Who watches runs hears of every change, and the store hears that somebody watches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from model.memory_store import MemoryStore

from cloaca_core.engine.observe.watchers import Watchers
from cloaca_core.engine.subjects import Subjects
from cloaca_core.errors import RunnerClosedError


class Store(MemoryStore):
    """Notes whether runs are watched."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[bool] = []

    def set_watched(self, *, watched: bool) -> None:
        self.told.append(watched)


async def test_a_notice_counts_that_came_before_the_wait() -> None:
    watchers = Watchers(Store(), lambda _: None, Subjects())
    with watchers.listening() as one, watchers.listening() as other:
        watchers.wake()

        await one.next()
        await other.next()
        waiting = asyncio.create_task(one.next())
        await asyncio.sleep(0)
        assert not waiting.done()
        watchers.wake()
        await waiting


async def test_store_and_journal_know_whether_a_caller_listens() -> None:
    store = Store()
    after_turns: list[Callable[[], None] | None] = []
    watchers = Watchers(store, after_turns.append, Subjects())
    with watchers.listening(), watchers.listening():
        assert store.told == [True, True]
        assert after_turns == [watchers.wake, watchers.wake]

    assert store.told == [True, True, False]
    assert after_turns[2:] == [None]


async def test_the_end_of_the_runner_ends_every_wait() -> None:
    watchers = Watchers(Store(), lambda _: None, Subjects())
    with watchers.listening() as notices:
        watchers.fail_all(RunnerClosedError("over"))
        watchers.wake()  # of the last records

        with pytest.raises(RunnerClosedError):
            await notices.next()
    with pytest.raises(RunnerClosedError), watchers.listening():
        pass
