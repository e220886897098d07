"""Why a run is as it is: each reason that the specification names, from facts made by hand."""

from __future__ import annotations

from dataclasses import replace

from model.facts_by_hand import (
    NOW,
    START,
    VERSION,
    Shape,
    attempted,
    facts,
    failed,
    here,
    node,
    of_body,
    run_row,
    skipped,
    state,
)
from tables import each_row

from cloaca_core.features.explain.facts import Active, Facts
from cloaca_core.features.explain.records import Holds, Suspect, UnendedChild, Unread, WorkflowPause
from cloaca_core.features.waits.records import WaitRow
from cloaca_core.run.rows import RunRow
from cloaca_core.values.states import ReasonCode, RunStatus, TaskStatus
from cloaca_core.values.times.instants import SECOND
from cloaca_core.values.times.rfc3339 import rfc3339
from cloaca_core.values.waits import APPROVAL, EVENT, NEVER, SLEEP
from cloaca_core.views.explain.runs import why_run
from cloaca_core.views.explain.task_states import Why
from cloaca_core.views.explain.tasks import explained_tasks
from cloaca_core.views.task_results import Wait

LATER = NOW + 30 * SECOND
AT_LATER = "2023-11-14T22:14:50Z, in 30 s"
OWNED = run_row(owner="r1")
PENDING = run_row("Pending", started_at=None)


def whys(known: Facts) -> list[Why]:
    return why_run(known, explained_tasks(known))


def said(known: Facts) -> tuple[str, str]:
    """The main reason, and all of them."""
    found = whys(known)
    return found[0].code, "; ".join(why.text for why in found)


# -- ended ---------------------------------------------------------------------------------------


def test_a_completed_run_says_when() -> None:
    row = run_row("Completed", ended_at=NOW - SECOND)
    text = "it completed at 2023-11-14T22:14:19Z, 1 s ago"
    assert said(facts(row)) == ("completed", text)


def test_a_failed_run_names_the_task_its_error_and_what_was_skipped() -> None:
    row = run_row("Failed", ended_at=NOW, reason_code=ReasonCode.TASK_FAILED, error_message="1 …")
    attempts = [failed("fetch", 3)]
    attempts += [skipped(name, ReasonCode.UPSTREAM_FAILED) for name in ("load", "report")]
    assert said(facts(row, *attempts)) == (
        "task_failed",
        (
            "task fetch: attempt 3 of 3 failed: OSError: no disk; "
            "skipped because of that: load and report"
        ),
    )


def test_further_failures_are_counted() -> None:
    row = run_row("Failed", ended_at=NOW, reason_code=ReasonCode.TASK_FAILED)
    attempts = [failed("fetch", 3), failed("load", 3), failed("report", 3)]
    assert said(facts(row, *attempts))[1] == (
        "task fetch: attempt 3 of 3 failed: OSError: no disk; 2 more tasks failed"
    )


def test_a_failure_of_which_no_task_is_left_says_its_error() -> None:
    row = run_row(
        "Failed", ended_at=NOW, reason_code=ReasonCode.TASK_FAILED, error_message="it broke"
    )
    assert said(facts(row)) == ("task_failed", "it broke")


def test_a_run_that_took_too_long() -> None:
    row = run_row(
        "Failed",
        ended_at=NOW,
        reason_code=ReasonCode.DEADLINE_EXCEEDED,
        limit_seconds=3,
        error_message="Pipeline timeout after 3s",
    )
    assert said(facts(row, attempted("fetch", "Cancelled"))) == (
        "deadline_exceeded",
        (
            "it exceeded its time limit: Pipeline timeout after 3s; "
            "cut off, and may have had effects: fetch"
        ),
    )


def test_a_run_that_expired() -> None:
    row = run_row("Cancelled", ended_at=NOW, reason_code=ReasonCode.EXPIRED, started_at=None)
    text = "it had not begun when its start_by was over at 2023-11-14T22:13:20Z"
    assert said(facts(row, holds=Holds(start_by=START))) == ("expired", text)


@each_row(
    ("code", "expected"),
    [
        (ReasonCode.CANCELLED, "cancelled"),
        (ReasonCode.VERSION_CHANGED, "version_changed"),
        (None, "cancelled"),  # as rows of earlier versions
    ],
)
def test_other_ends_say_what_is_recorded(code: str | None, expected: str) -> None:
    row = run_row("Cancelled", ended_at=NOW, reason_code=code, error_message="by ann:\nno use")
    assert said(facts(row)) == (expected, "by ann: no use")


