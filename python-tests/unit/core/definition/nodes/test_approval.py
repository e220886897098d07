"""``approval``: its options, as a node keeps them, and its refusals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from tables import each_row

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.nodes.approval import approval
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.waits.kinds import Approval
from cloaca_core.errors import DefinitionError, DefinitionTypeError


@dataclass
class Refund:
    """Data of a decision."""

    amount: int


def wait_of(prompt: Any = "Pay?", **options: Any) -> Approval:
    builder = WorkflowBuilder("w", registry=Registry())
    with builder:
        approval("ok", prompt, **options)
    wait = builder.workflow.task("ok").wait
    assert isinstance(wait, Approval)
    return wait


def test_by_default_it_is_approved_or_rejected_and_waits_for_ever() -> None:
    assert wait_of() == Approval("Pay?", ("approve", "reject"))


def test_it_keeps_its_options() -> None:
    assert wait_of(
        choices=["all", "half", "reject"],
        schema=Refund,
        timeout=60,
        default="half",
        reject_policy="fail",
    ) == Approval(
        prompt="Pay?",
        choices=("all", "half", "reject"),
        data_type=Refund,
        schema={
            "title": "Refund",
            "type": "object",
            "properties": {"amount": {"type": "integer"}},
            "required": ["amount"],
            "additionalProperties": False,
        },
        timeout=60.0,
        default="half",
        reject_policy="fail",
    )


@each_row(
    ("options", "kind", "message"),
    [
        ({"prompt": ""}, DefinitionError, "prompt must have 1 to"),
        ({"prompt": 5}, DefinitionTypeError, "prompt must be a str"),
        ({"choices": []}, DefinitionError, "at least one choice"),
        ({"choices": "approve"}, DefinitionTypeError, "choices must be a list of str"),
        ({"choices": ["a", ""]}, DefinitionError, "a choice must have 1 to"),
        ({"choices": ["a", 1]}, DefinitionTypeError, "a choice must be a str"),
        ({"choices": ["a", "b", "a"]}, DefinitionError, "choices must differ"),
        ({"timeout": 1, "default": "perhaps"}, DefinitionError, "approve, reject; got 'perhaps'"),
        ({"timeout": 1, "default": None}, DefinitionTypeError, "default must be a str"),
        ({"default": "approve"}, DefinitionError, "needs a timeout"),
        ({"reject_policy": "stop"}, DefinitionError, "expected one of skip, fail"),
        ({"schema": int}, DefinitionTypeError, "schema must be a dataclass or a model"),
    ],
)
def test_other_options_are_refused(
    options: dict[str, Any], kind: type[DefinitionError], message: str
) -> None:
    with pytest.raises(DefinitionError, match=message) as raised:
        wait_of(**options)

    assert type(raised.value) is kind
