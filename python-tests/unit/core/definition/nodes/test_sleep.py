"""``sleep``: its options, as a node keeps them, and its refusals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tables import each_row

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.nodes.sleep import sleep
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.definition.waits.kinds import Sleep
from cloaca_core.definition.workflow import Workflow
from cloaca_core.errors import DefinitionError, DefinitionTypeError, RunnerUsageError
from cloaca_core.values.node import Node


def built(**options: Any) -> Workflow:
    builder = WorkflowBuilder("w", registry=Registry())
    with builder:
        task(id="a")(lambda context: None)
        assert sleep("rest", dependencies=["a"], **options) == Node("rest")
    return builder.workflow


@each_row(
    ("options", "wait"),
    [
        ({"seconds": 60}, Sleep(seconds=60.0)),
        ({"seconds": 0}, Sleep(seconds=0.0)),
        ({"seconds": timedelta(days=30)}, Sleep(seconds=2_592_000.0)),
        ({"until": "1970-01-01T01:00:01+01:00"}, Sleep(until=1_000_000)),
        ({"until": datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC)}, Sleep(until=2_000_000)),
        ({"until_key": "due"}, Sleep(until_key=("due",))),
        ({"until_key": ("order", "due")}, Sleep(until_key=("order", "due"))),
    ],
)
def test_it_keeps_one_time_in_one_form(options: dict[str, Any], wait: Sleep) -> None:
    node = built(**options).task("rest")

    assert (node.wait, node.dependencies, node.rule) == (wait, ("a",), None)


@each_row(
    ("options", "kind", "message"),
    [
        ({}, DefinitionError, "exactly one of seconds, until and until_key, got 0"),
        ({"seconds": 1, "until_key": "due"}, DefinitionError, "got 2 of them"),
        ({"seconds": -1}, DefinitionError, "seconds must be 0 to"),
        ({"seconds": float("nan")}, DefinitionError, "seconds must be 0 to"),
        ({"seconds": "1"}, DefinitionTypeError, "seconds must be a number"),
        ({"until": "2026-03-29T02:30:00"}, DefinitionError, "until is '2026-03-29T02:30:00'"),
        ({"until": 5}, DefinitionTypeError, "until must be a datetime with a time zone"),
        ({"until_key": 5}, DefinitionTypeError, "until_key must be a str, or a tuple of str"),
        ({"until_key": ()}, DefinitionError, "at least one key"),
        ({"until_key": ("a", 1)}, DefinitionTypeError, "it has one of int"),
    ],
)
def test_other_options_are_refused(
    options: dict[str, Any], kind: type[DefinitionError], message: str
) -> None:
    with pytest.raises(DefinitionError, match=message) as raised:
        built(**options)

    assert type(raised.value) is kind


def test_outside_of_a_block_it_says_what_a_body_calls() -> None:
    with pytest.raises(DefinitionError, match=r"No workflow context .* use handle\.sleep"):
        sleep("rest", seconds=1)


def test_a_node_has_no_body_that_could_be_called() -> None:
    function = built(seconds=1).task("rest").function

    with pytest.raises(RunnerUsageError, match="no body"):
        function({})
