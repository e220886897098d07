"""What became of a record is told to its run in the right order, and once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import cast

import pytest
from model.runs import active_run, attempt_of, graph_of

from cloaca_core._engine.execute.attempt import Attempt
from cloaca_core._engine.orchestrate.orchestrator import Orchestrator
from cloaca_core._engine.plan.active_run import ActiveRun
from cloaca_core._engine.record.run_entry import RunEntry
from cloaca_core.errors import StoreDataError
from cloaca_core.records.rows import RunEnd

REFUSAL = StoreDataError("not this")


class Notes:
    """Stands for the orchestrator and its journal: notes what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.journal = self
        self.flaw: Exception | None = None

    def let_go(self, attempts: Iterable[Attempt]) -> None:
        if self.flaw is not None:
            raise self.flaw
        self.told.append(("let go", list(attempts)))

    def call_off(self, attempts: Iterable[Attempt]) -> None:
        self.told.append(("called off", list(attempts)))

    def mark_soon(self) -> None:
        self.told.append("mark soon")

    def act(self, run: ActiveRun, ready: Sequence[int], end: RunEnd | None) -> None:
        self.told.append(("acted", run, ready, end))

    def then(self) -> None:
        self.told.append("then")

    def drop(self, run: ActiveRun) -> None:
        self.told.append(("dropped", run))

    def guarded(self, run: ActiveRun, step: Callable[..., None], *args: object) -> None:
        try:
            step(*args)
        except LookupError as error:
            self.broken(run, error)

    def broken(self, run: ActiveRun, error: Exception) -> None:
        self.told.append(("broken", run, error))

    def unstorable(self, run: ActiveRun, record: RunEntry, error: StoreDataError) -> None:
        self.told.append(("unstorable", run, record, error))


@pytest.fixture
def notes() -> Notes:
    return Notes()


RUN = active_run(graph_of(t={}))
END = RunEnd(RUN.id, RUN.epoch, "Completed", "{}", None, 0)
ACTED = ("acted", RUN, [1], END)


def record(notes: Notes, *ahead: Attempt) -> RunEntry:
    return RunEntry(cast(Orchestrator, notes), RUN, [], END, [1], ahead)


def test_what_was_got_ready_is_let_go_when_it_has_landed(notes: Notes) -> None:
    attempt = attempt_of(RUN)
    one = record(notes, attempt)
    assert one.is_awaited

    one.landed()

    assert notes.told == [("let go", [attempt])]


def test_it_is_let_go_once_even_if_a_store_should_say_it_again(notes: Notes) -> None:
    one = record(notes, attempt_of(RUN))
    one.landed()
    one.landed()

    assert len(notes.told) == 1


def test_then_its_start_mark_is_not_long_in_coming(notes: Notes) -> None:
    one = record(notes, attempt_of(RUN))
    one.landed()
    notes.told.clear()

    one.recorded()

    assert notes.told == ["mark soon", ACTED]


def test_a_store_that_does_not_say_so_only_makes_it_later(notes: Notes) -> None:
    attempt = attempt_of(RUN)
    record(notes, attempt).recorded()

    assert notes.told == [("let go", [attempt]), "mark soon", ACTED]


def test_nothing_is_marked_where_nothing_began(notes: Notes) -> None:
    one = record(notes)
    assert not one.is_awaited

    one.recorded()

    assert notes.told == [ACTED]


def test_what_was_asked_for_comes_in_the_place_of_what_the_plan_says(notes: Notes) -> None:
    RunEntry(cast(Orchestrator, notes), RUN, [], None, then=notes.then).recorded()

    assert notes.told == ["then"]


def test_a_flaw_where_it_lands_ends_the_run_on_the_loop(
    notes: Notes, caplog: pytest.LogCaptureFixture
) -> None:
    notes.flaw = LookupError("a flaw of ours")
    one = record(notes, attempt_of(RUN))
    one.landed()
    assert notes.told == []

    one.recorded()

    assert notes.told[-1] == ("broken", RUN, notes.flaw)
    assert "cannot go on" in caplog.text


def test_a_run_that_is_somebody_elses_is_dropped(notes: Notes) -> None:
    record(notes, attempt_of(RUN)).lost()

    assert notes.told == [("dropped", RUN)]


def test_what_was_got_ready_for_a_refused_record_is_called_off_first(notes: Notes) -> None:
    attempt = attempt_of(RUN)
    one = record(notes, attempt)
    one.refused(REFUSAL)

    assert notes.told == [("called off", [attempt]), ("unstorable", RUN, one, REFUSAL)]
