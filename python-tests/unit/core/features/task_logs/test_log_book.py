"""Lines of bodies come to the journal in chunks, soon, and within bounds."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from cloaca_core.features.task_logs import log_book, task_log
from cloaca_core.features.task_logs.log_book import POSITIONS, AttemptLines, LogBook
from cloaca_core.features.task_logs.records import LogChunk, OldChunk
from cloaca_core.values.this_process import THIS_PROCESS
from cloaca_core.values.times.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    from cloaca_core.run.active_run import ActiveRun


pytestmark = pytest.mark.virtual_time


class Body:
    """An attempt with a log, as the book sees it."""

    def __init__(self, book: LogBook, owner: ActiveRun, task_id: str = "load") -> None:
        self.owner = owner
        self.run_id, self.epoch = owner.id, owner.epoch
        self.task_id, self.number = task_id, 2
        self.log = book.open(owner, task_id, 2)

    def put(self, message: str = "a", times: int = 1) -> None:
        for _ in range(times):
            self.log.log(message, "INFO", 20, {})


class Desk:
    """A book; ``due`` is set when lines have waited for long enough."""

    def __init__(self, level: str = "INFO") -> None:
        self.book = LogBook(level, SYSTEM_CLOCK)
        self.due = asyncio.Event()
        self.times_due = 0
        self.book.due = self._is_due
        self.run = cast("ActiveRun", SimpleNamespace(id="r", epoch=3, lines=0))
        self.body = Body(self.book, self.run)

    def _is_due(self) -> None:
        self.times_due += 1
        self.due.set()

    def take(self) -> AttemptLines:
        (found,) = self.book.take()
        return found


def messages(chunks: list[LogChunk]) -> list[str]:
    return [line[3] for chunk in chunks for line in json.loads(chunk.lines)]


class TestTaking:
    async def test_nothing_waits_at_first(self) -> None:
        desk = Desk()

        assert not desk.book.take()
        assert not desk.book.waiting

    async def test_lines_of_an_attempt_are_one_chunk(self) -> None:
        desk = Desk()
        desk.body.put("a")
        desk.body.put("b")
        assert desk.book.waiting

        found = desk.take()

        (chunk,) = found.chunks
        assert (found.run_id, found.epoch, found.old, found.progress) == ("r", 3, [], None)
        assert chunk[:6] == ("r", 3 * POSITIONS + 2, "load", 2, 1, 2)
        assert messages([chunk]) == ["a", "b"]
        assert not desk.book.take()

    async def test_positions_go_on_over_the_attempts_of_a_run(self) -> None:
        desk = Desk()
        other = Body(desk.book, desk.run, "save")
        desk.body.put()
        other.put(times=2)
        desk.book.take()
        desk.body.put()

        (chunk,) = desk.take().chunks

        assert (chunk.position, chunk.number, chunk.size) == (3 * POSITIONS + 4, 2, 1)

    async def test_progress_is_a_row_beside_them(self) -> None:
        desk = Desk()
        desk.body.log.tell(1, 2, "x")

        found = desk.take()

        assert found.chunks == []
        assert found.progress is not None
        assert found.progress[:6] == ("r", "load", 2, 1, 2, "x")

    async def test_what_is_forgotten_is_not_taken(self) -> None:
        desk = Desk()
        desk.body.put()

        desk.book.forget()

        assert not desk.book.take()

    async def test_no_line_is_kept_at_none(self) -> None:
        desk = Desk("none")
        desk.body.log.log("a", "CRITICAL", 50, {})

        assert desk.book.is_off
        assert not desk.book.take()


class TestDue:
    async def test_lines_are_due_when_they_have_waited(self) -> None:
        desk = Desk()
        desk.body.put()

        await desk.due.wait()

        assert messages(list(desk.take().chunks)) == ["a"]

    async def test_lines_that_a_commit_took_are_not_due(self) -> None:
        desk = Desk()
        desk.body.put()
        desk.book.take()
        other = Body(desk.book, desk.run, "save")
        await asyncio.sleep(1)
        assert desk.times_due == 0

        other.put()
        await desk.due.wait()

        assert desk.times_due == 1

    async def test_they_are_not_due_too_often(self) -> None:
        desk = Desk()
        loop = asyncio.get_running_loop()
        desk.body.put()
        begun = loop.time()
        await desk.due.wait()
        first = loop.time()
        assert first - begun == pytest.approx(log_book.DELAY)
        desk.book.take()
        desk.due.clear()
        desk.body.put()

        await desk.due.wait()

        assert loop.time() - first == pytest.approx(log_book.APART)

    async def test_lines_that_came_since_a_commit_wait_for_the_next_one(self) -> None:
        desk = Desk()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for _ in range(9):  # commits that come often take all lines: none is made for them
            desk.body.put()
            await asyncio.sleep(log_book.DELAY * 0.75)
            desk.book.take()
        assert desk.times_due == 0
        taken = loop.time()
        desk.body.put()

        await desk.due.wait()

        assert taken - begun > log_book.DELAY
        assert loop.time() - taken == pytest.approx(log_book.DELAY)

    async def test_a_process_that_was_forked_off_does_not_wake_the_loop(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        desk = Desk()
        monkeypatch.setattr(THIS_PROCESS, "forks", THIS_PROCESS.forks + 1)

        desk.body.put()
        await asyncio.sleep(1)

        assert desk.times_due == 0

    async def test_many_bodies_wake_the_loop_once(self) -> None:
        desk = Desk()
        bodies = [Body(desk.book, desk.run, f"t{number}") for number in range(20)]
        for body in bodies:
            body.put()

        await desk.due.wait()

        assert desk.times_due == 1
        assert len(desk.book.take()) == 20

    async def test_a_body_that_outlives_the_loop_fails_for_nothing(self) -> None:
        books: list[Desk] = []

        async def make() -> None:
            books.append(Desk())

        await asyncio.to_thread(asyncio.run, make())

        books[0].body.put()


class TestBounds:
    async def test_long_logs_are_cut_into_chunks(self) -> None:
        desk = Desk()
        desk.body.put("x" * 1_000, 300)

        chunks = list(desk.take().chunks)

        assert len(chunks) > 3
        assert all(len(chunk.lines) <= log_book.CHUNK_BYTES for chunk in chunks)
        assert [chunk.number for chunk in chunks] == [
            1 + sum(each.size for each in chunks[:index]) for index in range(len(chunks))
        ]
        assert chunks[-1].position == 3 * POSITIONS + 300
        assert len(messages(chunks)) == 300

    async def test_lines_beside_a_gap_are_in_different_chunks(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(task_log, "PART_LINES", 3)
        desk = Desk()
        for number in (1, 2, 3, 7, 8, 10):
            desk.body.log.put_sent((number, '[1,"INFO","app","a"]'))

        found = desk.take().chunks

        assert [(chunk.number, chunk.size) for chunk in found] == [(1, 3), (7, 2), (10, 1)]

    async def test_older_chunks_of_the_last_part_go(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(task_log, "PART_LINES", 4)
        monkeypatch.setattr(log_book, "PART_LINES", 4)
        desk = Desk()
        desk.body.put("first", 4)
        positions = [desk.take().chunks[0].position]
        for _ in range(2):
            desk.body.put("last", 2)
            positions.append(desk.take().chunks[0].position)

        desk.body.put("last", 2)
        found = desk.take()

        assert found.old == [OldChunk("r", positions[1])]
        assert [chunk.number for chunk in found.chunks] == [9]

    async def test_chunks_that_would_go_at_once_are_not_written(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(log_book, "PART_LINES", 3)
        monkeypatch.setattr(log_book, "CHUNK_BYTES", 130)
        monkeypatch.setattr(task_log, "PART_LINES", 4)
        desk = Desk()
        desk.body.put("x" * 80, 8)

        found = desk.take()

        numbers = [chunk.number for chunk in found.chunks]
        assert numbers[:4] == [1, 2, 3, 4]
        assert numbers[-3:] == [6, 7, 8]
        assert len(numbers) == 7
