"""What is told of the runs that a task waits for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from model.families import LATE, attempt, child, family, run, tasks, view
from model.inspected import inspected
from tables import each_row

from cloaca_core.views.task_results import Progress, Wait
from cloaca_tools.ui.pages.cause import cause
from cloaca_tools.ui.words.child_waits import with_the_slowest
from cloaca_tools.ui.words.clock import Clock
from cloaca_tools.views import Inspection, TaskNode

CLOCK = Clock(UTC, datetime.fromtimestamp(LATE / 1e6, UTC))
WAIT = Wait("run", "c0")


def spawned(*states: str) -> tuple[Inspection, TaskNode]:
    """A run whose only task waits for runs in these states; of each two tasks one has ended."""
    names = [f"c{number}" for number in range(len(states))]
    of = tasks(first=[], rows=["first"])
    below = [
        view(
            run(name, state),
            attempt("first", run_id=name),
            attempt("rows", 1, 2, None, "Running", run_id=name),
            of=of,
        )
        for name, state in zip(names, states, strict=True)
    ]
    waiting = attempt("spawn", 1, 1, None, "Waiting")
    known = family(
        view(run(status="Running"), waiting, of=tasks(spawn=[])),
        *below,
        children=[
            child(each.row.id, key=f"r::spawn::{n}", status=each.row.status)
            for n, each in enumerate(below)
        ],
    )
    seen = inspected(known, code="child_run", waits_for=WAIT)
    node = replace(seen.tree.tasks[0], waits_for=WAIT)
    return replace(seen, tree=replace(seen.tree, tasks=(node,))), node


def far(node: TaskNode, *told: tuple[float, float | None, str | None]) -> TaskNode:
    """The task, with this progress of the second task of each run."""
    children = [
        replace(
            each, tasks=(each.tasks[0], replace(each.tasks[1], progress=Progress(*progress, "now")))
        )
        for each, progress in zip(node.children, told, strict=True)
    ]
    return replace(node, children=tuple(children))


@each_row(
    ("states", "told", "text"),
    [
        (
            ["Running"] * 3,
            [(30, 40, "rows"), (12, 40, "rows"), (20, 40, "rows")],
            "waits for 3 runs; the slowest is at 12 of 40 rows",
        ),
        (["Running"], [(1, 4, None)], "waits for a run, which is at 1 of 4"),
        # Without a total the distance to the end is unknown.
        (["Running"], [(1, None, "rows")], "waits for a run, which is at 1 of 2 tasks"),
        # A run that has ended is no longer waited for.
        (
            ["Completed", "Running", "Running"],
            [(1, 40, "rows"), (9, 10, "rows"), (8, 10, "rows")],
            "waits for 2 runs; the slowest is at 8 of 10 rows",
        ),
    ],
)
def test_the_run_that_is_least_far_is_named(
    states: list[str], told: list[tuple[float, float | None, str | None]], text: str
) -> None:
    _, node = spawned(*states)
    assert with_the_slowest(far(node, *told)) == text


def test_a_running_run_says_for_which_runs_its_task_waits() -> None:
    seen, _ = spawned("Running", "Running")
    found = cause(seen, CLOCK)

    assert found is not None
    assert (found.state, found.task) == ("Waiting", "spawn")
    assert found.text == "waits for 2 runs; the slowest is at 1 of 2 tasks."