# -- owned ---------------------------------------------------------------------------------------


def test_a_run_that_is_being_cancelled_says_by_when_and_which_bodies_still_run() -> None:
    row = run_row("Cancelling", owner="r1", steer_reason="cancelled by ann: no use")
    known = facts(
        row,
        attempted("fetch", "Running"),
        holds=Holds(cancel_at=LATER),
        runners=[state()],
    )
    assert said(known) == (
        "cancelling",
        (
            f"cancelled by ann: no use; it ends at {AT_LATER}, at the latest; "
            "bodies recorded as running: fetch"
        ),
    )


def test_one_whose_runner_is_gone_says_who_ends_it() -> None:
    row = run_row("Cancelling", owner="r1", steer_reason="cancelled by ann")
    known = facts(row, holds=Holds(cancel_at=LATER), runners=[state(fenced=True), state("r2")])
    assert said(known)[1].endswith(
        "bodies recorded as running: none; its runner r1 is gone: was declared dead; its runs are "
        "taken over; another runner takes the run over, unless all have enable_recovery=False"
    )


def test_a_paused_run_with_an_owner_says_which_bodies_still_run() -> None:
    row = run_row("Paused", owner="r1", steer_reason="paused by ann: disk")
    known = facts(row, attempted("fetch", "Running"), runners=[state()], holds=Holds())
    text = "paused by ann: disk, until it is resumed; bodies recorded as running: fetch"
    assert said(known) == ("paused", text)


def test_of_a_run_of_this_process_it_is_known_which_bodies_run() -> None:
    row = run_row("Paused", owner="r1", steer_reason="paused by ann")
    ours = [state(is_here=True)]
    known = facts(
        row, attempted("fetch", "Running"), active=Active(frozenset(["fetch"]), {}), runners=ours
    )
    assert said(known)[1].endswith("; bodies that have not ended: fetch")
    known = facts(row, active=Active(frozenset(), {}), runners=ours)
    assert said(known)[1].endswith("; no body of it runs")


@each_row(
    ("gone", "how"),
    [
        (state(fenced=True), "was declared dead; its runs are taken over"),
        (state(process_ended=True, lease_until=START), "its process has ended"),
        (
            state(process_ended=True, lease_until=LATER),
            f"its process has ended; its lease ends at {AT_LATER}",
        ),
        (
            state(lease_until=START),
            "has not renewed its lease, which ended at 2023-11-14T22:13:20Z",
        ),
        (state("other"), "is not registered any more"),
    ],
)
def test_a_run_of_a_runner_that_is_gone(gone: object, how: str) -> None:
    found = whys(facts(OWNED, runners=[gone]))  # type: ignore[list-item]  # a runner's state
    assert found[0] == Why("owner_gone", f"its runner r1 is gone: {how}")


def test_no_other_runner_takes_it_over() -> None:
    known = facts(OWNED, runners=[state(fenced=True)])
    assert whys(known)[1].text == "no other runner is open that could take the run over"


def test_recovery_is_disabled_here() -> None:
    gone, ours = state(fenced=True), state("r2", is_here=True)
    known = facts(OWNED, runners=[gone, ours], here=here(recovers=False))
    text = "the only other runner, this one, has enable_recovery=False"
    assert whys(known)[1].text == text
    known = facts(OWNED, runners=[gone, ours, state("r3")], here=here(recovers=False))
    text = "another runner takes the run over, unless all have enable_recovery=False"
    assert whys(known)[1].text == text
    known = facts(OWNED, runners=[gone, ours], here=here())
    assert whys(known)[1].text == "this runner is about to take the run over"


def test_a_lease_that_is_not_over_leaves_the_owner_alive() -> None:
    known = facts(OWNED, attempted("fetch", "Running"), runners=[state(lease_until=NOW + 1)])
    assert said(known) == ("running", "running now: fetch")


def test_an_owner_of_this_process_is_alive_also_if_its_lease_is_over() -> None:
    known = facts(
        OWNED,
        attempted("fetch", "Running"),
        runners=[state(is_here=True, lease_until=START)],
        active=Active(frozenset(["fetch"]), {}, LATER),
    )
    assert said(known) == ("running", f"running now: fetch; its time limit ends at {AT_LATER}")


