"""``wait_for``: its options, as a node keeps them, and its refusals."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tables import each_row

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.nodes.wait_for import wait_for
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.waits.kinds import NodeWait, WaitFor
from cloaca_core.errors import DefinitionError, DefinitionTypeError
from cloaca_core.values.missing import MISSING


def wait_of(*arguments: Any, **options: Any) -> NodeWait | None:
    builder = WorkflowBuilder("w", registry=Registry())
    with builder:
        wait_for("paid", *arguments, **options)
    return builder.workflow.task("paid").wait


def test_the_event_is_the_nodes_id_unless_it_is_named() -> None:
    assert wait_of() == WaitFor("paid", None, MISSING)
    assert wait_of("payment") == WaitFor("payment")


def test_a_timeout_may_have_a_default() -> None:
    assert wait_of(timeout=5) == WaitFor("paid", 5.0, MISSING)
    assert wait_of(timeout=timedelta(hours=1), default=None) == WaitFor("paid", 3600.0, None)
    assert wait_of(timeout=5, default=(1, 2)) == WaitFor("paid", 5.0, [1, 2])


def test_a_default_is_a_copy_of_what_was_given() -> None:
    given = {"n": [1]}
    wait = wait_of(timeout=5, default=given)
    given["n"].append(2)

    assert wait == WaitFor("paid", 5.0, {"n": [1]})


@each_row(
    ("options", "kind", "message"),
    [
        ({"default": 1}, DefinitionError, "needs a timeout"),
        ({"timeout": 0}, DefinitionError, "timeout must be greater than 0"),
        ({"timeout": -1}, DefinitionError, "timeout must be 0 to"),
        ({"timeout": "1"}, DefinitionTypeError, "timeout must be a number .* or None"),
        ({"timeout": 1, "default": {1, 2}}, DefinitionTypeError, "default"),
        ({"timeout": 1, "default": float("inf")}, DefinitionError, "default"),
        ({"event": ""}, DefinitionError, "event must have 1 to"),
        ({"event": "a\0"}, DefinitionError, "no NUL"),
        ({"event": "e" * 256}, DefinitionError, "event must have 1 to 255 characters"),
        ({"event": 5}, DefinitionTypeError, "event must be a str"),
    ],
)
def test_other_options_are_refused(
    options: dict[str, Any], kind: type[DefinitionError], message: str
) -> None:
    with pytest.raises(DefinitionError, match=message) as raised:
        wait_of(**options)

    assert type(raised.value) is kind


@each_row("id_", ["", "a::b", "a:"])
def test_its_id_is_checked_as_a_tasks(id_: str) -> None:
    with pytest.raises(DefinitionError, match=r"wait_for\(id=\.\.\.\)"), WorkflowBuilder("w"):
        wait_for(id_, "event")
