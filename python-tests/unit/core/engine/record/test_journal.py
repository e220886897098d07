"""Entries are committed in groups, also after the store failed, and each is told its outcome."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, NoReturn, cast

import pytest
from model.by_hand import HandMarks
from model.memory_store import MemoryStore
from model.quiet import quiet
from model.runs import active_run, graph_of
from model.virtual_time import the_loop

from cloaca_core.engine.record import entries, journal as module
from cloaca_core.engine.record.entries import Draft, Entry, SubmissionEntry
from cloaca_core.engine.record.journal import Journal
from cloaca_core.engine.record.run_entry import MOST_SHARED_BYTES, RunEntry, SharedEntry
from cloaca_core.engine.recover.runner_id import RunnerId
from cloaca_core.engine.runtime import failpoints
from cloaca_core.errors import (
    StoreDataError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
    StoreUnavailableError,
)
from cloaca_core.features.schedules.records import FIRINGS
from cloaca_core.features.schedules.schedule_loop import FiringEntry
from cloaca_core.features.task_logs.log_book import AttemptLines
from cloaca_core.features.task_logs.records import LINES, PROGRESS
from cloaca_core.run.rows import ROW_BYTES, AttemptRow, NewRun, RunEnd
from cloaca_core.run.watcher import DecidedTick, Recorded, WatchedRun
from cloaca_core.store.batch import Batch, Committed
from cloaca_core.store.runs import OnCommit
from cloaca_core.values.states import TaskStatus
from cloaca_testing.conformance.commits import submit
from cloaca_testing.conformance.rows import attempt, chunk, firing, new_run, run_end, runner, told

if TYPE_CHECKING:
    from cloaca_core.features.task_logs.log_book import LogBook

pytestmark = pytest.mark.virtual_time


class Store(MemoryStore):
    """The model, which can be held up and made to fail; remembers what it was asked to commit."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[Batch] = []
        self.heard: list[bool] = []
        self.failures: list[Exception] = []
        self.open = asyncio.Event()
        self.open.set()
        self.asked = asyncio.Event()
        self.bad: str | None = None

    async def commit(self, batch: Batch, on_commit: OnCommit | None = None) -> Committed:
        self.batches.append(batch)
        self.heard.append(on_commit is not None)
        self.asked.set()
        await self.open.wait()
        if self.failures:
            raise self.failures.pop(0)
        texts = [*(row.input for row in batch.new_runs), *(row.change for row in batch.attempts)]
        texts += [row.lines for row in batch.of(LINES)]
        if self.bad is not None and self.bad in texts:
            raise StoreDataError("a value cannot be stored")
        return await super().commit(batch, on_commit)


class Row(Entry):
    """Rows of a run of ours; notes what became of them."""

    is_of_run = True

    def __init__(
        self,
        attempts: Sequence[AttemptRow] = (),
        end: RunEnd | None = None,
        *,
        run_id: str = "run",
        epoch: int = 1,
        awaited: bool = True,
        then: Callable[[], None] | None = None,
    ) -> None:
        self.attempts = attempts
        self.end = end
        self.run_id = run_id
        self.epoch = epoch
        self.weight = sum(row.weight for row in attempts)
        self.on_commit = self._land if awaited else None
        self.awaited = awaited
        self.fate: str | None = None
        self.has_landed = False
        self.then = then

    def add_to(self, draft: Draft) -> None:
        draft.fences[self.run_id] = self.epoch
        draft.attempts.extend(self.attempts)
        draft.ends.extend([] if self.end is None else [self.end])

    def _land(self, _: Committed) -> None:
        assert not self.has_landed, "told twice"
        assert self.fate is None, "told too late"
        self.has_landed = True

    def settled(self, committed: Committed) -> None:
        self._note("recorded" if self.run_id in committed.current else "lost")
        assert self.has_landed == self.awaited
        if self.then is not None:
            self.then()

    def refused(self, error: StoreError) -> None:
        assert str(error) == "a value cannot be stored"
        self._note("refused")

    def _note(self, fate: str) -> None:
        assert self.fate is None, "told twice"
        self.fate = fate