def test_a_time_limit_that_stands_still_has_no_end() -> None:
    known = facts(
        OWNED,
        attempted("fetch", "Running"),
        runners=[state(is_here=True)],
        active=Active(frozenset(["fetch"]), {}, LATER, rests=True),
    )
    assert said(known) == ("running", "running now: fetch; its time limit stands still meanwhile")


def test_what_a_run_in_progress_waits_for() -> None:
    child = UnendedChild("c", "public::embedded::inner", RunStatus.RUNNING, "r::fetch::1")
    known = facts(OWNED, attempted("fetch", "Waiting"), runners=[state()], children=[child])
    assert whys(known) == [
        Why("child_run", "tasks that wait for other runs: fetch", Wait("run", "c"))
    ]
    known = facts(OWNED, failed("fetch", retry_at=LATER), runners=[state()])
    (why,) = whys(known)
    assert (why.code, why.text) == ("retry", "tasks that wait for their next attempt: fetch")
    known = facts(OWNED, runners=[state()])
    text = "tasks that run already, or wait for a free slot of their runner: fetch"
    assert said(known) == ("ready", text)
    active = Active(frozenset(), {"fetch": "max_concurrent_tasks"})
    known = facts(OWNED, runners=[state(is_here=True)], active=active)
    (why,) = whys(known)
    assert (why.text, why.waits_for) == (
        "tasks that wait for a free slot: fetch",
        Wait("limit", "max_concurrent_tasks"),
    )
    known = facts(OWNED, runners=[state()], suspect=Suspect("burn", "r7"))
    assert said(known) == ("suspect", "tasks that wait because a suspect runs alone: fetch")


def test_a_run_of_unknown_tasks_says_who_works_on_it() -> None:
    assert said(facts(OWNED, tasks=None, runners=[state()])) == (
        "running",
        "its runner r1 works on it",
    )


# -- not owned -----------------------------------------------------------------------------------


def test_a_run_that_is_not_due() -> None:
    row = PENDING._replace(due_at=LATER)
    assert said(facts(row)) == ("not_due", f"it starts at {AT_LATER}")


def test_a_run_that_waits_for_a_message_and_for_no_instant() -> None:
    row = run_row("Waiting", due_at=NEVER)
    text = "it goes on once a message comes that it waits for"
    assert said(facts(row)) == ("not_due", text)


def test_a_run_that_must_begin_in_time_says_so() -> None:
    row = PENDING._replace(due_at=LATER)
    text = f"it starts at {AT_LATER}; it is cancelled if it has not begun by {AT_LATER}"
    assert said(facts(row, holds=Holds(start_by=LATER)))[1] == text


def test_one_that_has_begun_is_not_cancelled_for_that() -> None:
    row = run_row("Waiting", due_at=LATER)
    assert said(facts(row, holds=Holds(start_by=LATER)))[1] == f"it goes on at {AT_LATER}"


def test_a_run_that_waits_for_a_retry_names_the_task_that_is_due_first() -> None:
    row = run_row("Waiting", due_at=LATER)
    row = row._replace(due_at=LATER - SECOND)  # its time limit ends before that
    known = facts(row, failed("fetch", retry_at=LATER + SECOND), failed("load", retry_at=LATER))
    (why,) = whys(known)
    assert why.code == "retry"
    assert why.text == (
        f"task load waits for its next attempt, due at {AT_LATER}; 1 more task waits for its own"
    )
    assert why.waits_for == Wait("retry", "load", "2023-11-14T22:14:50.000000+00:00")


def test_a_run_behind_another_names_it() -> None:
    known = facts(PENDING, holds=Holds(behind="b", behind_status="Running"))
    (why,) = whys(known)
    text = "it waits for the run of its schedule before it, b, which is Running, to end"
    assert why == Why("behind", text, Wait("run", "b"))


def test_a_paused_run_says_until_when() -> None:
    row = run_row("Paused", steer_reason="paused by ann")
    known = facts(row, holds=Holds(paused_at=START, paused_until=LATER))
    assert said(known) == ("paused", f"paused by ann, until {AT_LATER}")


