"""Nodes and bodies that wait say for what, since when, until when, and how that is ended."""

from __future__ import annotations

import json
from dataclasses import replace

from model.facts_by_hand import (
    NOW,
    START,
    Shape,
    attempted,
    facts,
    node,
    of_body,
    run_row,
    state,
)
from tables import each_row

from cloaca_core.features.explain.facts import Facts
from cloaca_core.features.explain.records import RecordedRun, Unread
from cloaca_core.features.waits.records import WaitRow
from cloaca_core.run.rows import AttemptRow, RunRow
from cloaca_core.values.states import ReasonCode, TaskStatus
from cloaca_core.values.times.instants import SECOND
from cloaca_core.values.waits import APPROVAL, EVENT, SLEEP
from cloaca_core.views.explain.explanation import TaskExplanation
from cloaca_core.views.explain.tasks import explained_tasks
from cloaca_core.views.explain.waits import bodies_in_memory, unread_text
from cloaca_core.views.task_results import Wait

OWNED = run_row(owner="r1")
PARKED = run_row("Waiting")
HOUR = 3_600 * SECOND
SINCE = "since 2023-11-14T22:13:20Z, 60 s ago"
IN_TWO_HOURS = "2023-11-15T00:14:20Z, in 2 h"
ASKED = json.dumps({"prompt": "Pay\nit?", "choices": ["yes", "no"], "schema": None})
WAITING = TaskStatus.WAITING


def of(known: Facts, task: str = "t") -> TaskExplanation:
    (found,) = [each for each in explained_tasks(known) if each.task_id == task]
    return found


def waiting(
    *waits: WaitRow, row: RunRow = OWNED, number: int = 1, code: str | None = None
) -> Facts:
    """A run of one task that waits."""
    begun = attempted("t", WAITING, number, reason_code=code)
    return facts(row, begun, tasks=[Shape("t")], runners=[state()], waits=waits)


def left(*waits: WaitRow, row: RunRow = PARKED) -> Facts:
    return waiting(*waits, row=row, code=str(ReasonCode.HAS_LEFT))


# -- what is waited for --------------------------------------------------------------------------


def test_a_node_sleeps_until_an_instant() -> None:
    found = of(waiting(node("t", SLEEP, due_at=NOW + 2 * HOUR)))
    assert (found.status, found.code) == ("Waiting", "sleep")
    assert found.why == f"sleeps until {IN_TWO_HOURS}"
    until, since = "2023-11-15T00:14:20.000000+00:00", "2023-11-14T22:13:20.000000+00:00"
    assert found.waits_for == Wait("sleep", "t", until, since)


def test_a_node_waits_for_an_event_that_a_program_sends() -> None:
    found = of(waiting(node("t", EVENT, name="paid")))
    assert found.code == "event"
    assert found.why == (
        f"waits for the event paid {SINCE}, without a time-out; "
        "runner.send(run_id, 'paid', …) ends that"
    )
    assert found.waits_for == Wait("event", "paid", None, "2023-11-14T22:13:20.000000+00:00")


def test_a_node_waits_for_a_person_and_says_what_they_are_asked() -> None:
    found = of(waiting(node("t", APPROVAL, detail=ASKED, due_at=NOW + 2 * HOUR)))
    assert found.code == "approval"
    assert found.why == (
        f"waits for a person {SINCE}, until {IN_TWO_HOURS}: Pay it?; "
        "run.approve('t', …) decides, with 'yes' or 'no'"
    )
    assert found.waits_for is not None
    assert (found.waits_for.kind, found.waits_for.name) == ("approval", "t")


def test_a_wait_whose_time_is_over_is_to_be_recorded() -> None:
    found = of(waiting(node("t", SLEEP, due_at=NOW)))
    over = "until 2023-11-14T22:14:20Z, 0 s ago: its time is over, and a runner is to record that"
    assert found.why == f"sleeps {over}"


@each_row(
    ("count", "expected"),
    [(1, "1 message of it has come, unread yet"), (2, "2 messages of it have come, unread yet")],
)
def test_a_message_that_has_come_is_to_be_read(count: int, expected: str) -> None:
    known = waiting(node("t", EVENT, answered=1))
    recorded = known.recorded._replace(unread=[Unread(EVENT, "x", 7), Unread(EVENT, "t", count)])
    assert of(_with(known, recorded)).why.endswith(f"without a time-out; {expected}")


def test_a_decision_that_has_come_is_to_be_recorded() -> None:
    found = of(waiting(node("t", APPROVAL, detail=ASKED, answered=1)))
    assert found.why.endswith("it is decided, and a runner is to record that")
    assert found.waits_for is not None
    assert found.waits_for.answered


