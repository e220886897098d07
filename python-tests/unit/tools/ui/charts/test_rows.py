"""Rows of tasks in chunks, and the runs below them."""

from __future__ import annotations

from collections.abc import Sequence

from model.families import START, attempt, child, family, run, tasks, view
from tables import each_row

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.nodes.child import child as child_node, loop
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import Task
from cloaca_core.definition.written_rules import context_value
from cloaca_core.features.task_logs.records import ProgressRow
from cloaca_core.values.child_kinds import node_key
from cloaca_tools.ui.charts.rows import (
    CHUNK,
    MOST_APART,
    MOST_NESTED,
    Branch,
    Row,
    apart,
    chunk_of,
    chunks,
    first_to_see,
    found,
    hidden_apart,
    one_each,
)
from cloaca_tools.views import RunTree, Timeline
from cloaca_tools.views.run.reading import Family
from cloaca_tools.views.run.timeline import timeline
from cloaca_tools.views.run.tree import tree


def seen(known: Family) -> tuple[RunTree, Timeline]:
    return tree(known), timeline(known, ())


def many(number: int) -> Family:
    """A run of so many tasks, of which none has begun."""
    return family(view(run(), of=tasks(**{f"t{each}": [] for each in range(number)})))


def parent(*statuses: str, of: int = 2) -> Family:
    """A run whose only task has submitted runs in these states, each of so many tasks."""
    nested = tasks(**{f"n{each}": [] for each in range(of)})
    runs = [view(run(f"c{n}", status), of=nested) for n, status in enumerate(statuses)]
    children = [
        child(f"c{n}", key=f"r::fan::{n}", status=status) for n, status in enumerate(statuses)
    ]
    return family(view(run(), attempt("fan"), of=tasks(fan=[])), *runs, children=children)


def a_loop(name: str) -> dict[str, Task]:
    """The tasks of a workflow that is a loop."""
    with WorkflowBuilder("up", registry=Registry()) as builder:
        loop(name, "flow", until=context_value("n", ">", 9), max_iterations=20)
    assert builder.workflow is not None
    return {task.id: task for task in builder.workflow.tasks}


def branches(known: Family) -> Sequence[Branch]:
    (chunk,) = chunks(*seen(known), {0})
    assert chunk.rows is not None
    return chunk.rows[0].branches


def test_only_chunks_that_are_wanted_have_rows() -> None:
    cut = chunks(*seen(many(CHUNK + 50)), {1})

    assert [(each.number, each.tasks, each.height) for each in cut] == [
        (0, CHUNK, CHUNK),
        (1, 50, 50),
    ]
    assert cut[0].rows is None
    assert cut[1].rows is not None
    assert [row.node.task_id for row in cut[1].rows][:2] == [f"t{CHUNK}", f"t{CHUNK + 1}"]


def test_keys_are_those_of_the_places_of_tasks() -> None:
    (cut,) = chunks(*seen(many(3)), {0})

    assert [row.key for row in cut.rows or ()] == ["r-0", "r-1", "r-2"]


@each_row(
    ("known", "height"),
    [
        (parent("Completed"), 4),  # its task, its child, and the two tasks of that
        (parent("Completed", "Completed"), 3),  # several that are well are folded away
        (parent("Failed", "Completed"), 5),  # one that is not stays open
        (parent("Completed", of=11), 2),  # and a large one is
        (parent("Running", of=MOST_NESTED + 9), MOST_NESTED + 2),
        (parent(*["Failed"] * MOST_APART), 1 + 3 * MOST_APART),
        (parent(*["Failed"] * (MOST_APART + 1)), 2),  # more of them are folded into one row
    ],
)
def test_a_chunk_to_come_is_as_high_as_one_that_is_there(known: Family, height: int) -> None:
    (there,), (to_come,) = chunks(*seen(known), {0}), chunks(*seen(known), set())

    assert (there.height, to_come.height) == (height, height)


def test_many_runs_below_are_one_row_in_the_state_that_matters_most() -> None:
    (chunk,) = chunks(*seen(parent(*["Completed"] * 7, "Running", "Failed")), {0})
    (row,) = chunk.rows or ()

    assert row.is_folded
    assert (row.fold, row.state) == ("9 \N{MULTIPLICATION SIGN} flow", "Failed")
    assert row.counts == "9 runs: 1 failed, 1 running, 7 completed"


def test_the_runs_of_a_loop_are_iterations() -> None:
    tasks_of_loop = a_loop("again")
    keys = [node_key("r", "again", 1, n) for n in range(MOST_APART + 1)]
    runs = [view(run(f"c{n}")) for n in range(len(keys))]
    children = [child(f"c{n}", key=key) for n, key in enumerate(keys)]
    known = family(view(run(), attempt("again"), of=tasks_of_loop), *runs, children=children)
    (chunk,) = chunks(*seen(known), {0})
    (row,) = chunk.rows or ()

    assert [each.iteration for each in row.branches] == [*range(1, MOST_APART + 2)]
    assert (row.fold, row.counts) == ("9 iterations of flow", "9 iterations: 9 completed")


