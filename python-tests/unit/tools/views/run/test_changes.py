"""What a task saw and made of it, told from the rows of its run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from model.families import attempt, run
from model.runs import graph_of
from tables import each_row

from cloaca_core.definition.recorded import RecordedTask, RecordedWorkflow
from cloaca_core.run.rows import AttemptRow, ForkRow, ReplacementRow
from cloaca_tools.views.run import changes
from cloaca_tools.views.run.changes import KeyChange, Seen, TaskChange, task_change


def definition(**dependencies: list[str]) -> RecordedWorkflow:
    graph = graph_of(**{name: {"dependencies": each} for name, each in dependencies.items()})
    known: Any = graph.tasks
    recorded: tuple[RecordedTask, ...] = known
    return RecordedWorkflow("public::embedded::flow", "flow", "v", recorded)


FLOW = definition(load=[], check=["load"], send=["load", "check"])


def did(task: str, new: dict[str, Any], removed: tuple[str, ...] = ()) -> AttemptRow:
    """A task that has completed with this change."""
    return attempt(task, change=json.dumps({"set": new, "removed": list(removed)}))


def change_of(
    row: AttemptRow,
    *before: AttemptRow,
    given: str = '{"n":1}',
    flow: RecordedWorkflow | None = FLOW,
    forks: tuple[ForkRow, ...] = (),
    replacements: tuple[ReplacementRow, ...] = (),
    counts: bool = True,
) -> TaskChange:
    attempts = [*before, row] if counts else list(before)
    return task_change(Seen(run(input=given), row, attempts, flow, forks, replacements))


def test_the_input_is_what_the_tasks_before_have_made() -> None:
    load = did("load", {"a": [1], "b": 2})
    check = did("check", {"c": 3}, removed=("b",))

    found = change_of(did("send", {"n": 5, "c": 3, "d": 4}, removed=("a",)), load, check)

    assert found.input == {"n": 1, "a": [1], "c": 3}
    assert found.result == {"n": 5, "c": 3, "d": 4}
    assert found.changes == (
        KeyChange("n", "changed", 1, 5, ("-1", "+5")),
        KeyChange("d", "added", None, 4, ("+4",)),
        KeyChange("a", "removed", [1], None, ("-[", "-  1", "-]")),
    )


def test_a_task_that_failed_has_an_input_and_no_change() -> None:
    found = change_of(attempt("check", status="Failed"), did("load", {"a": 1}))

    assert (found.input, found.changes, found.result) == ({"n": 1, "a": 1}, (), {})
    assert found.error == "ValueError: it broke"


@each_row(
    ("row", "before", "options"),
    [
        # what came before it has not ended
        (did("check", {}), (attempt("load", ends=None, status="Running"),), {}),
        (did("check", {}), (), {}),
        # its definition is not known, or has no such task
        (did("check", {}), (did("load", {}),), {"flow": None}),
        (did("gone", {}), (did("load", {}),), {}),
        # it counts no more
        (did("load", {}), (), {"counts": False}),
        # rows are damaged
        (did("load", {}), (), {"given": "["}),
        (did("load", {}), (), {"given": "3"}),
    ],
)
def test_an_input_that_cannot_be_told_is_none(
    row: AttemptRow, before: tuple[AttemptRow, ...], options: dict[str, Any]
) -> None:
    assert change_of(row, *before, **options).input is None


def test_keys_that_a_fork_or_a_resume_has_set_are_seen() -> None:
    load = did("load", {"a": 1})
    fork = ForkRow("r", "other", "check", '{"a":7}', 1)
    assert change_of(did("check", {}), load, forks=(fork,)).input == {"n": 1, "a": 7}

    replaced = ReplacementRow("r", 1, '{"n":9}', 1)
    later = did("check", {})._replace(replacements=1)
    assert change_of(later, load, replacements=(replaced,)).input == {"n": 9, "a": 1}
    assert change_of(did("check", {}), load, replacements=(replaced,)).input == {"n": 1, "a": 1}


def test_a_long_diff_is_cut_and_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "COMPARED", 6)
    monkeypatch.setattr(changes, "LINES", 5)
    found = change_of(did("load", {"n": [1, 2, 3]}), given='{"n":[1,2]}')

    assert found.changes[0].diff == ("-[", "-  1,", "-  2", "-]", "+[")
