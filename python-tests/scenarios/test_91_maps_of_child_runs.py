"""91: a node of a workflow is a map, whose items are runs of another workflow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from scenarios.steering import until
from tables import each_row

import cloaca
from cloaca.testing import Harness, crash_at_every_point, harness

WAIT = 60
HALF_AN_HOUR = 1800

Context = cloaca.Context
OpenRunner = Callable[..., cloaca.DefaultRunner]


@pytest.fixture(autouse=True)
def unlucky() -> set[Any]:
    """Items whose runs of ``double`` fail. ``slow`` takes half an hour."""
    bad: set[Any] = {13}
    with cloaca.WorkflowBuilder("double"):

        @cloaca.task(retry_attempts=1)
        def double(context: Context) -> dict[str, Any]:
            if context["item"] in bad:
                raise ValueError("unlucky")
            return {"double": 2 * context["item"]}

    with cloaca.WorkflowBuilder("slow"):
        cloaca.sleep("nap", seconds=HALF_AN_HOUR)

    return bad


@pytest.fixture
def h(database_url: str) -> Iterator[Harness]:
    """The engine on a clock that the test moves, on the backend under test."""
    with harness(url=database_url) as made:
        yield made


def mapped(child: str = "double", **options: Any) -> None:
    """A workflow with a map of child runs of the items at ``data``."""
    with cloaca.WorkflowBuilder("mapped"):
        cloaca.child("each", child, **{"map": "data", **options})


def rounds_of(run: cloaca.RunHandle) -> dict[int | None, int]:
    """The round of the child of each item."""
    return {branch.index: branch.run.round for branch in run.tree().children}


# -- input and result ----------------------------------------------------------------------------


@pytest.mark.each_backend
@pytest.mark.parametrize(
    ("data", "results"),
    [
        ([3, 1], [{"double": 6}, {"double": 2}]),
        ({"b": 1, "a": 2}, {"b": {"double": 2}, "a": {"double": 4}}),
        ([], []),
    ],
)
def test_each_item_is_a_run_and_the_values_are_in_their_order(
    open_runner: OpenRunner, data: Any, results: Any
) -> None:
    mapped(outputs=["double"])
    runner = open_runner(max_concurrent_tasks=1, max_active_runs=1)

    run = runner.submit("mapped", {"data": data})

    assert run.result(WAIT).final_context.to_dict() == {"data": data, "each": results}
    assert [each.status for each in run.items("each")] == ["Completed"] * len(data)
    assert len(run.children()) == len(data)


def test_a_child_gets_its_item_its_index_and_its_label(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("echo"):

        @cloaca.task
        def same(context: Context) -> None:
            """Keeps the input."""

    files = [{"name": "a", "size": 1}, {"name": "b", "size": 2}]
    with cloaca.WorkflowBuilder("mapped"):
        cloaca.child("whole", "echo", map="files", label="name")
        cloaca.child("chosen", "echo", map="files", context={"size": ("item", "size"), "u": "unit"})

    final = runner.execute("mapped", {"files": files, "unit": "kB"}, timeout=WAIT).final_context

    assert final["whole"][1] == {
        "files": files,
        "unit": "kB",
        "item": files[1],
        "index": 1,
        "label": "b",
    }
    assert final["chosen"][0] == {
        "size": 1,
        "u": "kB",
        "item": files[0],
        "index": 0,
        "label": 0,
    }


@pytest.mark.backend("sqlite", reason="each engine has a database in memory")
def test_a_crash_at_any_point_starts_no_child_twice() -> None:
    mapped(outputs=["double"])

    report = crash_at_every_point("mapped", {"data": [1, 2, 3]})

    assert (report.status, report.different) == ("Completed", ())


# -- failures ------------------------------------------------------------------------------------


@pytest.mark.each_backend
def test_a_retry_begins_the_failed_children_again_and_keeps_the_others(
    runner: cloaca.DefaultRunner, unlucky: set[Any]
) -> None:
    mapped(outputs=["double"])
    unlucky.add(14)
    run = runner.submit("mapped", {"data": [1, 13, 14, 2]})
    result = run.result(WAIT)
    before = {each.id for each in run.children()}

    assert "2 of 4 items failed, first each[1]: ChildFailedError: run " in str(result.error)
    unlucky.clear()
    run = runner.retry(run.id, items={"each": [1]})
    assert "1 of 4 items failed, first each[2]: ChildFailedError: run " in str(
        run.result(WAIT).error
    )
    assert rounds_of(run) == {0: 1, 1: 2, 2: 1, 3: 1}
    run = runner.retry(run.id)

    assert run.result(WAIT).final_context["each"] == [{"double": n} for n in (2, 26, 28, 4)]
    assert {each.id for each in run.children()} == before
    assert rounds_of(run) == {0: 1, 1: 2, 2: 2, 3: 1}


@pytest.mark.each_backend
def test_below_a_task_that_runs_again_only_children_that_have_their_input_again_do(
    runner: cloaca.DefaultRunner, unlucky: set[Any]
) -> None:
    data = [[1, 13, 14, 15], [1, 13, 2]]
    with cloaca.WorkflowBuilder("mapped"):

        @cloaca.task
        def prep(context: Context) -> dict[str, Any]:
            return {"data": data.pop(0)}

        cloaca.child("each", "double", map="data", context={}, outputs=[], dependencies=[prep])

    unlucky |= {14, 15}
    run = runner.submit("mapped")
    assert run.result(WAIT).status == "Failed"
    ids = {branch.index: branch.run.id for branch in run.tree().children}
    unlucky.clear()
    run = runner.retry(run.id, tasks=["prep"])

    assert run.result(WAIT).status == "Completed"
    rounds = {each.id: each.round for each in run.children()}
    assert [rounds[ids[item]] for item in range(4)] == [1, 2, 1, 1]
    assert sorted(rounds.values()) == [1, 1, 1, 1, 2]


def test_no_more_failed_children_begin_again_at_once_than_the_map_allows(
    h: Harness, unlucky: set[Any]
) -> None:
    with cloaca.WorkflowBuilder("slow after that"):

        @cloaca.task(retry_attempts=1)
        def first(context: Context) -> None:
            if context["item"] in unlucky:
                raise ValueError("unlucky")

        cloaca.sleep("nap", seconds=HALF_AN_HOUR, dependencies=[first])
    unlucky |= {1, 2, 3, 4}
    mapped("slow after that", max_parallel=2, outputs=[])
    run = h.submit("mapped", {"data": [1, 2, 3, 4]})
    h.drain()
    assert run.status == "Failed"
    unlucky.clear()

    run.handle.retry()
    h.drain()
    h.clock.advance(seconds=60)

    assert sorted(each.status for each in run.handle.children()) == [
        *["Failed"] * 2,
        *["Waiting"] * 2,
    ]


def test_a_child_that_fails_again_in_a_retry_fails_its_item_again(
    runner: cloaca.DefaultRunner,
) -> None:
    mapped()
    run = runner.submit("mapped", {"data": [13, 1]})
    run.result(WAIT)

    run = runner.retry(run.id)

    assert "1 of 2 items failed" in str(run.result(WAIT).error)
    assert rounds_of(run) == {0: 2, 1: 1}


def test_a_retry_without_children_starts_others(
    runner: cloaca.DefaultRunner, unlucky: set[Any]
) -> None:
    mapped(outputs=["double"])
    run = runner.submit("mapped", {"data": [13, 1]})
    run.result(WAIT)
    unlucky.clear()

    run = runner.retry(run.id, children=False)

    assert run.result(WAIT).final_context["each"] == [{"double": 26}, {"double": 2}]
    assert sorted(each.status for each in run.children()) == ["Completed", "Completed", "Failed"]


def test_an_item_never_gets_the_child_of_another_one(
    runner: cloaca.DefaultRunner, unlucky: set[Any]
) -> None:
    """In the next round the items are others, and a child is told by the place of its item."""
    made = [[1, 13], [9, 1, 2]]
    with cloaca.WorkflowBuilder("mapped"):

        @cloaca.task
        def above(context: Context) -> dict[str, Any]:
            return {"data": made.pop(0)}

        cloaca.child("each", "double", map="data", outputs=["double"], dependencies=[above])

    run = runner.submit("mapped")
    assert run.result(WAIT).status == "Failed"
    unlucky.clear()
    run = runner.retry(run.id, tasks=["above"])

    assert run.result(WAIT).final_context["each"] == [{"double": n} for n in (18, 2, 4)]


def test_an_item_that_runs_again_unchosen_starts_another_child(
    runner: cloaca.DefaultRunner, unlucky: set[Any]
) -> None:
    """All items run, as a task above has; the child of the chosen one alone was restarted."""
    unlucky.add(14)
    with cloaca.WorkflowBuilder("mapped"):

        @cloaca.task
        def above(context: Context) -> None:
            """Runs again."""

        cloaca.child("each", "double", map="data", outputs=["double"], dependencies=[above])
    run = runner.submit("mapped", {"data": [1, 13, 14]})
    assert run.result(WAIT).status == "Failed"
    unlucky.clear()

    run = runner.retry(run.id, tasks=["above"], items={"each": [1]})

    assert run.result(WAIT).final_context["each"] == [{"double": n} for n in (2, 26, 28)]
    assert sorted(each.status for each in run.children()) == ["Completed"] * 3 + ["Failed"]


def test_an_item_that_was_cancelled_and_not_chosen_starts_another_child(
    h: Harness, unlucky: set[Any]
) -> None:
    """Item 2 begins in a later opening, as the parent is in nobody's memory in between."""
    with cloaca.WorkflowBuilder("slow after that"):

        @cloaca.task(retry_attempts=1)
        def first(context: Context) -> None:
            if context["item"] in unlucky:
                raise ValueError("unlucky")

        cloaca.sleep("nap", seconds=HALF_AN_HOUR, dependencies=[first])
    mapped("slow after that", max_parallel=2, outputs=[])
    run = h.submit("mapped", {"data": [13, 1, 2]}, time_limit=10 * HALF_AN_HOUR)
    h.drain()
    h.clock.advance(seconds=60)
    assert [each.status for each in run.handle.items("each")] == ["Failed", "Waiting", "Waiting"]
    run.handle.cancel(reason="enough")
    h.drain()
    unlucky.clear()

    run.handle.retry(items={"each": [0]})
    h.drain()
    for _ in range(2):
        h.clock.advance(seconds=HALF_AN_HOUR + 60)
        h.drain()

    assert run.status == "Completed"
    assert sorted(each.status for each in run.handle.children()) == [
        *["Cancelled"] * 2,
        *["Completed"] * 3,
    ]


