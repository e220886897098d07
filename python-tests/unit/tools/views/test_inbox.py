"""What waits for a person, shaped from rows."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from model.families import LATE, attempt, run, tasks, view
from model.memory_store import MemoryStore

from cloaca_core.features.waits.records import OpenApprovalRow
from cloaca_core.run.rows import AttemptRow, Exhausted, RestartRow
from cloaca_core.store.batch import Batch
from cloaca_testing.conformance import commits, rows
from cloaca_tools.views.inbox import Found, Open, WaitingForPeople, count, inbox
from cloaca_tools.views.run.reading import RunView

if TYPE_CHECKING:
    from cloaca_core.assembly.onlooker import Looks

FLOW = tasks(reserve=[], charge=["reserve"], ship=["charge"], mail=["ship"], other=["reserve"])


def exhausted(task: str = "charge", number: int = 3, ends: float = 5) -> AttemptRow:
    return attempt(task, number, ends - 1, ends, "Failed")._replace(reason_code="exhausted")


def paused(*attempts: AttemptRow, restarts: tuple[RestartRow, ...] = ()) -> RunView:
    return view(run("r", "Paused"), attempt("reserve"), *attempts, of=FLOW, restarts=restarts)


def found(*views: RunView, approvals: tuple[Open, ...] = (), more: bool = False) -> Found:
    return Found(LATE, approvals, views, more)


def test_an_approval_comes_with_what_it_sees_and_what_is_chosen_in_the_end() -> None:
    row = OpenApprovalRow(
        run_id="r",
        workflow="public::embedded::flow",
        task_id="sign",
        name="sign",
        opened_at=LATE,
        due_at=None,
        detail='{"prompt":"ok?","choices":["yes","no"]}',
        run_status="Waiting",
        tags='{"shop":"no"}',
    )

    shown = inbox(found(approvals=(Open(row, {"n": 1}, "no"),), more=True))

    (question,) = shown.questions
    assert (question.approval.prompt, question.approval.choices) == ("ok?", ("yes", "no"))
    assert (question.facts, question.default) == ({"n": 1}, "no")
    assert shown.more
    assert shown.to_dict()["questions"][0]["approval"]["tags"] == {"shop": "no"}


def test_a_run_that_a_failure_has_paused_says_what_a_resume_does() -> None:
    (stopped,) = inbox(found(paused(attempt("other"), exhausted()))).stopped

    assert (stopped.task, stopped.attempt, stopped.fresh) == ("charge", 3, 3)
    assert stopped.error == "ValueError: it broke"
    assert stopped.since == "2023-11-14T22:13:25.000000+00:00"
    assert stopped.after == ("ship", "mail")


def test_of_several_failures_the_last_one_counts() -> None:
    shown = inbox(found(paused(exhausted(ends=9), exhausted("other", 1, ends=5))))

    assert shown.stopped[0].task == "charge"


def test_a_run_that_was_resumed_or_paused_by_a_person_is_not_stopped() -> None:
    resumed = view(run("r", "Running"), exhausted(), of=FLOW)
    begun_anew = paused(exhausted(), attempt("charge", 4, status="Running", ends=None))
    by_person = paused(attempt("charge", 1, status="Failed"))

    assert inbox(found(resumed, begun_anew, by_person)).stopped == ()


def test_a_failure_before_a_restart_counts_no_more() -> None:
    again = RestartRow("r", "charge", first_attempt=4, round=2)

    assert inbox(found(paused(exhausted(), restarts=(again,)))).stopped == ()


def test_without_its_definition_a_run_is_stopped_all_the_same() -> None:
    (stopped,) = inbox(found(view(run("r", "Paused"), exhausted()))).stopped

    assert (stopped.fresh, stopped.after) == (None, ())


async def test_the_code_of_an_attempt_tells_what_has_stopped_a_run_and_no_sentence() -> None:
    """Anybody may write a reason, and ours may be worded in another way one day."""
    store = MemoryStore()
    await store.register(rows.runner("r1"))
    await commits.submit(store, rows.new_run("stopped"), rows.new_run("paused"))
    used_up = rows.attempt("stopped", status="Failed", error="bad", reason="exhausted")
    pause = Exhausted("stopped", "exhausted::load::1", "in other words", rows.NOW)
    fences = {"stopped": 1}
    await store.commit(Batch("r1", [], [used_up], [], fences, exhausted=[pause]))
    await commits.record(store, [rows.attempt("paused", status="Failed", error="bad")])
    act = rows.act(because="load has used up its attempts: so I was told")
    await store.pause(["paused"], act._replace(asked_by="cloaca"), None, children=True)

    waiting = await count(cast("Looks", SimpleNamespace(store=store)))

    assert waiting == WaitingForPeople(decisions=0, stopped=1)