def test_a_paused_workflow_says_by_whom_and_until_when() -> None:
    pause = WorkflowPause(None, "ann", "the disk\nis full")
    text = "its workflow is paused by ann: the disk is full, until it is resumed"
    assert said(facts(PENDING, paused=pause, runners=[state()])) == ("workflow_paused", text)
    pause = WorkflowPause(LATER, None, None)
    text = f"its workflow is paused, until {AT_LATER}"
    assert said(facts(PENDING, paused=pause))[1] == text


def test_all_that_holds_a_run_is_said_the_pause_first() -> None:
    row = run_row("Paused", started_at=None, due_at=LATER, steer_reason="paused by ann")
    known = facts(
        row,
        holds=Holds(paused_at=START, behind="b"),
        paused=WorkflowPause(None, "bob", None),
    )
    assert [why.code for why in whys(known)] == ["paused", "behind", "not_due", "workflow_paused"]


# -- waits of nodes and bodies -------------------------------------------------------------------

PARKED = run_row("Waiting", due_at=NEVER)
ALONE = (Shape("nap"), Shape("paid"), Shape("sign"))


def waits(row: RunRow, *open_waits: WaitRow, **known: object) -> Facts:
    """A run whose nodes wait."""
    attempts = [attempted(each.task_id, TaskStatus.WAITING) for each in open_waits]
    tasks = [Shape(each.task_id) for each in open_waits]
    return facts(row, *attempts, tasks=tasks, waits=open_waits, **known)  # type: ignore[arg-type]  # names are checked by facts


def test_of_several_waits_of_a_run_one_that_a_person_can_end_is_told() -> None:
    nap, paid = node("nap", SLEEP, due_at=LATER), node("paid", EVENT)
    sign = node("sign", APPROVAL, detail='{"prompt": "Pay?", "choices": ["yes"]}')
    told = [
        said(waits(row, *open_waits, runners=[state()]))
        for row in (OWNED, PARKED)
        for open_waits in ((nap,), (nap, paid), (nap, paid, sign))
    ]
    assert [code for code, _ in told] == ["sleep", "event", "approval"] * 2
    assert told[0][1] == f"task nap: sleeps until {AT_LATER}"
    assert told[1][1].endswith("runner.send(run_id, 'paid', …) ends that; 1 more task waits")
    assert told[2][1].startswith("task sign: waits for a person since ")
    assert told[2][1].endswith("; 2 more tasks wait")
    assert whys(waits(PARKED, nap))[0].waits_for == Wait(
        "sleep", "nap", rfc3339(LATER), rfc3339(START)
    )


def test_a_run_that_waits_is_in_no_memory() -> None:
    (_, text) = said(waits(PARKED, node("paid", EVENT), runners=[state()]))
    assert text.endswith("; no runner has it in memory meanwhile")
    (_, text) = said(waits(PARKED, node("paid", EVENT), runners=[state(fenced=True)]))
    assert text.endswith("meanwhile, and none is open on this database that could go on with it")


def test_a_run_that_waits_tells_its_retries_too() -> None:
    attempts = [attempted("paid", TaskStatus.WAITING), failed("nap", retry_at=LATER)]
    known = facts(PARKED, *attempts, tasks=ALONE, waits=[node("paid", EVENT)])
    assert [why.code for why in whys(known)] == ["event", "", "retry"]


def test_what_runs_comes_before_what_waits() -> None:
    running = attempted("nap", TaskStatus.RUNNING)
    known = facts(
        OWNED,
        running,
        attempted("paid", TaskStatus.WAITING),
        tasks=ALONE,
        runners=[state()],
        waits=[node("paid", EVENT)],
    )
    assert whys(known)[0].code == "running"


def test_a_paused_run_names_the_bodies_that_wait_in_memory() -> None:
    row = run_row("Paused", owner="r1", steer_reason="paused by ann")
    known = facts(
        row,
        attempted("nap", TaskStatus.WAITING),
        attempted("paid", TaskStatus.WAITING),
        attempted("sign", TaskStatus.WAITING, reason_code=str(ReasonCode.HAS_LEFT)),
        tasks=ALONE,
        runners=[state()],
        waits=[
            of_body("nap", SLEEP, due_at=LATER),
            node("paid", EVENT),
            of_body("sign", EVENT, "signed"),
        ],
    )
    assert said(known)[1].endswith("; bodies recorded as running: nap")


