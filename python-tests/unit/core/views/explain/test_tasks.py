"""Each task says why it is as it is; the texts follow from the records and the definition."""

from __future__ import annotations

from typing import Any

from model.facts_by_hand import (
    CHAIN,
    NOW,
    Retry,
    Shape,
    attempted,
    facts,
    failed,
    run_row,
    skipped,
    state,
)
from tables import each_row

from cloaca_core.definition import written_rules as rules
from cloaca_core.engine.execute.usage import Usage
from cloaca_core.features.explain.facts import Active, AwaitedLimit, Facts
from cloaca_core.features.explain.records import Suspect, UnendedChild
from cloaca_core.run.rows import RestartRow
from cloaca_core.values.states import ReasonCode, RunStatus, TaskStatus
from cloaca_core.values.times.instants import SECOND
from cloaca_core.views.explain.explanation import TaskExplanation
from cloaca_core.views.explain.task_starts import limit_text
from cloaca_core.views.explain.tasks import explained_tasks
from cloaca_core.views.task_results import Wait

OWNED = run_row(owner="r1")
DONE = attempted("fetch", TaskStatus.COMPLETED)
AT_START = "at 2023-11-14T22:13:20Z, 60 s ago"


def of(known: Facts, task: str) -> TaskExplanation:
    (found,) = [each for each in explained_tasks(known) if each.task_id == task]
    return found


def said(known: Facts, task: str) -> tuple[str, str, str]:
    found = of(known, task)
    return found.status, found.code, found.why


# -- before it starts --------------------------------------------------------------------------


def test_a_task_waits_for_its_dependencies_that_have_not_ended() -> None:
    known = facts(OWNED, runners=[state()])
    assert said(known, "load") == ("NotStarted", "dependencies", "waits for fetch")


def test_of_many_dependencies_some_are_named() -> None:
    names = tuple(f"t{number}" for number in range(9))
    shapes = [*map(Shape, names), Shape("join", names)]
    known = facts(OWNED, attempted("t0", "Completed"), tasks=shapes, runners=[state()])
    assert of(known, "join").why == "waits for t1, t2, t3 and 5 more"


@each_row(
    ("row", "expected"),
    [
        (run_row("Pending", started_at=None), "starts with the run"),
        (run_row("Paused"), "starts when the run goes on"),
        (
            run_row("Paused", owner="r1"),
            "may run still in its runner; if not, it starts when the run goes on",
        ),
        (
            run_row("Cancelling"),
            "does not start: the run is being cancelled",
        ),
    ],
)
def test_a_task_of_a_run_that_does_not_go_on_starts_with_it(row: object, expected: str) -> None:
    known = facts(row, DONE, runners=[state()])  # type: ignore[arg-type]  # a run's row
    assert said(known, "load")[2] == expected
    assert said(known, "load")[:2] in (("NotStarted", "run_held"), ("NotStarted", "cancelling"))


def test_no_task_of_a_run_that_is_being_cancelled_waits() -> None:
    row = run_row("Cancelling", owner="r1")
    known = facts(row, failed("fetch", retry_at=NOW + SECOND), runners=[state()])
    text = "attempt 1 of 3 failed: OSError: no disk; no other follows: the run is being cancelled"
    assert said(known, "fetch") == ("Waiting", "cancelling", text)
    text = "does not start: the run is being cancelled"
    assert said(known, "load") == ("NotStarted", "cancelling", text)
    text = f"may run still in its runner; if not, it {text}"
    assert said(facts(row, runners=[state()]), "fetch") == ("NotStarted", "cancelling", text)
    active = Active(frozenset(), {})
    known = facts(row, runners=[state(is_here=True)], active=active)
    assert of(known, "fetch").why == "does not start: the run is being cancelled"


def test_elsewhere_a_task_that_may_start_waits_for_its_runner() -> None:
    known = facts(OWNED, DONE, runners=[state()])
    text = "runs already, or waits for a free slot of its runner"
    assert said(known, "load") == ("NotStarted", "ready", text)


def test_here_a_task_that_may_start_waits_for_a_slot() -> None:
    active = Active(frozenset(), {"load": "max_concurrent_tasks"})
    found = of(facts(OWNED, DONE, runners=[state(is_here=True)], active=active), "load")
    assert (found.status, found.code) == ("Ready", "limit")
    assert found.why == "waits for a free slot (max_concurrent_tasks), or is about to start"
    assert found.waits_for == Wait("limit", "max_concurrent_tasks")


