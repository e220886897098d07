"""A decision is checked with the code of its workflow, and without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from cloaca_core.definition.waits.decisions import checked_choice, checked_data
from cloaca_core.definition.waits.json_schema import schema_of
from cloaca_core.definition.waits.kinds import Approval
from cloaca_core.errors import ContextTypeError, ContextValueError


@dataclass
class Refund:
    """Data with a check that no schema tells."""

    amount: int
    why: str = ""

    def __post_init__(self) -> None:
        if self.amount < 0:
            raise ValueError("below zero")


HERE = Approval("Pay?", ("approve", "reject"), Refund, schema_of("schema", Refund))
ELSEWHERE = Approval("Pay?", ("approve", "reject"), None, HERE.schema)
PLAIN = Approval("Pay?", ("approve", "reject"))


def test_a_choice_is_one_of_the_approvals() -> None:
    assert checked_choice(PLAIN, "reject") == "reject"
    with pytest.raises(ContextValueError, match="one of approve, reject; got 'perhaps'"):
        checked_choice(PLAIN, "perhaps")
    with pytest.raises(ContextTypeError, match="choice must be a str"):
        checked_choice(PLAIN, None)


@pytest.mark.parametrize("approval", [HERE, ELSEWHERE])
def test_data_are_as_the_schema_says(approval: Approval) -> None:
    assert checked_data(approval, {"amount": 1}) == {"amount": 1}
    with pytest.raises(ContextValueError, match="data has no amount"):
        checked_data(approval, {})
    with pytest.raises(ContextValueError, match=r"data\.amount must be of type integer"):
        checked_data(approval, {"amount": "1"})


@pytest.mark.parametrize("approval", [HERE, ELSEWHERE, PLAIN])
def test_there_may_be_no_data(approval: Approval) -> None:
    assert checked_data(approval, None) is None


def test_without_a_schema_any_json_will_do() -> None:
    assert checked_data(PLAIN, (1, {"a": None})) == [1, {"a": None}]
    with pytest.raises(ContextTypeError, match="data"):
        checked_data(PLAIN, {1, 2})


def test_where_the_type_is_known_it_checks_too() -> None:
    with pytest.raises(ContextValueError, match="data are not as Refund wants them: below zero"):
        checked_data(HERE, {"amount": -1})
    assert checked_data(ELSEWHERE, {"amount": -1}) == {"amount": -1}


def test_where_the_type_is_known_a_value_of_it_may_be_given() -> None:
    given: Any = Refund(3, "late")

    assert checked_data(HERE, given) == {"amount": 3, "why": "late"}
    with pytest.raises(ContextTypeError):
        checked_data(ELSEWHERE, given)
