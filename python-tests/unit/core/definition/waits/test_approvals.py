"""Approvals as they are asked for, by nodes and by bodies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from tables import each_row

from cloaca_core.definition.handles.wait_calls import WaitCall, approval_call
from cloaca_core.definition.waits.approvals import detail_of, read_approval
from cloaca_core.errors import DefinitionError
from cloaca_core.values.missing import MISSING
from cloaca_core.values.payloads.json_values import decode
from cloaca_core.values.waits import APPROVAL

BOTH = ("approve", "reject")


@dataclass
class Terms:
    amount: int


def test_people_read_what_is_asked() -> None:
    asked = read_approval("Pay?", BOTH, None, None, MISSING)
    assert decode(detail_of(asked)) == {"prompt": "Pay?", "choices": [*BOTH], "schema": None}


def test_they_see_what_time_decides() -> None:
    asked = read_approval("Pay?", ["yes", "no"], Terms, 60, "no")
    detail: Any = decode(detail_of(asked))
    assert (detail["default"], detail["schema"]["required"]) == ("no", ["amount"])


def test_a_body_asks_by_a_name() -> None:
    call = approval_call("refund", "Pay?", BOTH, None, 60, "reject")
    asked = read_approval("Pay?", BOTH, None, 60, "reject")
    assert call == WaitCall(APPROVAL, "refund", 60.0, None, "reject", detail_of(asked))


@each_row(
    ("options", "told"),
    [
        ({"name": ""}, "name must have 1 to 255 characters"),
        ({"prompt": ""}, "prompt must have 1 to"),
        ({"choices": []}, "choices must have at least one choice"),
        ({"choices": ["a", "a"]}, "choices must differ"),
        ({"default": "approve"}, "default is taken when the time is over"),
        ({"timeout": 1, "default": "maybe"}, "default must be one of the choices"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused_at_the_call(
    options: dict[str, Any], told: str
) -> None:
    given = {"name": "n", "prompt": "p", "choices": BOTH, "schema": None, "timeout": None}
    with pytest.raises(DefinitionError, match=told):
        approval_call(**{**given, "default": MISSING, **options})