@pytest.mark.parametrize(
    ("policy", "status", "statuses"),
    [
        ("finish", "Failed", ["Failed", "Completed", "Completed"]),
        ("stop", "Failed", ["Failed", "Skipped", "Skipped"]),
        ("collect", "Completed", ["Failed", "Completed", "Completed"]),
    ],
)
def test_a_failed_child_is_an_item_that_failed(
    runner: cloaca.DefaultRunner, policy: Any, status: str, statuses: list[str]
) -> None:
    mapped(item_policy=policy, max_parallel=1, results="rows")

    run = runner.submit("mapped", {"data": [13, 1, 2]})

    assert run.result(WAIT).status == status
    items = run.items("each")
    assert [each.status for each in items] == statuses
    assert str(items[0].error).startswith("ChildFailedError: run ")


def test_a_paused_run_starts_another_child_when_it_is_resumed(
    runner: cloaca.DefaultRunner, unlucky: set[Any]
) -> None:
    with cloaca.WorkflowBuilder("mapped") as builder:
        builder.exhausted_policy("pause")
        cloaca.child("each", "double", map="data", outputs=["double"])
    run = runner.submit("mapped", {"data": [1, 13]})
    until(lambda: run.status() == "Paused")
    unlucky.clear()

    run.resume()

    assert run.result(WAIT).final_context["each"] == [{"double": 2}, {"double": 26}]
    assert sorted(each.status for each in run.children()) == ["Completed", "Completed", "Failed"]


