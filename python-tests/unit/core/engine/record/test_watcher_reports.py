"""Those who watch an engine are told of what is durable, as it was written, and cannot harm it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from model.runs import active_run, graph_of
from unit.core.engine.record.test_run_entry import Notes

from cloaca_core.engine.record.entries import Entry
from cloaca_core.engine.record.run_entry import RunEntry
from cloaca_core.engine.record.watcher_reports import report_adoption, report_commit
from cloaca_core.features.steps.records import MemoRow
from cloaca_core.features.waits.open_waits import open_waits
from cloaca_core.features.waits.records import ClosedWait, WaitRow
from cloaca_core.features.waits.rows import WaitRows
from cloaca_core.run.active_run import ActiveRun
from cloaca_core.run.rows import AttemptRow, RunEnd
from cloaca_core.run.watcher import DecidedTick, EndedWait, Recorded, WatchedRun
from cloaca_core.store.batch import Committed
from cloaca_core.values.states import RunStatus, TaskStatus
from cloaca_core.values.waits import EVENT, SLEEP
from cloaca_testing.conformance.rows import attempt, run_end

NOW = 1_000


class Watching:
    """Notes what it is told; may raise at everything."""

    def __init__(self, flaw: Exception | None = None) -> None:
        self.heard: list[object] = []
        self._flaw = flaw

    def _hear(self, fact: object) -> None:
        self.heard.append(fact)
        if self._flaw is not None:
            raise self._flaw

    def adopted(self, run: WatchedRun) -> None:
        self._hear(run)

    def recorded(self, recorded: Recorded) -> None:
        self._hear(recorded)

    def ticked(self, ticks: Sequence[DecidedTick], now: int) -> None:
        self._hear((ticks, now))

    def committed(self, seconds: float) -> None:
        self._hear(seconds)


@pytest.fixture
def run() -> ActiveRun:
    return active_run(graph_of(t={}, u={}))


def entry(
    run: ActiveRun,
    *attempts: AttemptRow,
    end: RunEnd | None = None,
    waits: Sequence[WaitRows] = (),
) -> RunEntry:
    return RunEntry(Notes(), run, attempts, end, beside=waits)


def told(
    *entries: Entry, stop_requests: dict[str, str] | None = None, current: str = "r"
) -> list[object]:
    watching = Watching()
    committed = Committed(frozenset(), {}, frozenset({current}), stop_requests=stop_requests or {})
    report_commit([watching], entries, committed, 0.5, NOW)
    assert watching.heard.pop(0) == 0.5
    return watching.heard


def test_rows_of_a_run_are_told_together(run: ActiveRun) -> None:
    row, end = attempt("r", "t"), run_end("r")

    assert told(entry(run, row, end=end)) == [Recorded(run, (row,), [], end)]


def test_rows_of_a_run_that_is_lost_are_not_told(run: ActiveRun) -> None:
    assert told(entry(run, attempt("r", "t")), current="other") == []


def test_an_entry_without_a_fact_is_not_told(run: ActiveRun) -> None:
    assert told(entry(run)) == []


def test_the_end_of_a_run_that_was_to_be_cancelled_is_told_as_it_was_written(
    run: ActiveRun,
) -> None:
    (fact,) = told(entry(run, end=run_end("r")), stop_requests={"r": RunStatus.CANCELLED})

    assert isinstance(fact, Recorded)
    assert fact.end is not None
    assert fact.end.status == RunStatus.CANCELLED


def test_the_end_of_a_run_that_was_to_be_paused_is_its_own(run: ActiveRun) -> None:
    (fact,) = told(entry(run, end=run_end("r")), stop_requests={"r": RunStatus.PAUSED})

    assert isinstance(fact, Recorded)
    assert fact.end == run_end("r")


class TestWaits:
    def test_that_of_a_node_began_with_its_attempt(self, run: ActiveRun) -> None:
        row = attempt("r", "t")._replace(started_at=3, ended_at=9)
        rows = WaitRows(closed=[ClosedWait("r", "t", EVENT, "paid", 0, "m")])

        (fact,) = told(entry(run, row, waits=[rows]))

        assert isinstance(fact, Recorded)
        assert fact.waits == [EndedWait("t", 1, EVENT, "paid", 0, 3, 9, by_message=True)]

    def test_that_of_a_body_began_when_it_was_opened(self, run: ActiveRun) -> None:
        row = WaitRow("r", "t", SLEEP, "", 2, 1, "hash", 4, 8)
        open_waits(run).add(0, row)
        memo = MemoRow("r", "t", SLEEP, "", 2, "hash", 1, "{}", 0, 9)
        rows = WaitRows(closed=[ClosedWait("r", "t", SLEEP, "", 2, None)], memos=[memo])

        (fact,) = told(entry(run, waits=[rows]))

        assert isinstance(fact, Recorded)
        assert fact.waits == [EndedWait("t", 1, SLEEP, "", 2, 4, 9, by_message=False)]

    def test_one_that_is_closed_as_its_task_has_ended_has_not_come_to_its_end(
        self, run: ActiveRun
    ) -> None:
        row = attempt("r", "t", status=TaskStatus.FAILED)
        rows = WaitRows(closed=[ClosedWait("r", "t", EVENT, "paid", 1, None)])

        (fact,) = told(entry(run, row, waits=[rows]))

        assert isinstance(fact, Recorded)
        assert fact.waits == []


def test_one_who_raises_holds_up_neither_the_engine_nor_the_others(
    run: ActiveRun, caplog: pytest.LogCaptureFixture
) -> None:
    broken, watching = Watching(ValueError("no")), Watching()
    committed = Committed(frozenset(), {}, frozenset({"r"}))

    report_commit([broken, watching], [entry(run, attempt("r", "t"))], committed, 0.5, NOW)
    report_adoption([broken, watching], run)

    assert len(broken.heard) == len(watching.heard) == 3
    assert {record.message for record in caplog.records} == {
        "metrics or traces were not told of a fact"
    }