class NewRuns:
    """A submission that notes what became of it."""

    def __init__(
        self,
        *run_ids: str,
        owner: str | None = "r1",
        text: str = "{}",
        key: str | None = None,
        parent: str | None = None,
    ) -> None:
        rows = [
            new_run(run_id, owner=owner, key=key)._replace(input=text, parent_id=parent)
            for run_id in run_ids
        ]
        self.committed: Committed | None = None
        self.error: StoreError | None = None
        self.entry: SubmissionEntry = Submission(rows, self)

    def accepted(self, committed: Committed) -> None:
        self.committed = committed

    def refused(self, error: StoreError) -> None:
        self.error = error


class Submission(SubmissionEntry):
    """Tells the test of its outcome."""

    def __init__(self, rows: Sequence[NewRun], runs: NewRuns) -> None:
        super().__init__(rows)
        self._runs = runs

    def settled(self, committed: Committed) -> None:
        self._runs.accepted(committed)

    def refused(self, error: StoreError) -> None:
        self._runs.refused(error)


class NobodyWatching:
    """A watcher that heeds nothing."""

    def adopted(self, run: WatchedRun) -> None: ...

    def recorded(self, recorded: Recorded) -> None: ...

    def ticked(self, ticks: Sequence[DecidedTick], now: int) -> None: ...

    def committed(self, seconds: float) -> None: ...


class Flawed(NewRuns):
    """One that cannot be told of an error."""

    def refused(self, _: StoreError) -> None:
        raise LookupError("a flaw of ours")


class Unwritable(Row):
    """No row can be made of it the first so many times; then it is told this ``error``."""

    def __init__(self, times: int, error: str = "a value cannot be stored") -> None:
        super().__init__([attempt("run")])
        self._times = times
        self._error = error

    def add_to(self, draft: Draft) -> None:
        self._times -= 1
        super().add_to(draft)
        if self._times >= 0:
            raise MemoryError

    def refused(self, error: StoreError) -> None:
        assert str(error) == self._error
        self._note("refused")


def fault(*_: object) -> NoReturn:
    raise MemoryError


def fault_after_commit(point: str) -> None:
    if point == "journal.after_commit":
        raise MemoryError


CANNOT_ACT = "the runner has broken down: it could not act on a record: "


class Book:
    """``waiting`` are the lines that are taken next."""

    def __init__(self) -> None:
        self.waiting: list[AttemptLines] = []
        self.due: Callable[[], None] = lambda: None

    def take(self) -> list[AttemptLines]:
        taken, self.waiting = self.waiting, []
        return taken

    def forget(self) -> None:
        self.waiting.clear()


class Heard:
    """The tasks whose rows were recorded, and those whose rows were refused."""

    def __init__(self) -> None:
        self.recorded_tasks: list[str] = []
        self.refused_tasks: list[str] = []

    def recorded(self, entry: RunEntry) -> None:
        self.recorded_tasks += [row.task_id for row in entry.attempts]

    def refused(self, entry: RunEntry, _: StoreError) -> None:
        self.refused_tasks += [row.task_id for row in entry.attempts]

    def lost(self, _: RunEntry) -> None: ...

    def start_reserved(self, _: object) -> None: ...

    def messages_sent(self, _: object, __: int) -> None: ...

    def call_off(self, _: RunEntry) -> None: ...

    def decided(self, _: object, __: Committed) -> None: ...