def test_thousands_of_items_whose_children_cannot_start_fail_one_after_the_other(
    runner: cloaca.DefaultRunner,
) -> None:
    mapped(context={"n": ("item", "size")}, max_parallel=1)

    result = runner.execute("mapped", {"data": [{}] * 1_500}, timeout=WAIT)

    assert "1500 of 1500 items failed, first each[0]: ContextValueError: " in str(result.error)


def test_results_that_are_too_large_fail_the_map(open_runner: OpenRunner) -> None:
    runner = open_runner(max_context_bytes=4_096)
    mapped(context={"text": "text"})

    result = runner.execute("mapped", {"data": list(range(9)), "text": "x" * 700}, timeout=WAIT)

    assert "task 'each' would hand on " in str(result.error)
    assert 'With results="rows" the results stay out' in str(result.error)


# -- waits ---------------------------------------------------------------------------------------


@pytest.mark.each_backend
def test_children_are_made_lazily_and_end_with_their_parent(h: Harness) -> None:
    """The parent is in nobody's memory while they run."""
    mapped("slow", max_parallel=2, outputs=[])
    run = h.run("mapped", {"data": [1, 2, 3, 4, 5]})
    h.clock.advance(seconds=60)

    assert (run.status, len(run.handle.children())) == ("Waiting", 2)
    assert [each.status for each in run.handle.items("each")] == ["Waiting"] * 2 + [
        "NotStarted"
    ] * 3
    (explained,) = run.handle.explain().tasks
    assert "2 of them wait; each[0] waits for the end of run " in explained.why
    h.clock.advance(seconds=HALF_AN_HOUR + 1)
    h.drain()
    assert (run.status, len(run.handle.children())) == ("Waiting", 4)
    run.handle.cancel(reason="enough")
    h.drain()

    assert run.status == "Cancelled"
    assert sorted(each.status for each in run.handle.children()) == [
        *["Cancelled"] * 2,
        *["Completed"] * 2,
    ]


