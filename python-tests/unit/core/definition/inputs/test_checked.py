"""Inputs are checked by a recorded schema alone, each under its place among several."""

from __future__ import annotations

import pytest

from cloaca_core.definition.inputs.checked import check_texts
from cloaca_core.errors import InputError
from cloaca_core.values.payloads.json_schema import Schema

SCHEMA: Schema = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "on": {"type": "string", "format": "date"}},
    "required": ["n"],
}


def test_the_first_unfit_input_is_named() -> None:
    check_texts(SCHEMA, ['{"n":1,"on":"2026-12-01","more":null}', '{"n":2}'], None)
    with pytest.raises(InputError) as refused:
        check_texts(SCHEMA, ['{"n":1}', '{"n":2,"on":"x"}', "{}"], 10_000)
    error = refused.value
    assert str(error) == 'contexts[10001].on: expected a date (2026-12-31), got "x"'
    assert (error.path, error.wanted, error.met) == (
        "contexts[10001].on",
        "a date (2026-12-31)",
        '"x"',
    )


def test_a_single_input_has_no_place() -> None:
    with pytest.raises(InputError, match=r"^n: expected an integer, got nothing$"):
        check_texts(SCHEMA, ["{}"], None)