def test_the_bodies_of_a_task_that_hold_places_of_a_limit_are_named_once() -> None:
    held = AwaitedLimit("api", None, 0, 47, [("convert", "r1"), ("send", "r2"), ("convert", "r1")])
    assert limit_text(held) == (
        "waits for a place of limit api, which 2 bodies of convert of run r1, send of run r2 hold"
    )


ON_CPU = (Shape("fetch", executor="cpu"),)


@each_row(
    ("usage", "expected"),
    [
        (Usage(2, 2, 1, 0), "waits for a free slot of executor cpu: 2 of 2 slots are in use"),
        (
            Usage(2, 0, 1, 2),
            (
                "waits for a free slot of executor cpu: 2 of 2 slots are in use, "
                "2 by bodies that were given up and go on"
            ),
        ),
        (Usage(1, 1, 1, 0), "waits for a free slot of executor cpu: 1 of 1 slot is in use"),
        # Its thread has not begun it yet, or it is one that runs alone since it lost workers.
        (
            Usage(2, 1, 1, 0),
            "waits for its turn on executor cpu, or is about to start: 1 of 2 slots is in use",
        ),
    ],
)
def test_a_task_waits_for_a_slot_of_its_executor(usage: Usage, expected: str) -> None:
    active = Active(frozenset(), {"fetch": "executor_slots"}, executors={"cpu": usage})
    known = facts(OWNED, tasks=ON_CPU, runners=[state(is_here=True)], active=active)
    assert said(known, "fetch") == ("Ready", "limit", expected)
    assert of(known, "fetch").waits_for == Wait("limit", "executor_slots")


def test_where_bodies_run_in_this_process_all_the_same_it_waits_for_a_slot() -> None:
    active = Active(frozenset(), {"fetch": "executor_slots"})
    known = facts(OWNED, tasks=ON_CPU, runners=[state(is_here=True)], active=active)
    text = "waits for a free slot (executor_slots), or is about to start"
    assert said(known, "fetch") == ("Ready", "limit", text)


def test_a_queued_task_of_a_paused_run_is_not_ready() -> None:
    active = Active(frozenset(), {"load": "max_concurrent_tasks"})
    row = run_row("Paused", owner="r1")
    known = facts(row, DONE, runners=[state(is_here=True)], active=active)
    assert said(known, "load") == ("NotStarted", "run_held", "starts when the run goes on")


def test_a_task_that_never_started_before_the_end() -> None:
    row = run_row("Failed", ended_at=NOW, reason_code=ReasonCode.DEADLINE_EXCEEDED)
    text = "not started before the run ended"
    assert said(facts(row, DONE), "load") == ("NotStarted", "run_ended", text)


# -- under way -----------------------------------------------------------------------------------


def test_a_body_says_since_when_it_runs() -> None:
    known = facts(OWNED, attempted("fetch", "Running"), runners=[state()])
    assert said(known, "fetch") == ("Running", "running", f"its body began {AT_START}")


def test_a_body_says_on_which_executor_it_runs() -> None:
    known = facts(OWNED, attempted("fetch", "Running"), tasks=ON_CPU, runners=[state()])
    assert said(known, "fetch")[2] == f"its body was handed to executor cpu {AT_START}"


@each_row(
    ("crashes", "died"), [(1, "1 process has died in it"), (2, "2 processes have died in it")]
)
def test_a_body_in_which_processes_died_says_so(crashes: int, died: str) -> None:
    row = attempted("fetch", "Running", crashes=crashes)
    text = f"its body began {AT_START}; {died}"
    assert of(facts(OWNED, row, runners=[state()]), "fetch").why == text


def test_a_suspect_says_that_it_runs_alone() -> None:
    row = attempted("fetch", "Running", crashes=2, reason_code=ReasonCode.ALONE)
    text = (
        f"its body began {AT_START}; 2 processes have died in it, so it is a suspect and runs "
        "alone: no other body begins in its process"
    )
    assert of(facts(OWNED, row, runners=[state()]), "fetch").why == text


def test_a_suspect_says_why_it_waits() -> None:
    row = run_row(owner="r2", epoch=2)
    known = facts(row, attempted("fetch", "Running", crashes=2), runners=[state("r2")])
    text = (
        "2 processes have died while its body ran, so it is a suspect: it starts again once no "
        "other body runs in the process of its runner, and runs alone there"
    )
    assert said(known, "fetch") == ("NotStarted", "suspect", text)


