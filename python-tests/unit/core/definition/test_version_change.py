"""Which tasks of a workflow differ between two versions."""

from __future__ import annotations

from typing import Any

from model.runs import nothing
from tables import each_row

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.definition.version_change import (
    Fingerprints,
    VersionChange,
    compared,
    fingerprints,
)
from cloaca_core.definition.workflow import Workflow


def something(context: Context) -> dict[str, int]:
    return {"n": 1}


def workflow_of(**tasks: dict[str, Any]) -> Workflow:
    with WorkflowBuilder("w", registry=Registry()) as builder:
        for name, options in tasks.items():
            given = {key: value for key, value in options.items() if key != "body"}
            task(id=name, **given)(options.get("body", nothing))
    return builder.workflow


@each_row(
    ("expected", "earlier", "later"),
    [
        (VersionChange(), {"a": "1", "b": "2"}, {"b": "2", "a": "1"}),
        (VersionChange(added=("c", "b")), {"a": "1"}, {"c": "3", "a": "1", "b": "2"}),
        (VersionChange(removed=("b",)), {"a": "1", "b": "2"}, {"a": "1"}),
        (VersionChange(changed=("a",)), {"a": "1", "b": "2"}, {"a": "7", "b": "2"}),
        (VersionChange(("new",), ("old",), ("a",)), {"a": "1", "old": "2"}, {"a": "3", "new": "2"}),
    ],
)
def test_the_tasks_that_differ_are_sorted_by_how_they_do(
    expected: VersionChange, earlier: Fingerprints, later: Fingerprints
) -> None:
    assert compared(earlier, later) == expected


def test_all_that_differ_are_named_once() -> None:
    assert VersionChange(("new",), ("old",), ("a", "b")).tasks == ("a", "b", "old", "new")


@each_row(
    "options",
    [{"body": something}, {"retry_attempts": 7}, {"timeout_seconds": 7}, {"dependencies": ["a"]}],
)
def test_all_that_counts_in_a_version_counts_for_its_task(options: dict[str, Any]) -> None:
    earlier, later = workflow_of(a={}, b={}), workflow_of(a={}, b=options)

    assert compared(fingerprints(earlier), fingerprints(later)) == VersionChange(changed=("b",))


def test_equal_definitions_have_equal_fingerprints() -> None:
    assert fingerprints(workflow_of(a={}, b={})) == fingerprints(workflow_of(a={}, b={}))