class Desk:
    """A journal at work, with a run of its own in the store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.marks = HandMarks()
        self.runner_id = RunnerId("r1")
        self.book = Book()
        self.broken: list[str] = []
        self.journal = Journal(
            store,
            self.runner_id,
            self.marks,
            cast("LogBook", self.book),
            self.broken.append,
        )

    async def work(self) -> None:
        while True:
            await self.journal.turn()

    async def written(self, turns: int) -> None:
        """Everything that was added was written in so many turns."""
        async with asyncio.timeout(10):
            for _ in range(turns):
                await self.journal.turn()
            await self.journal.drained()


async def opened(*, most_keys: int | None) -> Desk:
    """A desk without a writer, over a store that takes so many keys at a time."""
    store = Store()
    store.most_keys = most_keys
    await store.register(runner("r1"))
    return Desk(store)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    store = Store()
    await store.register(runner("r1"))
    await submit(store, new_run("run"), new_run("other"))
    store.batches.clear()
    store.heard.clear()
    store.asked.clear()
    desk = Desk(store)
    work = asyncio.create_task(desk.work())
    yield desk
    work.cancel()
    await asyncio.wait([work])


class TestGroupCommit:
    async def test_what_comes_during_a_commit_travels_in_the_next_one(self, desk: Desk) -> None:
        desk.store.open.clear()
        rows = [Row([attempt("run", f"t{number}")]) for number in range(100)]
        desk.journal.add(rows[0])
        await desk.store.asked.wait()
        for row in rows[1:]:
            desk.journal.add(row)
        desk.store.open.set()
        await desk.journal.drained()

        assert [len(batch.attempts) for batch in desk.store.batches] == [1, 99]
        assert {row.fate for row in rows} == {"recorded"}

    async def test_those_who_watch_are_told_before_the_entries_go_on(self, desk: Desk) -> None:
        heard: list[object] = []

        class Watching(NobodyWatching):
            def committed(self, seconds: float) -> None:
                heard.append(seconds)

        desk.journal.watchers.append(Watching())
        desk.journal.add(Row([attempt("run")], then=lambda: heard.append("went on")))
        await desk.journal.drained()

        assert heard == [0.0, "went on"]

    async def test_nothing_counts_before_it_is_durable(self, desk: Desk) -> None:
        desk.store.open.clear()
        row = Row([attempt("run")])
        desk.journal.add(row)
        await quiet()

        assert row.fate is None

    @pytest.mark.parametrize(
        ("heard", "awaited"), [(False, [False, False]), (True, [True, False]), (True, [True, True])]
    )
    async def test_the_store_tells_where_it_lands_only_if_somebody_waits_there(
        self, desk: Desk, heard: bool, awaited: list[bool]
    ) -> None:
        rows = [
            Row([attempt(run)], run_id=run, awaited=each)
            for run, each in zip(("run", "other"), awaited, strict=True)
        ]
        for row in rows:
            desk.journal.add(row)
        await desk.journal.drained()

        assert [row.has_landed for row in rows] == awaited
        assert desk.store.heard == [heard]

    async def test_what_follows_from_a_record_is_drained_too(self, desk: Desk) -> None:
        second = Row([attempt("run", "b")])
        desk.journal.add(Row([attempt("run", "a")], then=lambda: desk.journal.add(second)))
        await desk.journal.drained()

        assert second.fate == "recorded"

    async def test_rows_and_end_and_fence_go_together(self, desk: Desk) -> None:
        desk.journal.add(Row([attempt("run")], run_end("run")))
        await desk.journal.drained()

        (batch,) = desk.store.batches
        assert (len(batch.attempts), len(batch.ends), batch.fences) == (1, 1, {"run": 1})

    async def test_a_flaw_in_acting_on_one_record_does_not_reach_the_others(
        self, desk: Desk, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail() -> None:
            raise ZeroDivisionError

        other = Row([attempt("other")], run_id="other")
        desk.journal.add(Row([attempt("run")], then=fail))
        desk.journal.add(other)
        await desk.journal.drained()

        assert other.fate == "recorded"
        assert "ZeroDivisionError" in caplog.text
        assert desk.broken == [CANNOT_ACT + "ZeroDivisionError()"]


class TestStartMarks:
    async def test_they_ride_with_the_next_commit(self, desk: Desk) -> None:
        mark = attempt("other", status=TaskStatus.RUNNING)
        desk.marks.due = [mark]
        desk.journal.add(Row([attempt("run")]))
        await desk.journal.drained()

        (batch,) = desk.store.batches
        assert batch.attempts == [attempt("run"), mark]
        assert batch.fences == {"run": 1, "other": 1}

    async def test_they_are_newer_than_what_they_ride_with(self, desk: Desk) -> None:
        """A body may wait for a run that has ended already, and go on before that is written."""
        desk.marks.due = [attempt("run", status=TaskStatus.RUNNING)]
        desk.journal.add(Row([attempt("run", status=TaskStatus.WAITING)]))
        await desk.journal.drained()

        assert desk.store.attempts["run", "load", -1, 1].status == TaskStatus.RUNNING

    async def test_they_get_a_commit_of_their_own_when_none_comes(self, desk: Desk) -> None:
        desk.marks.due = [attempt("run", status=TaskStatus.RUNNING)]
        desk.journal.mark_soon()
        await desk.store.asked.wait()
        await desk.journal.drained()

        assert ("run", "load", -1, 1) in desk.store.attempts

    async def test_one_of_a_body_that_is_about_to_begin_is_waited_for(self, desk: Desk) -> None:
        """A slot became free: what queued for it may begin when the commit is long over."""
        desk.marks.are_coming = True
        desk.journal.add(Row([attempt("run")]))
        await desk.journal.drained()
        desk.store.asked.clear()
        desk.marks.due, desk.marks.are_coming = [attempt("other", status=TaskStatus.RUNNING)], False
        await desk.store.asked.wait()
        await desk.journal.drained()

        assert ("other", "load", -1, 1) in desk.store.attempts

    async def test_they_are_not_forgotten_when_their_time_comes_during_a_commit(
        self, desk: Desk
    ) -> None:
        desk.store.open.clear()
        desk.journal.add(Row([attempt("run")]))
        await desk.store.asked.wait()
        mark = attempt("other", status=TaskStatus.RUNNING)
        desk.marks.due = [mark]
        desk.journal._mark()

        desk.store.open.set()
        await desk.journal.drained()

        assert [batch.attempts for batch in desk.store.batches] == [[attempt("run")], [mark]]

    async def test_a_mark_that_fails_a_batch_is_left_out(self, desk: Desk) -> None:
        desk.store.bad = "bad"
        desk.marks.due = [attempt("other", status=TaskStatus.RUNNING)._replace(change="bad")]
        row = Row([attempt("run")])
        desk.journal.add(row)
        await desk.journal.drained()

        assert row.fate == "recorded"


class TestLines:
    async def test_they_ride_with_the_next_commit(self, desk: Desk) -> None:
        desk.book.waiting = [AttemptLines("other", 1, [chunk("other")], [], told("other"))]
        desk.journal.add(Row([attempt("run")]))
        await desk.journal.drained()

        (batch,) = desk.store.batches
        assert (batch.of(LINES), batch.of(PROGRESS)) == ([chunk("other")], [told("other")])
        assert batch.fences == {"run": 1, "other": 1}

    async def test_they_get_a_commit_of_their_own_when_they_are_due(self, desk: Desk) -> None:
        desk.book.waiting = [AttemptLines("run", 1, [chunk("run")], [], None)]
        await quiet()
        assert desk.store.batches == []

        desk.book.due()
        await desk.journal.drained()

        assert [batch.of(LINES) for batch in desk.store.batches] == [[chunk("run")]]

    async def test_nothing_is_written_when_none_is_left(self, desk: Desk) -> None:
        desk.book.due()
        await desk.journal.drained()

        assert desk.store.batches == []

    async def test_lines_that_fail_a_batch_are_left_out(self, desk: Desk) -> None:
        desk.store.bad = "bad"
        desk.book.waiting = [AttemptLines("run", 1, [chunk("run", lines="bad")], [], None)]
        row = Row([attempt("run")])
        desk.journal.add(row)
        await desk.journal.drained()

        assert row.fate == "recorded"
        assert desk.store.kept_lines == {}

    async def test_those_of_others_are_kept_when_one_value_fails_the_batch(
        self, desk: Desk
    ) -> None:
        desk.store.bad = "bad"
        desk.book.waiting = [
            AttemptLines("run", 1, [chunk("run")], [], None),
            AttemptLines("other", 1, [chunk("other", lines="bad")], [], None),
        ]
        row = Row([attempt("run")._replace(change="bad")])
        desk.journal.add(row)
        await desk.journal.drained()

        assert row.fate == "refused"
        assert list(desk.store.kept_lines.values()) == [chunk("run")]

    async def test_they_go_with_the_runs_of_a_runner_that_was_declared_dead(
        self, desk: Desk
    ) -> None:
        desk.store.open.clear()
        desk.journal.add(Row([attempt("run")]))
        await desk.store.asked.wait()
        desk.book.waiting = [AttemptLines("run", 1, [chunk("run")], [], None)]

        desk.journal.forget_runs()
        desk.store.open.set()
        desk.book.due()
        await desk.journal.drained()

        assert desk.store.kept_lines == {}


class TestErrors:
    @pytest.mark.parametrize(
        "error", [StoreUnavailableError("locked"), StoreError("odd"), OSError()]
    )
    async def test_the_batch_is_sent_again_until_the_database_answers(
        self, desk: Desk, error: Exception
    ) -> None:
        desk.store.failures = [error] * 3
        row = Row([attempt("run")])
        desk.journal.add(row)
        await desk.journal.drained()

        assert row.fate == "recorded"
        assert desk.store.batches == [desk.store.batches[0]] * 4
        assert desk.journal.failure is None

    async def test_the_pauses_between_tries_grow_to_a_bound(
        self, desk: Desk, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Or a database that is back after an hour would be asked again after another one."""
        begun = the_loop().time()
        desk.store.failures = [StoreUnavailableError("locked")] * 7
        desk.journal.add(Row([attempt("run")]))
        await desk.journal.drained()

        told = [record.args[0] for record in caplog.records if isinstance(record.args, tuple)]
        assert told == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
        assert the_loop().time() - begun == pytest.approx(3.55)

    async def test_the_error_can_be_seen_meanwhile(self, desk: Desk) -> None:
        error = StoreUnavailableError("locked")
        desk.store.failures = [error]
        desk.journal.add(Row([attempt("run")]))
        await quiet()

        assert desk.journal.failure is error

    @pytest.mark.parametrize("kind", [StoreFullError, StoreReadOnlyError, StoreError])
    async def test_no_space_refuses_new_runs_and_keeps_what_was_done(
        self, desk: Desk, kind: type[StoreError]
    ) -> None:
        desk.store.failures = [kind("no space"), kind("no space")]
        runs, row = NewRuns("new"), Row([attempt("run")])
        desk.journal.add(runs.entry)
        desk.journal.add(row)
        await desk.journal.drained()

        assert isinstance(runs.error, kind)
        assert row.fate == "recorded"
        assert "new" not in desk.store.runs

    async def test_who_decides_hears_of_it(self, desk: Desk) -> None:
        desk.store.failures = [StoreFullError("no space")] * 2

        with pytest.raises(StoreFullError):
            await desk.journal.decide(FiringEntry(lambda: None, [firing()]))

    async def test_who_comes_while_what_was_done_waits_for_space_hears_of_it(
        self, desk: Desk
    ) -> None:
        error = StoreFullError("no space")
        desk.store.failures = [error]
        row, runs = Row([attempt("run")]), NewRuns("new")
        desk.store.open.clear()
        desk.journal.add(row)
        await quiet()
        desk.journal.add(runs.entry)
        desk.store.open.set()
        await desk.journal.drained()

        assert runs.error is error
        assert row.fate == "recorded"

    async def test_who_waits_for_room_hears_of_it(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "MAX_INBOX_ENTRIES", 1)
        desk.store.failures = [StoreFullError("no space")] * 2
        desk.store.open.clear()
        desk.journal.add(Row([attempt("run")]))
        await quiet()
        desk.journal.add(NewRuns("new").entry)
        assert not desk.journal.has_room()

        desk.store.open.set()
        await desk.journal.room()

        assert desk.store.failures

    async def test_one_bad_value_of_a_shared_entry_is_refused_alone(self, desk: Desk) -> None:
        await submit(desk.store, new_run("r"))
        desk.store.batches.clear()
        desk.store.bad = "bad"
        heard = Heard()
        entry = SharedEntry(
            heard, active_run(graph_of(t={})), attempt("r", "t0"), desk.journal.taken
        )
        desk.journal.add(entry)
        for number in range(1, 100):
            change = "bad" if number == 61 else None
            row = attempt("r", f"t{number}")._replace(change=change)
            assert desk.journal.join(entry, row)
        await desk.journal.drained()

        assert heard.refused_tasks == ["t61"]
        assert len(heard.recorded_tasks) == len(desk.store.attempts) == 99
        assert len(desk.store.batches) <= 2 * 7 + 1

    async def test_a_shared_entry_takes_no_row_once_it_is_being_written(self, desk: Desk) -> None:
        await submit(desk.store, new_run("r"))
        desk.store.open.clear()
        run = active_run(graph_of(t={}))
        entry = SharedEntry(Heard(), run, attempt("r", "t0"), desk.journal.taken)
        desk.journal.add(entry)
        await desk.store.asked.wait()
        await quiet()
        assert not desk.journal.join(entry, attempt("r", "t1"))

        waiting = SharedEntry(Heard(), run, attempt("r", "t2"), desk.journal.taken)
        desk.journal.add(waiting)
        assert desk.journal.join(waiting, attempt("r", "t3"))
        desk.journal.forget_runs()
        assert not desk.journal.join(waiting, attempt("r", "t4"))
        desk.store.open.set()

    async def test_a_shared_entry_counts_what_its_rows_weigh(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "MAX_INBOX_BYTES", 3 * ROW_BYTES)
        await submit(desk.store, new_run("r"))
        entry = SharedEntry(
            Heard(), active_run(graph_of(t={})), attempt("r", "t0"), desk.journal.taken
        )
        desk.journal.add(entry)
        desk.journal.join(entry, attempt("r", "t1"))
        assert desk.journal.has_room()
        desk.journal.join(entry, attempt("r", "t2"))
        assert not desk.journal.has_room()
        await desk.journal.drained()
        assert desk.journal.has_room()

    async def test_a_large_shared_entry_takes_no_more_rows(self, desk: Desk) -> None:
        await submit(desk.store, new_run("r"))
        row = attempt("r", "t0")._replace(change="x" * (MOST_SHARED_BYTES // 2))
        run = active_run(graph_of(t={}))
        entry = SharedEntry(Heard(), run, row, desk.journal.taken)
        desk.journal.add(entry)
        joined = [desk.journal.join(entry, row._replace(task_id=f"t{n}")) for n in (1, 2)]
        assert joined == [True, False]
        large = SharedEntry(
            Heard(), run, row._replace(change="x" * MOST_SHARED_BYTES), desk.journal.taken
        )
        assert not desk.journal.join(large, row)
        await desk.journal.drained()

    async def test_one_bad_value_among_a_thousand_is_found(self, desk: Desk) -> None:
        desk.store.bad = "bad"
        rows = [Row([attempt("run", f"t{number:04}")]) for number in range(1000)]
        rows[617].attempts = [attempt("run", "t0617")._replace(change="bad")]
        for row in rows:
            desk.journal.add(row)
        await desk.journal.drained()

        assert [n for n, row in enumerate(rows) if row.fate != "recorded"] == [617]
        assert rows[617].fate == "refused"
        assert len(desk.store.batches) <= 2 * 10 + 1
        assert len(desk.store.attempts) == 999

    async def test_a_flaw_in_who_is_refused_keeps_nobody_from_being_told(
        self, desk: Desk, caplog: pytest.LogCaptureFixture
    ) -> None:
        desk.store.bad = "bad"

        bad = Flawed("bad", text="bad")
        others = [Row([attempt("run", f"t{number}")]) for number in range(3)]
        desk.journal.add(others[0])
        desk.journal.add(bad.entry)
        for other in others[1:]:
            desk.journal.add(other)
        await desk.journal.drained()

        assert [row.fate for row in others] == ["recorded"] * 3
        assert "a flaw of ours" in caplog.text

    async def test_a_bad_submission_is_its_submitters_alone(self, desk: Desk) -> None:
        desk.store.bad = "bad"
        good, bad = NewRuns("good"), NewRuns("bad-1", "bad-2", text="bad")
        desk.journal.add(bad.entry)
        desk.journal.add(good.entry)
        await desk.journal.drained()

        assert isinstance(bad.error, StoreDataError)
        assert good.committed is not None
        assert good.committed.owned == {"good"}


async def test_a_watcher_is_called_after_each_turn_until_there_is_none() -> None:
    """When it reads, the tables have the rows."""
    desk = await opened(most_keys=None)
    batches: list[int] = []
    desk.journal.after_turns(lambda: batches.append(len(desk.store.batches)))
    for run_id in "ab":
        desk.journal.add(NewRuns(run_id).entry)
        await desk.written(1)
    desk.journal.after_turns(None)
    desk.journal.add(NewRuns("c").entry)
    await desk.written(1)

    assert batches == [1, 2]


class TestFaults:
    """Errors of ours, anywhere in a turn: the next one goes on with what was not committed."""

    @pytest.fixture
    async def idle(self) -> Desk:
        """A desk without a writer, with a run of its own."""
        desk = await opened(most_keys=None)
        await submit(desk.store, new_run("run"))
        desk.store.batches.clear()
        return desk

    async def test_nothing_is_lost_if_the_marks_cannot_be_taken(
        self, idle: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The threads of bodies had changed what was looked at: a whole batch was gone."""
        rows = [Row([attempt("run", task)]) for task in "ab"]
        idle.book.waiting = [AttemptLines("run", 1, [chunk("run")], [], None)]
        idle.journal.add(rows[0])
        with monkeypatch.context() as patched:
            patched.setattr(idle.marks, "take", fault)
            with pytest.raises(MemoryError):
                await idle.journal.turn()
        idle.journal.add(rows[1])
        idle.book.waiting = [AttemptLines("later", 1, [chunk("later")], [], None)]
        await idle.written(1)
        idle.book.due()
        await idle.written(1)

        batch, later = idle.store.batches
        assert [row.task_id for row in batch.attempts] == ["a", "b"]
        assert batch.of(LINES) == [chunk("run")]
        assert later.of(LINES) == [chunk("later")]

    async def test_a_record_of_which_no_row_can_be_made_is_tried_once_more(
        self, idle: Desk
    ) -> None:
        row = Unwritable(1)
        idle.journal.add(row)
        with pytest.raises(MemoryError):
            await idle.journal.turn()
        await idle.written(1)

        assert row.fate == "recorded"
        assert idle.broken == []

    async def test_a_shared_entry_that_waits_behind_it_takes_no_row(self, idle: Desk) -> None:
        """It has left the inbox, whose bytes are counted."""
        entry = SharedEntry(
            Heard(), active_run(graph_of(t={})), attempt("run", "t0"), idle.journal.taken
        )
        idle.journal.add(Unwritable(1))
        idle.journal.add(entry)
        with pytest.raises(MemoryError):
            await idle.journal.turn()

        assert not idle.journal.join(entry, attempt("run", "t1"))
        await idle.written(1)

    async def test_then_it_is_refused_and_the_others_are_written(self, idle: Desk) -> None:
        rows = [Row([attempt("run", f"t{number}")]) for number in range(5)]
        bad = Unwritable(100, error="no row can be made of a record: MemoryError()")
        for row in (*rows[:2], bad, *rows[2:]):
            idle.journal.add(row)
        with pytest.raises(MemoryError):
            await idle.journal.turn()
        await idle.written(1)

        assert bad.fate == "refused"
        assert {row.fate for row in rows} == {"recorded"}
        assert idle.broken == []

    async def test_a_batch_may_be_committed_before_the_error(self, idle: Desk) -> None:
        row = Row([attempt("run")], awaited=False)
        idle.journal.add(row)
        unwatch = failpoints.watch(fault_after_commit)
        with pytest.raises(MemoryError):
            await idle.journal.turn()
        unwatch()
        await idle.written(1)

        assert row.fate == "recorded"
        assert idle.store.batches == [idle.store.batches[0]] * 2

    async def test_who_watches_and_fails_keeps_nobody_from_being_told(
        self, idle: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(module, "report_commit", fault)
        idle.journal.watchers.append(NobodyWatching())
        idle.journal.add(row := Row([attempt("run")]))
        await idle.written(1)

        assert row.fate == "recorded"
        assert "metrics or traces were not told of a commit" in caplog.text

    async def test_a_caller_who_cannot_be_answered_ends_the_engine(self, idle: Desk) -> None:
        idle.store.bad = "bad"
        idle.journal.add(Flawed("new", text="bad").entry)
        await idle.written(1)

        assert idle.broken == [CANNOT_ACT + "LookupError('a flaw of ours')"]


class TestOwnership:
    async def test_a_record_of_a_run_that_is_no_longer_ours_is_lost(self, desk: Desk) -> None:
        await desk.store.release("r1", ["other"])
        lost, kept = Row([attempt("run")]), Row([attempt("other")], run_id="other")
        desk.journal.add(lost)
        desk.journal.add(kept)
        await desk.journal.drained()

        assert (lost.fate, kept.fate) == ("lost", "recorded")

    async def test_under_a_new_id_old_records_are_dropped_and_submissions_kept(
        self, desk: Desk
    ) -> None:
        await desk.store.register(runner("r2"))
        await desk.store.fence("r1", 0)
        row, runs = Row([attempt("run")]), NewRuns("new", owner="r1")
        desk.journal.add(row)
        desk.journal.add(runs.entry)
        desk.runner_id.current = "r2"
        desk.journal.forget_runs()
        await desk.journal.drained()

        assert row.fate is None
        assert runs.committed is not None
        assert desk.store.runs["new"].owner is None


class TestBounds:
    async def test_producers_wait_while_the_inbox_is_full(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "MAX_INBOX_ENTRIES", 10)
        desk.store.open.clear()
        for number in range(11):
            desk.journal.add(Row([attempt("run", f"t{number}")]))
        assert not desk.journal.has_room()

        desk.store.open.set()
        await desk.journal.room()

        assert desk.journal.has_room()

    async def test_they_go_on_waiting_while_a_batch_leaves_it_full(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "MAX_INBOX_ENTRIES", 10)
        monkeypatch.setattr(entries, "MAX_BATCH_ENTRIES", 5)
        desk.store.open.clear()
        for number in range(16):
            desk.journal.add(Row([attempt("run", f"t{number}")]))
        await desk.store.asked.wait()

        assert not desk.journal.has_room()
        desk.store.open.set()
        await desk.journal.room()

    async def test_large_records_fill_it_as_well_until_they_are_committed(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "MAX_INBOX_BYTES", 1_000)
        room = []
        desk.store.open.clear()
        for change in ("{}", "x" * 1_000):
            desk.journal.add(Row([attempt("run")._replace(change=change)]))
            room.append(desk.journal.has_room())
        desk.store.open.set()
        await desk.journal.drained()
        room.append(desk.journal.has_room())

        assert room == [True, False, True]

    async def test_what_is_dropped_makes_room(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "MAX_INBOX_BYTES", 1_000)
        desk.store.open.clear()
        desk.journal.add(Row([attempt("run")._replace(change="x" * 1_000)]))
        assert not desk.journal.has_room()

        desk.journal.forget_runs()

        assert desk.journal.has_room()

    async def test_a_decision_waits_for_room(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "MAX_INBOX_ENTRIES", 1)
        desk.store.open.clear()
        desk.journal.add(Row([attempt("run", "a")]))
        await desk.store.asked.wait()
        desk.journal.add(Row([attempt("run", "b")]))
        told = asyncio.Event()
        decided = asyncio.create_task(desk.journal.decide(FiringEntry(told.set, [firing()])))
        await quiet()
        desk.store.open.set()
        await decided

        written = [(len(batch.attempts), len(batch.of(FIRINGS))) for batch in desk.store.batches]
        assert written == [(1, 0), (1, 0), (0, 1)]
        assert told.is_set()

    async def test_a_batch_has_a_most(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(entries, "MAX_BATCH_ENTRIES", 40)
        for number in range(100):
            desk.journal.add(Row([attempt("run", f"t{number}")]))
        await desk.journal.drained()

        assert [len(batch.attempts) for batch in desk.store.batches] == [40, 40, 20]

    async def test_a_batch_has_as_many_keys_as_the_store_takes(self) -> None:
        """Each may take a lock, of which a server has a bounded number."""
        desk = await opened(most_keys=10)
        for number in range(25):
            desk.journal.add(NewRuns(f"plain {number}").entry)
            desk.journal.add(NewRuns(f"keyed {number}", key=f"k{number}").entry)
        await desk.written(3)

        keys = [[run.idempotency_key for run in batch.new_runs] for batch in desk.store.batches]
        assert [len(batch) for batch in keys] == [20, 20, 10]
        assert [sum(key is not None for key in batch) for batch in keys] == [10, 10, 5]

    async def test_where_keys_take_nothing_that_is_bounded_they_are_not_counted(self) -> None:
        desk = await opened(most_keys=None)
        for number in range(1_000):
            desk.journal.add(NewRuns(f"keyed {number}", key=f"k{number}").entry)
        await desk.written(1)

        assert [len(batch.new_runs) for batch in desk.store.batches] == [1_000]

    async def test_keys_that_the_engine_made_for_the_runs_of_bodies_are_not_counted(self) -> None:
        """A store holds none of them back, so that it need not lock them."""
        desk = await opened(most_keys=10)
        for number in range(25):
            child = NewRuns(f"child {number}", key=f"run::task::{number}", parent="run")
            desk.journal.add(child.entry)
        await desk.written(1)

        assert [len(batch.new_runs) for batch in desk.store.batches] == [25]

    async def test_runs_without_input_have_weight_too(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(entries, "MAX_BATCH_BYTES", 250 * ROW_BYTES)
        for part in range(3):
            runs = NewRuns(*(f"{part}-{number}" for number in range(200)), text="")
            desk.journal.add(runs.entry)
        await desk.journal.drained()

        assert [len(batch.new_runs) for batch in desk.store.batches] == [400, 200]