def test_workers_that_died_make_no_suspect() -> None:
    row = run_row(owner="r2", epoch=2)
    mark = attempted("fetch", "Running", crashes=2, reason_code=ReasonCode.ELSEWHERE)
    assert said(facts(row, mark, tasks=ON_CPU, runners=[state("r2")]), "fetch")[1] == "ready"


def test_a_task_of_another_queue_waits_until_its_run_moves() -> None:
    queues = {"fetch": "default", "train": "gpu"}
    tasks = (Shape("fetch"), Shape("train"), Shape("report", ("train",)))
    owned = run_row(owner="r1")
    usual = facts(owned, tasks=tasks, runners=[state(queues='["default"]')], queues=queues)
    text = (
        "asks for queue gpu, which its runner does not serve: the run moves once no body of it "
        "is under way"
    )
    assert said(usual, "train") == ("NotStarted", "queue", text)
    assert of(usual, "fetch").code == "ready"

    every = facts(owned, tasks=tasks, runners=[state()], queues={**queues, "report": "tape"})
    assert of(every, "train").code == "ready"
    assert of(every, "train").why.endswith("; it asks for queue gpu")
    text = "waits for train; it asks for queue tape"
    assert said(every, "report") == ("NotStarted", "dependencies", text)


def test_a_body_that_waits_for_a_suspect_names_it() -> None:
    active = Active(frozenset(), {"fetch": "max_concurrent_tasks"}, suspects={None: ("burn", "r7")})
    known = facts(OWNED, runners=[state()], active=active)
    text = "waits for the end of task burn of run r7, a suspect that runs alone"
    assert said(known, "fetch") == ("Ready", "suspect", text)


def test_a_body_of_another_process_that_waits_for_a_suspect_names_it() -> None:
    text = "waits for the end of task burn of run r7, a suspect that runs alone"
    elsewhere = facts(OWNED, runners=[state()], suspect=Suspect("burn", "r7"))
    assert said(elsewhere, "fetch") == ("NotStarted", "suspect", text)

    on_executor = facts(OWNED, runners=[state()], tasks=ON_CPU, suspect=Suspect("burn", "r7"))
    assert of(on_executor, "fetch").code == "ready"


@each_row(
    ("suspect", "text"),
    [
        (("burn", "r7"), "waits for the end of task burn of run r7, a suspect that runs alone"),
        (("fetch", "r"), "starts once no other body runs on executor cpu, and runs alone there"),
    ],
)
def test_a_body_that_waits_for_its_executor_names_the_suspect(
    suspect: tuple[str, str], text: str
) -> None:
    usage = {"cpu": Usage(2, 1, 0, 0)}
    active = Active(
        frozenset(), {"fetch": "executor_slots"}, executors=usage, suspects={"cpu": suspect}
    )
    known = facts(OWNED, runners=[state()], active=active, tasks=ON_CPU)
    assert said(known, "fetch") == ("Ready", "suspect", text)


def test_a_suspect_of_an_executor_says_where_it_runs_alone() -> None:
    mark = attempted("fetch", "Running", crashes=2, reason_code=ReasonCode.ALONE_ELSEWHERE)
    runs = of(facts(OWNED, mark, tasks=ON_CPU, runners=[state()]), "fetch").why
    next_owner = run_row(owner="r2", epoch=2)
    starts = of(facts(next_owner, mark, tasks=ON_CPU, runners=[state("r2")]), "fetch")

    assert runs.endswith("so it is a suspect and runs alone: no other body begins on executor cpu")
    assert starts.code == "suspect"
    assert starts.why.endswith(
        "it starts again once no other body runs on executor cpu, and runs alone there"
    )


def test_a_body_of_a_runner_that_is_gone_may_have_had_effects() -> None:
    known = facts(OWNED, attempted("fetch", "Running"), runners=[state(process_ended=True)])
    text = f"its body began {AT_START}, in a runner that is gone: it may have had effects"
    assert said(known, "fetch") == ("Running", "owner_gone", text)


def test_a_start_that_was_not_written_yet_may_be_lost_with_the_runner() -> None:
    known = facts(OWNED, runners=[state(fenced=True)])
    text = (
        "may have begun in the runner that is gone, and have had effects; "
        "it starts again when the run goes on"
    )
    assert said(known, "fetch") == ("NotStarted", "owner_gone", text)
    assert of(known, "load").code == "dependencies"


