"""Waiting for changes: own commits do not count, others' do, and waiting gets cheaper.

Looks at the file that are due by time are counted on a clock that stands still.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from cloaca_core.store.changes import Change
from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.queries import Row, Statement
from cloaca_sqlite.driver import Connection
from cloaca_sqlite.files.log_glances import LogGlances
from cloaca_sqlite.wakeups import changes
from cloaca_sqlite.wakeups.changes import ChangeWatch

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def two(tmp_path: Path) -> AsyncIterator[tuple[Connection, Connection]]:
    path = str(tmp_path / "changes.db")
    pair = [Connection(f"file:{path}?mode=rwc", path=path, busy_timeout=5) for _ in range(2)]
    for connection in pair:
        await connection.open()
    await pair[0].call(lambda raw: raw.execute("PRAGMA journal_mode = WAL").fetchall())
    await _write(pair[0], "CREATE TABLE t (x)")
    yield pair[0], pair[1]
    for connection in pair:
        await connection.close()


async def _write(connection: Connection, sql: str = "INSERT INTO t VALUES (1)") -> None:
    await connection.transact(lambda raw: raw.execute(sql).fetchall())


async def _polls(watch: ChangeWatch, monkeypatch: pytest.MonkeyPatch, count: int) -> list[float]:
    """The delays of a watch that is stopped after so many polls without a change."""
    delays: list[float] = []

    async def pause(self: ChangeWatch) -> None:
        delays.append(self._look_at)
        self._look_at = 0.0
        if len(delays) == count:
            self.stop()

    monkeypatch.setattr(changes, "_now", lambda: 0.0)
    monkeypatch.setattr(ChangeWatch, "_pause", pause)
    await watch.wait()
    return delays


async def test_a_commit_of_another_connection_ends_the_wait(
    two: tuple[Connection, Connection],
) -> None:
    watch = ChangeWatch(two[0], 0.1)
    await watch.wait()

    await _write(two[1])

    await asyncio.wait_for(watch.wait(), 60)


async def test_own_commits_do_not(
    two: tuple[Connection, Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = ChangeWatch(two[0], 0.1)
    await watch.wait()

    await _write(two[0])

    assert len(await _polls(watch, monkeypatch, 5)) == 5


async def test_a_change_between_two_waits_is_not_missed(
    two: tuple[Connection, Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = ChangeWatch(two[0], 0.1)
    await watch.wait()
    await _write(two[1])
    await _write(two[0])

    assert await _polls(watch, monkeypatch, 5) == []


async def test_a_connection_that_was_opened_anew_may_have_missed_a_change(
    two: tuple[Connection, Connection],
) -> None:
    """It counts anew, and may come to the same number."""
    watch = ChangeWatch(two[0], 0.1)
    await watch.wait()

    await two[0].abandon()
    await two[0].open_again()

    await asyncio.wait_for(watch.wait(), 60)


async def test_waiting_backs_off_from_100_ms_to_1_s(
    two: tuple[Connection, Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = ChangeWatch(two[0], 0.1)
    await watch.wait()

    delays = await _polls(watch, monkeypatch, 12)

    assert delays[0] == 0.1
    assert delays == sorted(delays)
    assert delays[-1] == 1.0


@pytest.mark.parametrize("seconds", [0.02, 5.0])
async def test_waiting_begins_with_the_interval_and_one_that_is_longer_than_1_s_stays(
    two: tuple[Connection, Connection], monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    watch = ChangeWatch(two[0], seconds)
    await watch.wait()

    delays = await _polls(watch, monkeypatch, 12)

    assert (delays[0], delays[-1]) == (seconds, max(seconds, 1.0))


async def test_a_change_makes_it_eager_again(
    two: tuple[Connection, Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = ChangeWatch(two[0], 0.1)
    await watch.wait()
    watch._backoff.pause = 1.0
    await _write(two[1])
    await watch.wait()

    assert await _polls(watch, monkeypatch, 1) == [0.1]


async def test_stopping_ends_a_wait_that_has_nothing_to_watch() -> None:
    watch = ChangeWatch(None, 0.1)
    waiting = asyncio.create_task(watch.wait())
    await asyncio.sleep(0)
    assert not waiting.done()

    watch.stop()

    await asyncio.wait_for(waiting, 60)


async def test_stopping_ends_a_pause(two: tuple[Connection, Connection]) -> None:
    pausing = asyncio.Event()

    class Watch(ChangeWatch):
        async def _pause(self) -> None:
            pausing.set()
            await super()._pause()

    watch = Watch(two[0], 3600.0)
    await watch.wait()
    waiting = asyncio.create_task(watch.wait())
    await pausing.wait()
    assert not waiting.done()

    watch.stop()

    await asyncio.wait_for(waiting, 60)


# -- word of others ------------------------------------------------------------------------------


class Messages:
    """Others can send word; notes the lists of listeners that were read."""

    def __init__(self) -> None:
        self.heard: Callable[[Change], None] = lambda _: None
        self.listens = True
        self.list_others = Step(Statement("list_others", "SELECT x FROM t", ()))
        self.lists: list[list[Row]] = []

    def met(self, rows: Sequence[Row]) -> None:
        self.lists.append(list(rows))


@pytest.fixture
def messages() -> Messages:
    return Messages()


@pytest_asyncio.fixture
async def watch(two: tuple[Connection, Connection], messages: Messages) -> ChangeWatch:
    """A watch that has looked, and looks again by itself in an hour."""
    watch = ChangeWatch(two[0], 3600.0, messages)
    await watch.wait()
    return watch


async def test_word_of_runs_ends_the_wait_without_a_look_at_the_file(
    two: tuple[Connection, Connection], watch: ChangeWatch, messages: Messages
) -> None:
    """The look comes in its time, as there may be changes that no word was sent of."""
    await _write(two[1])
    messages.heard(Change.RUNS)

    assert await watch.wait() is Change.RUNS
    assert messages.lists == [[]]

    watch._look_at = 0.0
    assert await watch.wait() is Change.ANYTHING


async def test_other_word_is_followed_by_a_look_and_counts_if_the_file_has_changed(
    two: tuple[Connection, Connection], watch: ChangeWatch, messages: Messages
) -> None:
    await _write(two[1])
    messages.heard(Change.ANYTHING)
    assert await watch.wait() is Change.ANYTHING

    messages.heard(Change.ANYTHING)
    waiting = asyncio.create_task(watch.wait())
    await asyncio.sleep(0)
    await two[0].call(lambda _: None)  # after the look, which came first
    assert not waiting.done()
    watch.stop()
    await waiting


async def test_word_that_comes_during_a_wait_ends_it(
    watch: ChangeWatch, messages: Messages
) -> None:
    waiting = asyncio.create_task(watch.wait())
    await asyncio.sleep(0)
    assert not waiting.done()

    messages.heard(Change.RUNS)

    assert await asyncio.wait_for(waiting, 60) is Change.RUNS


async def test_word_of_anything_is_not_lost_beside_word_of_runs(
    two: tuple[Connection, Connection], watch: ChangeWatch, messages: Messages
) -> None:
    await _write(two[1])
    messages.heard(Change.ANYTHING)
    messages.heard(Change.RUNS)

    assert await watch.wait() is Change.ANYTHING


async def test_word_without_end_keeps_no_look_from_its_time(
    two: tuple[Connection, Connection], watch: ChangeWatch, messages: Messages
) -> None:
    await _write(two[1])
    messages.heard(Change.RUNS)
    watch._look_at = 0.0

    assert await watch.wait() is Change.ANYTHING


async def test_commits_of_a_busy_neighbour_do_not_make_each_wait_look(
    two: tuple[Connection, Connection], watch: ChangeWatch, messages: Messages
) -> None:
    await _write(two[1])
    waiting = asyncio.create_task(watch.wait())
    await asyncio.sleep(0)
    await two[0].call(lambda _: None)  # after a look, if there was one
    assert not waiting.done()

    messages.listens = False
    watch.stop()
    await waiting


async def test_each_wait_looks_while_others_cannot_send_word(
    two: tuple[Connection, Connection], watch: ChangeWatch, messages: Messages
) -> None:
    messages.listens = False
    await _write(two[1])

    assert await asyncio.wait_for(watch.wait(), 60) is Change.ANYTHING


async def test_after_a_time_without_word_a_wait_begins_with_a_look(
    two: tuple[Connection, Connection],
    watch: ChangeWatch,
    messages: Messages,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    messages.listens = False
    await _write(two[1])
    assert await watch.wait() is Change.ANYTHING
    await _write(two[1])
    messages.listens = True

    async def pause() -> None:
        raise AssertionError("it pauses without a look")

    monkeypatch.setattr(watch, "_pause", pause)
    assert await watch.wait() is Change.ANYTHING


async def test_listeners_are_listed_when_the_file_has_changed_and_not_before(
    two: tuple[Connection, Connection], monkeypatch: pytest.MonkeyPatch, messages: Messages
) -> None:
    watch = ChangeWatch(two[0], 0.1, messages)
    await watch.wait()
    await _polls(watch, monkeypatch, 3)
    assert messages.lists == [[]]

    watch = ChangeWatch(two[0], 0.1, messages)
    await _write(two[1])
    await watch.wait()

    assert messages.lists == [[], [(1,)]]


async def test_while_runs_are_watched_a_commit_of_another_ends_the_wait_before_the_next_look(
    two: tuple[Connection, Connection],
) -> None:
    watch = ChangeWatch(two[0], 3600.0)
    watch.set_watched(watched=True)
    await watch.wait()
    waiting = asyncio.create_task(watch.wait())
    await two[0].call(lambda _: None)  # after the look with which a wait begins

    await _write(two[1])

    assert await asyncio.wait_for(waiting, 60) is Change.ANYTHING


async def test_while_nobody_watches_the_log_is_not_glanced_at(
    two: tuple[Connection, Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = ChangeWatch(two[0], 3600.0)
    await watch.wait()
    monkeypatch.setattr(LogGlances, "begin", None)  # a glance would raise
    watch._look_at = changes._now()

    await watch._pause()


async def test_a_file_in_memory_has_no_log_to_glance_at() -> None:
    watch = ChangeWatch(None, 0.1)
    watch.set_watched(watched=True)
    waiting = asyncio.create_task(watch.wait())
    await asyncio.sleep(0)

    watch.stop()

    assert await waiting is Change.ANYTHING


async def test_a_watch_that_begins_does_not_wait_for_a_look_that_is_far_away(
    two: tuple[Connection, Connection],
) -> None:
    watch = ChangeWatch(two[0], 3600.0)
    await watch.wait()
    waiting = asyncio.create_task(watch.wait())
    await _write(two[1])

    watch.set_watched(watched=True)

    assert await asyncio.wait_for(waiting, 60) is Change.ANYTHING
