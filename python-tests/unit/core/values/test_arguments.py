"""The checks that definitions share: what passes, and how a refusal names its parameter."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from tables import each_row

from cloaca_core.errors import DefinitionError, DefinitionTypeError
from cloaca_core.values.arguments import (
    above_zero,
    flag,
    nearest_name,
    number,
    one_of,
    text,
    whole,
)


def test_what_is_acceptable_is_given_back() -> None:
    assert whole("n", 0) == 0
    assert number("n", 1.5) == above_zero("n", 1.5) == 1.5
    assert flag("n", value=False) is False
    assert text("n", "") == ""
    assert one_of("n", "b", {"a": 1, "b": 2}) == 2


def test_an_int_is_a_number_and_comes_back_as_float() -> None:
    assert type(number("n", 2)) is float


@each_row(
    ("check", "value"),
    [
        (whole, -1),
        (number, -0.5),
        (number, math.nan),
        (number, math.inf),
        (number, 10**400),  # too large for a float
        pytest.param(number, 10**5000, id="of more digits than Python writes"),
        pytest.param(whole, -(10**5000), id="a whole one of as many"),
    ],
)
def test_an_unacceptable_value_is_a_value_error(
    check: Callable[[str, object], object], value: object
) -> None:
    with pytest.raises(DefinitionError, match=r"^retries must be .*at least 0, got "):
        check("retries", value)


@each_row("value", [0, -1, math.nan, math.inf])
def test_one_that_has_to_be_above_zero_is_refused_with_what_is_accepted(value: float) -> None:
    with pytest.raises(DefinitionError, match=r"^seconds must be greater than 0 and finite, got "):
        above_zero("seconds", value)


@each_row(
    ("check", "accepted", "value"),
    [
        (whole, "an int", 1.0),
        (whole, "an int", True),  # a flag in the place of a number is a mistake
        (number, "a number", "1"),
        (number, "a number", False),
        (above_zero, "a number", "1"),
        (flag, "a bool", 1),
        (text, "a str", b"1"),
    ],
)
def test_an_unsupported_type_is_a_type_error(
    check: Callable[[str, object], object], accepted: str, value: object
) -> None:
    kind = type(value).__name__
    with pytest.raises(DefinitionTypeError, match=f"^retries must be {accepted}, got {kind}$"):
        check("retries", value)


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(DefinitionError, match=r'^unknown mode "c": expected one of a, b$'):
        one_of("mode", "c", {"a": 1, "b": 2})


def test_the_nearest_name_is_the_one_that_is_most_alike() -> None:
    assert nearest_name("retrys", iter(("delay", "retries", "retry"))) == "retry"


def test_where_no_name_is_alike_there_is_none() -> None:
    assert nearest_name("colour", ("delay", "retry")) is None


@each_row(("cutoff", "found"), [(0.5, "retry"), (1.0, None)])
def test_how_alike_a_name_must_be_can_be_said(cutoff: float, found: str | None) -> None:
    assert nearest_name("retr", ("retry",), cutoff=cutoff) == found