def test_a_body_of_an_earlier_owner_is_started_again() -> None:
    row = run_row(owner="r2", epoch=2)
    known = facts(row, attempted("fetch", "Running", crashes=1), runners=[state("r2")])
    text = (
        "its body was running in a runner that is gone, and may have had effects; "
        "runs already, or waits for a free slot of its runner"
    )
    assert said(known, "fetch") == ("NotStarted", "ready", text)


def test_here_a_start_mark_counts_only_if_the_body_runs() -> None:
    active = Active(frozenset(["fetch"]), {})
    known = facts(OWNED, attempted("fetch", "Running"), runners=[state()], active=active)
    assert of(known, "fetch").code == "running"
    active = Active(frozenset(), {"fetch": "max_concurrent_async_tasks"})
    known = facts(OWNED, attempted("fetch", "Running"), runners=[state()], active=active)
    found = of(known, "fetch")
    assert (found.status, found.waits_for) == (
        "NotStarted",
        Wait("limit", "max_concurrent_async_tasks"),
    )


def test_a_task_waits_for_its_next_attempt() -> None:
    due = NOW + 30 * SECOND
    found = of(facts(OWNED, failed("fetch", retry_at=due), runners=[state()]), "fetch")
    assert (found.status, found.code) == ("Waiting", "retry")
    assert found.why == (
        "attempt 1 of 3 failed: OSError: no disk; "
        "the next one is due at 2023-11-14T22:14:50Z, in 30 s"
    )
    assert found.waits_for == Wait("retry", "fetch", "2023-11-14T22:14:50.000000+00:00")


@each_row(
    ("fields", "expected"),
    [
        (
            {"error_type": "WorkerLost", "reason_code": ReasonCode.WORKER_LOST, "crashes": 1},
            (
                "WorkerLost: gone; 1 worker has died in it, "
                "and after more than max_recovery_attempts it fails for good"
            ),
        ),
        (
            {"error_type": "WorkerLost", "reason_code": ReasonCode.WORKER_LOST, "crashes": 2},
            (
                "WorkerLost: gone; 2 workers have died in it, "
                "and after more than max_recovery_attempts it fails for good"
            ),
        ),
        (
            {"error_type": "WorkerLost", "reason_code": ReasonCode.POOL_BROKE, "crashes": 1},
            (
                "WorkerLost: gone; its executor has broken 1 time while it ran, "
                "which may be due to another body"
            ),
        ),
        (
            {"error_type": "WorkerLost", "reason_code": ReasonCode.POOL_BROKE, "crashes": 2},
            (
                "WorkerLost: gone; its executor has broken 2 times while it ran, "
                "so it is a suspect and runs alone there"
            ),
        ),
        (
            {"error_type": "ExecutorUnavailableError", "reason_code": ReasonCode.NOT_COUNTED},
            (
                "ExecutorUnavailableError: gone; it is tried again until its executor takes it, "
                "or the run's time is over"
            ),
        ),
        # A body that asks for another attempt of its own accord.
        ({"error_type": "RetryAfter", "reason_code": ReasonCode.NOT_COUNTED}, "RetryAfter: gone"),
    ],
)
def test_an_attempt_that_its_executor_lost_says_what_follows(
    fields: dict[str, Any], expected: str
) -> None:
    row = failed("fetch", retry_at=NOW + SECOND, error_message="gone", **fields)
    due = "the next one is due at 2023-11-14T22:14:21Z, in 1 s"
    text = f"an attempt that does not count failed: {expected}; {due}"
    assert said(facts(OWNED, row, tasks=ON_CPU, runners=[state()]), "fetch") == (
        "Waiting",
        "retry",
        text,
    )


def test_an_attempt_that_is_due_and_queued_waits_for_a_slot() -> None:
    active = Active(frozenset(), {"fetch": "max_concurrent_tasks"})
    row = failed("fetch", retry_at=NOW)
    found = of(facts(OWNED, row, runners=[state(is_here=True)], active=active), "fetch")
    assert (found.code, found.waits_for) == ("limit", Wait("limit", "max_concurrent_tasks"))
    assert found.why == (
        "attempt 1 of 3 failed: OSError: no disk; the next one waits for a free slot "
        "(max_concurrent_tasks), or is about to start"
    )


def test_an_attempt_that_is_due_elsewhere_says_since_when() -> None:
    known = facts(OWNED, failed("fetch", retry_at=NOW - 5 * SECOND), runners=[state()])
    assert of(known, "fetch").why.endswith(
        "the next one has been due since 2023-11-14T22:14:15Z, 5 s ago"
    )