def test_a_message_that_came_too_late_ends_nothing() -> None:
    known = waiting(node("t", EVENT, due_at=START, timed_out=1))
    recorded = known.recorded._replace(unread=[Unread(EVENT, "t", 1)])
    found = _with(known, recorded)
    assert of(found).why.endswith("runner.send(run_id, 't', …) ends that")
    assert unread_text(found) == "1 message (t) is unread, and nothing waits for it yet"


def test_the_wait_of_an_earlier_attempt_does_not_count() -> None:
    earlier = of_body("t", EVENT, "old", attempt=1)
    found = of(waiting(earlier, of_body("t", SLEEP, attempt=2, due_at=NOW + HOUR), number=2))
    assert found.code == "sleep"


# -- bodies --------------------------------------------------------------------------------------


def test_a_body_waits_in_the_memory_of_its_runner() -> None:
    known = waiting(of_body("t", EVENT, "paid"))
    assert of(known).why == (
        f"its body waits for the event paid {SINCE}, without a time-out; "
        "runner.send(run_id, 'paid', …) ends that"
    )
    assert bodies_in_memory(known, known.recorded.attempts) == ["t"]


def test_a_body_that_has_left_memory_runs_again_from_its_top() -> None:
    known = left(of_body("t", SLEEP, due_at=NOW + 2 * HOUR))
    assert of(known).why == (
        f"its body sleeps until {IN_TWO_HOURS}; "
        "the body has left memory, and runs again from its top after that"
    )
    assert bodies_in_memory(known, known.recorded.attempts) == []


def test_a_node_has_no_body_in_memory() -> None:
    known = waiting(node("t", EVENT))
    assert bodies_in_memory(known, known.recorded.attempts) == []


def test_of_several_waits_of_a_body_the_oldest_is_told() -> None:
    younger = of_body("t", EVENT, "a", opened_at=START + 1)
    found = of(waiting(younger, of_body("t", EVENT, "b"), of_body("t", EVENT, "c")))
    assert found.waits_for is not None
    assert found.waits_for.name == "b"
    assert found.why.endswith("; it has 2 more waits")


def test_a_body_that_was_lost_with_its_runner_comes_to_its_wait_again() -> None:
    known = facts(
        OWNED,
        attempted("t", WAITING),
        tasks=[Shape("t")],
        runners=[state(process_ended=True)],
        waits=[of_body("t", EVENT, "paid")],
    )
    end = "; its runner is gone, and the body runs again from its top elsewhere"
    assert of(known).why.endswith(end)


def test_a_body_that_has_left_and_whose_wait_is_over_runs_again() -> None:
    found = of(left(row=run_row()))
    assert (found.code, found.waits_for) == ("run_held", None)
    assert found.why == "its body has left memory, and runs again when the run goes on"


def test_no_wait_goes_on_while_the_run_is_being_cancelled() -> None:
    found = of(waiting(node("t", EVENT), row=run_row("Cancelling", owner="r1")))
    assert (found.code, found.waits_for) == ("cancelling", None)
    assert found.why.endswith("; the run is being cancelled")


# -- steps ---------------------------------------------------------------------------------------


@each_row(
    ("row", "count", "end"),
    [
        (attempted("t", TaskStatus.RUNNING), 1, "; 1 step of it is kept"),
        (attempted("t", TaskStatus.FAILED), 3, "; 3 steps of it are kept"),
        (attempted("t", TaskStatus.COMPLETED), 3, "completed"),
    ],
)
def test_a_body_that_may_run_again_says_how_many_steps_it_finds(
    row: AttemptRow, count: int, end: str
) -> None:
    known = facts(OWNED, row, tasks=[Shape("t")], runners=[state()], steps={"t": count})
    assert of(known).why.endswith(end)


# -- messages without a wait ---------------------------------------------------------------------


def test_messages_that_nothing_waits_for_are_counted_and_named() -> None:
    known = waiting(node("t", EVENT))
    unread = [Unread(EVENT, "t", 5), Unread(EVENT, "tee", 2), Unread(EVENT, "u", 1)]
    found = _with(known, known.recorded._replace(unread=unread))
    assert unread_text(found) == "3 messages (tee and u) are unread, and nothing waits for them yet"
    assert unread_text(known) is None


def test_a_run_that_has_ended_waits_for_no_message() -> None:
    known = facts(run_row("Completed", ended_at=NOW), unread=[Unread(EVENT, "tee", 1)])
    assert unread_text(known) == "1 message (tee) is unread"


def _with(known: Facts, recorded: RecordedRun) -> Facts:
    return replace(known, recorded=recorded)