def test_messages_that_nothing_waits_for_come_last() -> None:
    unread = [Unread(EVENT, "paidd", 1)]
    (_, text) = said(waits(PARKED, node("paid", EVENT), runners=[state()], unread=unread))
    assert text.endswith("; 1 message (paidd) is unread, and nothing waits for it yet")
    row = run_row("Completed", ended_at=NOW)
    assert said(facts(row, unread=unread))[1].endswith("; 1 message (paidd) is unread")


def test_nobody_else_waits_for_a_message_to_an_item() -> None:
    unread = [Unread(EVENT, "paid", 2, "each", 3)]
    (wait, text) = said(waits(PARKED, node("paid", EVENT), runners=[state()], unread=unread))
    assert "have come, unread yet" not in wait
    assert text.endswith("; 2 messages (paid) are unread, and nothing waits for them yet")


def test_what_a_rejection_has_skipped_is_named_at_the_end() -> None:
    row = run_row("Completed", ended_at=NOW)
    rejected = [
        skipped(each, ReasonCode.REJECTED, "rejected: fetch") for each in ("load", "report")
    ]
    known = facts(row, attempted("fetch", TaskStatus.COMPLETED), *rejected)
    assert said(known)[1].endswith("; skipped because of a rejection: load and report")


# -- claimable -----------------------------------------------------------------------------------


def unclaimed(**known: object) -> tuple[str, str]:
    return said(facts(PENDING, **known))  # type: ignore[arg-type]  # names are checked by facts


HERE = state(is_here=True)


def test_no_runner_is_open() -> None:
    assert unclaimed() == ("no_runner", "no runner is open on this database")
    assert unclaimed(runners=[state(fenced=True)])[0] == "no_runner"


def test_this_runner_may_claim_it() -> None:
    assert unclaimed(runners=[HERE], here=here()) == (
        "turn",
        "this runner may claim it at any moment",
    )


def test_others_come_first() -> None:
    assert unclaimed(runners=[HERE], here=here(), ahead=1)[1].endswith(
        "; 1 run of its workflow comes first"
    )
    assert unclaimed(runners=[HERE], here=here(), ahead=1000)[1].endswith(
        "; 1,000 runs of its workflow come first"
    )


def test_this_runner_has_no_place() -> None:
    known = facts(PENDING, runners=[HERE], here=here(free=0), ahead=2)
    text = (
        "all 10 places of this runner (max_active_runs) are taken; "
        "2 runs of its workflow come first"
    )
    assert whys(known) == [Why("no_place", text, Wait("limit", "max_active_runs"))]


def test_a_queue_of_this_runner_is_full() -> None:
    full = replace(here(), full=2)
    text = "this runner has 2 places for runs of queue default (queues), and none is free"
    known = facts(PENDING, runners=[HERE], here=full)
    assert whys(known) == [Why("no_place", text, Wait("limit", "queues"))]


def test_this_runner_was_stopped() -> None:
    text = "this runner has its workflow, but claims nothing: stopped, or start=False"
    assert unclaimed(runners=[HERE], here=here(claims=False)) == ("stopped", text)


@each_row("ours", [here(free=0), here(claims=False), here(version=None), None])
def test_another_runner_that_owns_runs_of_the_workflow_may_claim_it(ours: object) -> None:
    runners = [state("r2", owned=3, owns_workflow=True), HERE]
    text = "runner r2 has its workflow, and claims it when there is a place"
    assert unclaimed(runners=runners, here=ours) == ("turn", text)


def test_no_live_runner_is_known_to_have_the_workflow() -> None:
    text = "it waits for a runner that has its workflow: this runner has not registered it"
    assert unclaimed(runners=[HERE], here=here(version=None)) == ("unserved", text)
    known = unclaimed(runners=[HERE, state("r2")], here=here(version=None))
    assert known[1] == f"{text}; the other one runs nothing of it now, so it may lack it"
    runners = [HERE, state("r2"), state("r3")]
    known = unclaimed(runners=runners, here=here(version=None, near="public::embedded::flows"))
    others = "none of the 2 others runs anything of it now, so all may lack it"
    assert known[1] == f"{text} (did you mean flows?); {others}"
    told = unclaimed(runners=[state("r2")], here=None)
    few = "the only live one runs nothing of it now, so it may lack it"
    assert told[1] == f"it waits for a runner that has its workflow: {few}"
    known = unclaimed(runners=[state("r2"), state("r3"), state("r4", fenced=True)])
    assert known[1] == (
        "it waits for a runner that has its workflow: none of the 2 live ones runs anything of it "
        "now, so all may lack it"
    )