def test_attempts_that_use_up_none_are_not_counted() -> None:
    due = NOW + SECOND
    rows = [
        failed("fetch", 1, retry_at=due, reason_code=ReasonCode.NOT_COUNTED),
        failed("fetch", 2, retry_at=due),
    ]
    why = of(facts(OWNED, *rows, runners=[state()]), "fetch").why
    assert why.startswith("attempt 1 of 3 failed")
    why = of(facts(OWNED, rows[0], runners=[state()]), "fetch").why
    assert why.startswith("an attempt that does not count failed")


def test_attempts_before_a_restart_are_history() -> None:
    row = run_row(owner="r1", round=2)
    rows = [failed("fetch", number) for number in (1, 2, 3)]
    restarts = [RestartRow("r", "fetch", 4, 2)]
    known = facts(row, *rows, restarts=restarts, runners=[state()])
    assert of(known, "fetch").status == "NotStarted"
    again = [*rows, failed("fetch", 4, retry_at=NOW + SECOND)]
    known = facts(row, *again, restarts=restarts, runners=[state()])
    assert of(known, "fetch").why.startswith("attempt 1 of 3 failed")


CHILD = UnendedChild("c", "public::embedded::inner", RunStatus.PENDING, "r::fetch::1")


def test_a_body_waits_for_the_run_that_it_has_submitted() -> None:
    other = UnendedChild("o", "public::embedded::inner", RunStatus.RUNNING, "r::load::1")
    row = attempted("fetch", "Waiting")
    found = of(facts(OWNED, row, runners=[state()], children=[other, CHILD]), "fetch")
    assert (found.status, found.code) == ("Waiting", "child_run")
    assert found.why == "its body waits for the end of run c of inner, which is Pending"
    assert found.waits_for == Wait("run", "c")


def test_a_child_with_a_key_of_the_users_may_be_that_of_any_task() -> None:
    children = [CHILD._replace(id="b", idempotency_key="mine"), CHILD._replace(id="d")]
    children[1] = children[1]._replace(idempotency_key=None)
    known = facts(OWNED, attempted("fetch", "Waiting"), runners=[state()], children=children)
    assert of(known, "fetch").why == (
        "its body waits for the end of run b of inner, which is Pending, or for one of 1 more"
    )


def test_a_body_that_waits_for_a_run_of_another() -> None:
    other = CHILD._replace(idempotency_key="r::load::1")
    row = attempted("fetch", "Waiting")
    found = of(facts(OWNED, row, runners=[state()], children=[other]), "fetch")
    assert found.why == "its body waits for the end of another run, whose id is not known"
    assert found.waits_for == Wait("run")


# -- at its end ----------------------------------------------------------------------------------


def test_a_task_that_completed() -> None:
    assert said(facts(OWNED, DONE), "fetch") == ("Completed", "completed", "completed")


TRACE = '  File "/app/flows.py", line 12, in load\n'


def test_a_task_that_failed_says_where_and_how_often() -> None:
    row = failed("fetch", 3, error_traceback=TRACE)
    text = "attempt 3 of 3 failed: OSError: no disk, in load (/app/flows.py, line 12)"
    assert said(facts(OWNED, row), "fetch") == ("Failed", "failed", text)


def test_an_error_that_is_not_tried_again() -> None:
    text = "attempt 1 of 3 failed: OSError: no disk; errors like this are not tried again"
    assert of(facts(OWNED, failed("fetch")), "fetch").why == text


def test_no_attempts_mean_one() -> None:
    known = facts(OWNED, failed("fetch"), tasks=[Shape("fetch", retry=Retry(0))])
    assert of(known, "fetch").why == "attempt 1 of 1 failed: OSError: no disk"


UPSTREAM, RULE = ReasonCode.UPSTREAM_FAILED, ReasonCode.TRIGGER_RULE


def test_a_skip_below_a_rejection_names_the_approval() -> None:
    known = facts(OWNED, DONE, skipped("load", ReasonCode.REJECTED, "rejected: fetch"))
    assert said(known, "load") == ("Skipped", "rejected", "skipped because fetch was rejected")