def test_a_map_of_more_items_than_runs_that_were_read_says_of_how_many_these_are() -> None:
    with WorkflowBuilder("all", registry=Registry()) as builder:
        child_node("each", "flow", map="shops")
    assert builder.workflow is not None
    of = {task.id: task for task in builder.workflow.tasks}
    keys = [node_key("r", "each", 1, 0, n) for n in range(MOST_APART + 1)]
    runs = [view(run(f"c{n}")) for n in range(len(keys))]
    children = [child(f"c{n}", key=key) for n, key in enumerate(keys)]
    told = ProgressRow("r", "each", 1, 200, 200, "2 failed", START)
    top = view(run(), attempt("each", status="Failed"), of=of)._replace(progress=[told])
    known = family(top, *runs, children=children)
    (chunk,) = chunks(*seen(known), {0})
    (row,) = chunk.rows or ()

    assert (row.fold, row.state) == ("9 of 200 runs", "Failed")
    assert row.counts == "the first 9 runs: 9 completed"
    assert hidden_apart(tree(known)) == 0


def test_a_large_run_below_shows_its_first_tasks() -> None:
    (branch,) = branches(parent("Running", of=MOST_NESTED + 9))

    assert (len(branch.rows), branch.hidden) == (MOST_NESTED, 9)


def test_a_run_of_no_known_task_stands_apart() -> None:
    known = family(view(run(), of=tasks(a=[])), view(run("c")), children=[child("c")])

    assert [branch.run.id for branch in apart(*seen(known))] == ["c"]


def test_a_row_has_the_bars_of_its_task() -> None:
    known = family(
        view(
            run(),
            attempt("a", 1, 1, 2, "Failed", retry=3),
            attempt("a", 2, 4, 8),
            attempt("b", 1, 9, 10),
            of=tasks(a=[], b=["a"], c=[]),
        )
    )
    (cut,) = chunks(*seen(known), {0})
    rows: Sequence[Row] = cut.rows or ()

    assert [[bar.attempt for bar in row.bars] for row in rows] == [[1, 2], [1], []]
    assert [(row.queued, row.ran) for row in rows] == [(1.0, 5.0), (1.0, 1.0), (None, None)]


def test_runs_are_found_at_any_depth() -> None:
    top, _ = seen(parent("Completed", "Failed"))

    assert [hit and hit.run.id for hit in (found(top, "r"), found(top, "c1"))] == ["r", "c1"]
    assert found(top, "other") is None


def test_a_task_is_found_in_its_chunk() -> None:
    top, _ = seen(many(CHUNK * 2 + 1))
    names = ("t0", f"t{CHUNK}", f"t{CHUNK * 2}", "?")

    assert [chunk_of(top, name, one_each(range(CHUNK * 2 + 1))) for name in names] == [0, 1, 2, 0]
    assert chunk_of(top, "t0", one_each([*range(1, CHUNK + 1), 0])) == 1


def test_only_tasks_that_are_listed_have_rows_in_their_order() -> None:
    (cut,) = chunks(*seen(many(CHUNK + 50)), {0}, one_each([7, 3]))

    assert [row.node.task_id for row in cut.rows or ()] == ["t7", "t3"]
    assert [row.key for row in cut.rows or ()] == ["r-7", "r-3"]


@each_row(
    ("states", "first"),
    [
        (("Completed", "Running", "Failed"), "c"),
        (("Completed", "Waiting", "Running"), "c"),
        (("Completed", "Waiting", "Completed"), "b"),
        (("Completed", "Skipped", "Completed"), "a"),
    ],
)
def test_a_page_opens_at_what_asks_for_it(states: Sequence[str], first: str) -> None:
    ends = {"Running": None, "Waiting": None}
    attempts = [
        attempt(task, 1, 1, ends.get(state, 2), state)
        for task, state in zip("abc", states, strict=True)
    ]
    top, _ = seen(family(view(run(status="Running"), *attempts, of=tasks(a=[], b=[], c=[]))))
    node = first_to_see(top)

    assert node is not None
    assert node.task_id == first


def test_a_page_of_a_run_that_is_over_opens_at_the_map_of_which_items_failed() -> None:
    with WorkflowBuilder("all", registry=Registry()) as builder:
        child_node("first", "flow")
        child_node("each", "flow", map="shops")
    assert builder.workflow is not None
    told = ProgressRow("r", "each", 1, 200, 200, "2 failed", START)
    of = {task.id: task for task in builder.workflow.tasks}
    top = view(run(), attempt("first"), attempt("each"), of=of)._replace(progress=[told])
    node = first_to_see(seen(family(top))[0])

    assert node is not None
    assert node.task_id == "each"


def test_a_run_without_tasks_opens_at_none() -> None:
    assert first_to_see(seen(family(view(run())))[0]) is None
