"""Durations: a whole number and a unit, and nothing else."""

from __future__ import annotations

import pytest
from tables import each_row

from cloaca_core.definition.triggers.durations import read_duration
from cloaca_core.errors import DefinitionError, DefinitionTypeError


@each_row(
    ("text", "milliseconds"),
    [
        ("100ms", 100),
        ("1ms", 1),  # the least
        ("5s", 5_000),
        ("1m", 60_000),
        ("2h", 7_200_000),
        (" 5s ", 5_000),  # as in 0.x
        ("8784h", 366 * 24 * 3_600_000),  # the most
    ],
)
def test_a_number_and_a_unit_are_read(text: str, milliseconds: int) -> None:
    assert read_duration("poll_interval", text) == milliseconds


@each_row(
    "text",
    [
        "zz",
        "",
        "5",  # of what?
        "s",
        "5 s",
        "-5s",
        "1.5s",
        "5S",
        "1d",
        "500us",
        "0s",  # would poll without end
        "8785h",
        "99999999999999999999s",
        "\u0665s",  # a digit, but not one of ours
    ],
)
def test_everything_else_is_refused_by_the_name_of_the_parameter(text: str) -> None:
    with pytest.raises(DefinitionError, match=r"^Invalid poll_interval ") as caught:
        read_duration("poll_interval", text)

    assert repr(text) in str(caught.value)


@each_row("value", [5, 5.0, None, b"5s"])
def test_what_is_no_text_is_a_type_error(value: object) -> None:
    with pytest.raises(DefinitionTypeError, match="settle must be a str"):
        read_duration("settle", value)