def test_a_skip_names_the_failure_and_the_way_to_it() -> None:
    shapes = [*CHAIN, Shape("last", ("report",))]
    rows = [failed("fetch", 3), *[skipped(name, UPSTREAM) for name in ("load", "report", "last")]]
    known = facts(OWNED, *rows, tasks=shapes)
    assert said(known, "load") == ("Skipped", "upstream_failed", "skipped because fetch failed")
    assert of(known, "report").why == "skipped because fetch failed, by way of load"
    assert of(known, "last").why == "skipped because fetch failed, by way of report"


def test_a_chain_of_many_skips_is_followed() -> None:
    shapes = [Shape("t0"), *[Shape(f"t{n}", (f"t{n - 1}",)) for n in range(1, 5_000)]]
    rows = [failed("t0"), *[skipped(f"t{n}", UPSTREAM) for n in range(1, 5_000)]]
    last = explained_tasks(facts(OWNED, *rows, tasks=shapes))[-1]
    assert last.why == "skipped because t0 failed, by way of t4998"


def test_a_dependency_that_a_rule_skipped_is_not_blamed() -> None:
    shapes = [Shape("a"), Shape("b"), Shape("c", ("a", "b"))]
    rows = [skipped("a", RULE), failed("b"), skipped("c", UPSTREAM)]
    assert of(facts(OWNED, *rows, tasks=shapes), "c").why == "skipped because b failed"


def test_a_rule_that_does_not_hold_is_said_with_the_states_it_asks_for() -> None:
    rule = rules.parse_rule(rules.task_failed("fetch"))
    shapes = [Shape("fetch"), Shape("load", ("fetch",), rule=rule)]
    known = facts(OWNED, DONE, skipped("load", RULE), tasks=shapes)
    text = "skipped: its rule task_failed('fetch') does not hold (fetch is Completed)"
    assert said(known, "load") == ("Skipped", "trigger_rule", text)


def test_a_rule_about_values_says_no_states() -> None:
    rule = rules.parse_rule(rules.context_value("n", ">", 3))
    known = facts(OWNED, skipped("fetch", RULE), tasks=[Shape("fetch", rule=rule)])
    text = "skipped: its rule context_value('n', 'GreaterThan', 3) does not hold"
    assert of(known, "fetch").why == text


def test_without_a_definition_the_recorded_text_is_said() -> None:
    known = facts(OWNED, skipped("load", UPSTREAM, "upstream failed: fetch"), tasks=None)
    assert of(known, "load").why == "skipped: upstream failed: fetch"


def test_a_body_that_was_cut_off_may_have_had_effects() -> None:
    row = run_row("Cancelled", ended_at=NOW, error_message="cancelled by ann")
    cut = attempted("fetch", "Cancelled", skip_reason="cancelled by ann")
    unstarted = attempted("load", "Cancelled", started_at=None, skip_reason="cancelled by ann")
    known = facts(row, cut, unstarted)
    text = "cut off after it had begun, and may have had effects: cancelled by ann"
    assert said(known, "fetch") == ("Cancelled", "cut_off", text)
    text = "cancelled before it began: cancelled by ann"
    assert said(known, "load") == ("Cancelled", "cancelled", text)
    assert said(known, "report") == ("Cancelled", "cancelled", text)


def test_a_task_that_waited_for_its_next_attempt_was_cut_off() -> None:
    row = run_row("Cancelled", ended_at=NOW, error_message="cancelled by ann")
    known = facts(row, failed("fetch", retry_at=NOW))
    assert said(known, "fetch")[:2] == ("Cancelled", "cut_off")


def test_what_has_ended_stays_so_in_a_cancelled_run() -> None:
    row = run_row("Cancelled", ended_at=NOW, error_message="cancelled by ann")
    assert of(facts(row, failed("fetch", 3)), "fetch").status == "Failed"
    assert of(facts(row, DONE), "fetch").status == "Completed"


def test_what_a_dead_process_left_is_cut_off_with_the_run() -> None:
    row = run_row("Failed", ended_at=NOW, error_message="Pipeline timeout after 3s")
    known = facts(row, attempted("fetch", "Running"))
    assert said(known, "fetch")[:2] == ("Cancelled", "cut_off")


def test_tasks_that_the_definition_lacks_come_last() -> None:
    known = facts(OWNED, attempted("gone", "Completed"), DONE, runners=[state()])
    tasks = [each.task_id for each in explained_tasks(known)]
    assert tasks == ["fetch", "load", "report", "gone"]


def test_an_instant_of_no_record_is_left_out() -> None:
    known = facts(OWNED, attempted("fetch", "Running", started_at=None), runners=[state()])
    assert of(known, "fetch").why == "its body began"
