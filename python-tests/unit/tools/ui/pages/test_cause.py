"""Why a run is as it is, in sentences: the cause first, then what helps."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from model.families import LATE, attempt, family, run, tasks, view, wait
from model.inspected import inspected
from tables import each_row

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.views.explain.explanation import RunnerExplanation, TaskExplanation
from cloaca_core.views.task_results import Wait, shown_wait
from cloaca_tools.ui.pages.cause import cause
from cloaca_tools.ui.words.clock import Clock
from cloaca_tools.views.run.reading import Family
from cloaca_tools.views.run.tree import tree

CLOCK = Clock(UTC, datetime.fromtimestamp(LATE / 1e6, UTC))
RUNNER = RunnerExplanation("a", alive=True, may_run=True, why="", active_runs=0, is_here=False)


def failed(attempts: int = 1) -> Family:
    """A run in which send failed after so many attempts, and load is done."""
    tried = [attempt("send", n, n, n + 0.5, "Failed") for n in range(1, attempts + 1)]
    of = tasks(load=[], send=["load"], tell=["send"])
    return family(view(run(status="Failed"), attempt("load"), *tried, of=of))


def test_a_failed_run_names_its_task_and_error() -> None:
    behind = TaskExplanation("tell", "Skipped", "upstream_failed", "")
    found = cause(inspected(failed(3), code="task_failed", tasks=[behind]), CLOCK)

    assert found is not None
    assert (found.state, found.task) == ("Failed", "send")
    assert found.text == "failed after 3 attempts: ValueError: it broke"
    assert found.more == (
        (
            "Skipped because of it: tell. A retry runs it again, and what comes after it; "
            "1 finished task stays."
        ),
    )


@each_row(
    ("told", "text", "more"),
    [
        (
            "3 of them wait; each[1] waits for the event paid, without a time-out",
            "has 3 items that wait.",
            "each[1] waits for the event paid.",
        ),
        ("each[1] waits for a person", "has an item that waits.", "each[1] waits for a person."),
    ],
)
def test_a_run_that_waits_for_items_of_a_map_names_the_map_and_the_first_wait(
    told: str, text: str, more: str
) -> None:
    with WorkflowBuilder("flow", registry=Registry()) as builder:
        task(id="each", map="files")(lambda context: None)
    assert builder.workflow is not None
    of = {each.id: each for each in builder.workflow.tasks}
    known = family(view(run(status="Waiting"), attempt("each", 1, 1, None, "Running"), of=of))
    why = TaskExplanation("each", "Running", "running", f"its items are under way; {told}")
    found = cause(inspected(known, code="not_due", tasks=[why]), CLOCK)

    assert found is not None
    assert (found.state, found.task, found.text, found.more) == ("Waiting", "each", text, (more,))


@each_row(
    ("names", "also", "unnamed", "again"),
    [
        ("ab", ("b",), 0, "A retry runs both again; 0 finished tasks stay."),
        ("abcdef", ("b", "c", "d"), 2, "A retry runs all 6 again; 0 finished tasks stay."),
    ],
)
def test_all_that_failed_are_told(
    names: str, also: tuple[str, ...], unnamed: int, again: str
) -> None:
    tried = [attempt(name, 1, 1, 2, "Failed") for name in names]
    known = family(view(run(status="Failed"), *tried, of=tasks(**{name: [] for name in names})))
    found = cause(inspected(known, code="task_failed"), CLOCK)

    assert found is not None
    assert (found.task, found.also, found.unnamed, found.more) == ("a", also, unnamed, (again,))


def test_the_attempts_of_a_failure_are_those_of_its_round() -> None:
    seen = inspected(failed(4), code="task_failed")
    bars = [replace(bar, round=1 if n < 3 else 2) for n, bar in enumerate(seen.timeline.bars)]
    found = cause(replace(seen, timeline=replace(seen.timeline, bars=tuple(bars))), CLOCK)

    assert found is not None
    assert found.text == "failed after 2 attempts: ValueError: it broke"


def test_many_tasks_that_were_left_out_are_counted() -> None:
    behind = [TaskExplanation(f"t{n}", "Skipped", "upstream_failed", "") for n in range(9)]
    found = cause(inspected(failed(), code="task_failed", tasks=behind), CLOCK)

    assert found is not None
    assert found.text == "failed: ValueError: it broke"
    assert "t0, t1, t2 and 6 more. " in found.more[0]


@each_row("code", ["running", "ready", "limit", "turn"])
def test_a_run_that_goes_its_way_needs_no_words(code: str) -> None:
    known = family(view(run(status="Running", owner="x"), of=tasks(a=[])))

    assert cause(inspected(known, code=code, why="it goes"), CLOCK) is None


@each_row("status", ["Pending", "Waiting"])
def test_a_run_that_waits_for_a_limit_leads_to_it(status: str) -> None:
    known = family(view(run(status=status), of=tasks(a=[])))
    why = "it waits for a place of gpu"
    found = cause(inspected(known, code="limit", why=why, waits_for=Wait("limit", "gpu")), CLOCK)

    assert found is not None
    assert (found.text, found.limit) == ("It waits for a place of gpu.", "gpu")


def test_a_completed_run_needs_none() -> None:
    assert cause(inspected(family(view(run())), why="it completed"), CLOCK) is None


def waiting(kind: str) -> Family:
    asked = wait("ask", kind, "ask", LATE - 10_000_000, LATE + 60_000_000)
    return family(
        view(
            run(status="Waiting"),
            attempt("ask", 1, 1, None, "Waiting"),
            of=tasks(visit=[]),
            waits=[asked],
        )
    )


@each_row(
    ("kind", "text", "more"),
    [
        (
            "approval",
            "waits for a decision since 22:14:50.",
            "Decide it beside its task, or in the inbox. It waits until 22:16:00 at the latest.",
        ),
        (
            "event",
            "waits for the message ask since 22:14:50.",
            "It goes on when it is sent. It waits until 22:16:00 at the latest.",
        ),
        ("sleep", "sleeps until 22:16:00.", "It goes on by itself."),
    ],
)
def test_a_wait_is_told_with_what_ends_it(kind: str, text: str, more: str) -> None:
    known = waiting(kind)
    for_what = shown_wait(known.views["r"].waits[0])
    found = cause(inspected(known, code=kind, waits_for=for_what, runners=[RUNNER]), CLOCK)

    assert found is not None
    assert (found.state, found.task, found.text, found.more) == ("Waiting", "ask", text, (more,))


@each_row(("kind", "come"), [("approval", "decided"), ("event", "sent the event ask")])
def test_an_answered_wait_asks_for_nothing(kind: str, come: str) -> None:
    known = waiting(kind)
    for_what = replace(shown_wait(known.views["r"].waits[0]), answered=True)
    seen = inspected(known, code=kind, waits_for=for_what)
    node = replace(seen.tree.tasks[0], task_id="ask", status="Waiting", waits_for=for_what)
    found = cause(replace(seen, tree=replace(seen.tree, tasks=(node,))), CLOCK)

    assert found is not None
    assert found.text == f"is {come}, and a runner is to record that."
    assert found.more == (
        "It goes on by itself.",
        "No runner is open on this database that could go on with it.",
    )


def test_a_wait_without_a_runner_says_so() -> None:
    known = waiting("event")
    for_what = shown_wait(known.views["r"].waits[0])
    found = cause(inspected(known, code="event", waits_for=for_what), CLOCK)

    assert found is not None
    assert found.more[-1] == "No runner is open on this database that could go on with it."


def test_instants_are_those_of_the_reader() -> None:
    known = family(view(run(status="Pending", started_at=None), of=tasks(a=[])))
    why = "it starts at 2023-11-14T22:20:00Z, in 5 m"
    found = cause(inspected(known, code="not_due", why=why), CLOCK)

    assert found is not None
    assert found.text == "It starts at 22:20:00, in 5 m."


def test_a_lost_runner_counts_as_trouble() -> None:
    known = family(view(run(status="Running", owner="x"), of=tasks(a=[])))
    found = cause(inspected(known, code="owner_gone", why="its runner x is gone"), CLOCK)

    assert found is not None
    assert found.state == "Failed"
    assert found.more == ("What is done is recorded. Only bodies that ran begin again.",)


def test_what_is_not_known_is_told_also_of_a_run_that_goes_its_way() -> None:
    known = family(view(run(status="Running", owner="x"), of=tasks(a=[])))
    found = cause(inspected(known, code="running", why="it goes", notes=["it is old"]), CLOCK)

    assert found is not None
    assert found.more == ("It is old.",)


def test_a_reason_that_only_looks_like_an_instant_stays_as_it_is() -> None:
    known = family(view(run(status="Paused"), of=tasks(a=[])))
    told = cause(inspected(known, code="paused", why="paused: 9999-99-99T99:99:99Z"), CLOCK)

    assert told is not None
    assert told.text == "Paused: 9999-99-99T99:99:99Z."


@each_row(
    ("retry", "told"),
    [
        (130, ", at 22:15:30, in 30 s"),
        (70, ", which could have begun at 22:14:30, 30 s ago"),
    ],
)
def test_a_retry_is_told_with_its_instant_and_how_far_away_it_is(retry: float, told: str) -> None:
    tried = attempt("send", 1, 1, 2, "Failed", retry=retry)
    known = family(view(run(status="Waiting"), tried, of=tasks(send=[])))
    (send,) = tree(known).tasks
    found = cause(inspected(known, code="task", waits_for=send.waits_for), CLOCK)

    assert found is not None
    assert (found.task, found.text) == ("send", f"waits for its next attempt{told}.")