@pytest.mark.each_backend
def test_the_time_limit_ends_a_run_that_waits_for_its_children(h: Harness) -> None:
    """It is in nobody's memory when the limit passes."""
    mapped("slow", max_parallel=2)
    run = h.submit("mapped", {"data": [1, 2, 3]}, time_limit=600)
    h.drain()
    h.clock.advance(seconds=601)
    h.drain()

    assert run.status == "Failed"
    assert [each.status for each in run.handle.children()] == ["Cancelled"] * 2
    assert [each.status for each in run.handle.items("each")] == ["Cancelled"] * 2 + ["Skipped"]
    assert run.handle.result(WAIT).task_results["each"].status == "Cancelled"


# -- refused -------------------------------------------------------------------------------------


@each_row(
    ("options", "error", "text"),
    [
        ({"map": 3}, TypeError, "map"),
        ({"label": "name"}, ValueError, r"child\(label=...\) needs map"),
        ({"map": "data", "max_parallel": 0}, ValueError, "max_parallel"),
        ({"map": "data", "item_policy": "some"}, ValueError, "item_policy"),
        ({"map": "data", "context": {"item": "n"}}, ValueError, "'item'"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    options: dict[str, Any], error: type[Exception], text: str
) -> None:
    with cloaca.WorkflowBuilder("parent"):
        cloaca.sleep("other", seconds=1)
        with pytest.raises(error, match=text):
            cloaca.child("a", "double", **options)