def test_a_run_that_has_come_due_waits_for_a_runner() -> None:
    row = PENDING._replace(due_at=NOW)
    assert said(facts(row)) == (
        "no_runner",
        "no runner is open on this database; it came due at 2023-11-14T22:14:20Z, 0 s ago",
    )


def test_a_run_that_has_come_due_may_be_held_by_other_things() -> None:
    row = PENDING._replace(due_at=NOW)
    found = whys(facts(row, paused=WorkflowPause(None, None, None)))
    assert [why.code for why in found] == ["workflow_paused", "due"]


NEXT = "bbbbbbbbbbbbbbbb"


def test_a_run_goes_on_under_another_version_of_this_runner() -> None:
    lacking = here(version=NEXT, tasks=("fetch", "new"))
    row = run_row("Running")
    known = facts(row, attempted("fetch", "Completed"), runners=[HERE], here=lacking)
    assert said(known)[1] == (
        f"this runner may claim it at any moment; the run goes on under version {NEXT}, "
        "which lacks load and report: not run then"
    )


def test_tasks_that_have_ended_are_not_lacking() -> None:
    lacking = here(version=NEXT, tasks=("load", "report"))
    known = facts(run_row(), attempted("fetch", "Completed"), runners=[HERE], here=lacking)
    assert said(known)[1].endswith(f"the run goes on under version {NEXT}")


def test_a_run_that_has_begun_fails_where_the_policy_is_fail() -> None:
    refusing = here(version=NEXT, refuses=True)
    known = facts(run_row(), attempted("fetch", "Completed"), runners=[HERE], here=refusing)
    assert said(known)[1].endswith(
        f"it has version {NEXT} and the run began under {VERSION}: the run fails when it is "
        "claimed, unless its tasks are the same (version_policy)"
    )
    known = facts(PENDING, runners=[HERE], here=refusing)
    assert said(known)[0] == "version_unserved"


def test_every_state_has_a_reason() -> None:
    for status in RunStatus:
        ended = NOW if status in ("Completed", "Failed", "Cancelled") else None
        row: RunRow = run_row(status, ended_at=ended)
        assert said(facts(row))[1]


# -- tasks that runners lack ---------------------------------------------------------------------

AGAIN = PENDING._replace(round=2)
LACKING = "it waits for a runner whose version of its workflow has task report"


def test_a_run_waits_for_a_runner_with_its_tasks() -> None:
    ours = here(version=NEXT, tasks=("fetch", "load"))
    text = f"{LACKING}: runner r1 lacks it"
    assert said(facts(AGAIN, runners=[HERE], here=ours)) == ("task_unserved", text)
    left = {"r1": ("report",)}
    assert said(facts(AGAIN, runners=[state()], lacking=left)) == ("task_unserved", text)
    runners = [state("r1", owns_workflow=True), state("r2"), state("r3")]
    known = facts(AGAIN, runners=runners, lacking={"r1": ("load",), "r2": ("load", "report")})
    assert said(known)[1] == (
        "it waits for a runner whose version of its workflow has tasks load and report: runners "
        "r1 and r2 lack them"
    )


def test_a_run_may_wait_for_a_runner_of_its_version() -> None:
    text = (
        f"it waits for a runner with version {PENDING.version} of its workflow, which has the "
        "version_policy fail: "
    )
    left = {"r1": (), "r2": ()}
    known = facts(PENDING, runners=[state()], lacking=left)
    assert said(known) == ("version_unserved", f"{text}runner r1 has another")
    known = facts(PENDING, runners=[state(), state("r2")], lacking=left)
    assert said(known)[1] == f"{text}runners r1 and r2 have others"


def test_a_runner_with_the_tasks_comes_first() -> None:
    left, theirs = {"r1": ("report",)}, state("r2", owns_workflow=True)
    ours = here(version=NEXT, tasks=("fetch", "load"))
    assert said(facts(AGAIN, runners=[HERE, theirs], here=ours, lacking=left))[1] == (
        "runner r2 has its workflow, and claims it when there is a place"
    )
    assert (
        said(facts(AGAIN, runners=[state(), state("r2", is_here=True)], here=here(), lacking=left))[
            0
        ]
        == "turn"
    )
