"""How a tool is described, called, and what it answers."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import cast

import pytest
from tables import each_row

from cloaca_core.errors import RunNotFoundError
from cloaca_core.values.payloads.json_values import JsonValue
from cloaca_core.values.payloads.redaction import unchanged
from cloaca_tools.cli.output import SCHEMA
from cloaca_tools.mcp.bounds import MOST, Form, size
from cloaca_tools.mcp.database import Database
from cloaca_tools.mcp.schemas import text, whole
from cloaca_tools.mcp.tool import FORMS, LOOKS, Answered, Refused, Tool, called, told

NO_DATABASE = cast("Database", SimpleNamespace(redact=unchanged))
"""The tools here ask no database."""


def find(_: Database, run: str, limit: int = 3) -> Form:
    """Fails as its argument says."""
    match run:
        case "unknown":
            raise RunNotFoundError("no run 'unknown'", run_id=run)
        case "odd":
            raise ZeroDivisionError("a secret")
        case "long":
            return {"error": "e" * 2 * MOST}
        case _:
            return {"run": run, "limit": limit}


FIND = Tool(
    "find", "Find", "Finds a run.", find, {"run": text("A run."), "limit": whole("So many.", 1, 9)}
)


def test_forms_have_the_version_of_the_command_line() -> None:
    assert FORMS == SCHEMA


def test_a_tool_only_looks_unless_it_says_otherwise() -> None:
    assert (FIND.effect, LOOKS.looks, LOOKS.destroys) == (LOOKS, True, False)


def test_arguments_without_a_default_are_required() -> None:
    assert FIND.input_schema() == {
        "type": "object",
        "properties": {
            "run": {"type": "string", "description": "A run."},
            "limit": {"type": "integer", "minimum": 1, "maximum": 9, "description": "So many."},
        },
        "required": ["run"],
        "additionalProperties": False,
    }


@each_row(
    ("arguments", "expected"),
    [
        # all of them
        ({"run": "1", "limit": 5}, {"schema": 1, "run": "1", "limit": 5}),
        # the default of one
        ({"run": "1"}, {"schema": 1, "run": "1", "limit": 3}),
        # null is as if it were not given
        ({"run": "1", "limit": None}, {"schema": 1, "run": "1", "limit": 3}),
    ],
    ids=["all", "default", "null"],
)
def test_a_call_answers_with_a_form(
    arguments: dict[str, JsonValue], expected: dict[str, JsonValue]
) -> None:
    assert called(FIND, NO_DATABASE, arguments) == Answered(expected)


@each_row(
    ("arguments", "expected"),
    [
        ({}, "arguments must have 'run'"),
        ({"run": None}, "arguments.run must be a text, not null"),
        ({"run": 1}, "arguments.run must be a text, not an integer"),
        ({"run": "1", "limit": 10}, "arguments.limit must not be more than 9, got 10"),
        ({"run": "1", "limits": 1}, "arguments.limits is not allowed"),
    ],
    ids=["missing", "null", "type", "bound", "unknown"],
)
def test_wrong_arguments_are_refused(arguments: dict[str, JsonValue], expected: str) -> None:
    assert called(FIND, NO_DATABASE, arguments) == Refused(expected)


def test_an_error_of_cloaca_is_a_refusal_with_its_text() -> None:
    assert called(FIND, NO_DATABASE, {"run": "unknown"}) == Refused("no run 'unknown'")


def test_any_other_error_is_logged_and_its_text_kept_here(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR, "cloaca.mcp"):
        outcome = called(FIND, NO_DATABASE, {"run": "odd"})

    assert outcome == Refused("find has failed with ZeroDivisionError: see stderr")
    assert "a secret" in caplog.text


def test_a_long_answer_is_cut() -> None:
    outcome = called(FIND, NO_DATABASE, {"run": "long"})

    assert isinstance(outcome, Answered)
    assert outcome.form["cut"] == ["error: the first 4,000 of 120,000 characters"]
    assert size(outcome.form) <= MOST


def test_an_outcome_as_text() -> None:
    assert told(Answered({"error": "ø"})) == '{"error": "ø"}'
    assert told(Refused("no run")) == "no run"
