"""The inputs of tasks, computed anew."""

from __future__ import annotations

from typing import Any

import cloaca
from cloaca_core.run.graph import plan_graph
from cloaca_core.run.merge import Change
from cloaca_core.run.rows import AttemptRow
from cloaca_tools.transfer.task_inputs import task_inputs


def graph() -> Any:
    """a, then b and c, then d; e has no part in it."""
    registry = cloaca.Registry()
    with cloaca.WorkflowBuilder("w", registry=registry):
        # In an order in which a task comes before what it depends on.
        cloaca.task(id="d", dependencies=["b", "c"])(lambda context: None)
        cloaca.task(id="b", dependencies=["a"])(lambda context: None)
        cloaca.task(id="c", dependencies=["a"])(lambda context: None)
        cloaca.task(id="a")(lambda context: None)
        cloaca.task(id="e", dependencies=["d"])(lambda context: None)
    return plan_graph(registry.find("w"))


def row(task: str, status: str, change: str | None = None, replacements: int = 0) -> AttemptRow:
    return AttemptRow(
        "r",
        task,
        1,
        1,
        status,
        change,
        None,
        None,
        None,
        None,
        1,
        2,
        None,
        0,
        replacements=replacements,
    )


def inputs(*rows: AttemptRow, **more: Any) -> dict[str, dict[str, Any]]:
    made = graph()
    latest = {made.position[each.task_id]: each for each in rows}
    return task_inputs(made, {"n": 1}, latest, **more)


def test_a_task_is_given_what_those_before_it_hand_on() -> None:
    found = inputs(
        row("a", "Completed", '{"set": {"a": 1}, "removed": ["n"]}'),
        row("b", "Completed", '{"set": {"b": 2}, "removed": []}'),
        row("c", "Failed"),
        row("d", "Failed"),
    )

    assert found == {
        "a": {"n": 1},
        "b": {"a": 1},
        "c": {"a": 1},
        "d": {"a": 1, "b": 2},
    }


def test_tasks_that_have_not_begun_have_no_input() -> None:
    assert inputs(row("a", "Failed")).keys() == {"a"}
    assert inputs(row("a", "Completed", "{}"), row("b", "Running")).keys() == {"a", "b"}


def test_keys_that_were_set_from_outside_are_seen() -> None:
    made = graph()
    patched = inputs(
        row("a", "Completed", "{}"),
        row("b", "Failed"),
        patches={made.position["b"]: Change({"p": 1}, [])},
    )
    replaced = inputs(
        row("a", "Completed", "{}"),
        row("b", "Failed", replacements=1),
        row("c", "Failed"),
        replacements=[{"n": 2}],
    )

    assert patched["b"] == {"n": 1, "p": 1}
    assert (replaced["b"], replaced["c"]) == ({"n": 2}, {"n": 1})
