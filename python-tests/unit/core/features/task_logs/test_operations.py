"""Which lines of a run are asked for: refused at the call where the database could not tell."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from tables import each_row

import cloaca
from cloaca_core.features.task_logs.operations import wanted_lines


@each_row(
    ("asked", "text"),
    [
        ({"attempt": 0}, f"attempt must be 1 to {sys.maxsize}, got 0"),
        ({"attempt": 2**63}, f"attempt must be 1 to {sys.maxsize}, got {2**63}"),
        ({"after": -1}, f"after must be 0 to {sys.maxsize}, got -1"),
        ({"after": 2**63}, f"after must be 0 to {sys.maxsize}, got {2**63}"),
    ],
)
def test_a_number_that_no_line_has_is_refused(asked: dict[str, Any], text: str) -> None:
    with pytest.raises(cloaca.ConfigError) as caught:
        wanted_lines("run", **{"task": None, "attempt": None, "after": None, "limit": 1} | asked)
    assert str(caught.value) == text
    assert isinstance(caught.value, ValueError)
    assert caught.value.field == next(iter(asked))


@each_row("number", [True, "1", 1.0])
@each_row("name", ["attempt", "after"])
def test_what_is_no_number_is_a_type_error(name: str, number: Any) -> None:
    with pytest.raises(cloaca.ConfigTypeError, match=f"{name} must be a"):
        wanted_lines(
            "run",
            **{"task": None, "attempt": None, "after": None, "limit": 1} | {name: number},
        )
