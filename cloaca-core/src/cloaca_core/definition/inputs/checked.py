"""Checks inputs by a schema alone, also where the program lacks the code of the workflow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cloaca_core.definition.inputs.placed import placed
from cloaca_core.errors import InputError
from cloaca_core.values.payloads.json_schema import SchemaCheck
from cloaca_core.values.payloads.json_values import decode, shown_path

if TYPE_CHECKING:
    from cloaca_core.values.payloads.json_schema import Schema
    from cloaca_core.values.payloads.json_values import JsonValue


def refused(check: SchemaCheck, schema: Schema, items: JsonValue) -> InputError | None:
    """The error of an input that does not match the schema; None if it matches."""
    if (found := check.mismatch(schema, items, "")) is None:
        return None
    place = shown_path(found.path) or "input"
    message = f"{place}: expected {found.wanted}, got {found.met}"
    return InputError(message, path=found.path, wanted=found.wanted, met=found.met)


def check_texts(schema: Schema, texts: Sequence[str], first: int | None) -> None:
    """Raise ``InputError`` for the first of these inputs that does not match the schema. ``first``
    is the place of the first of them among several; None for a single one.
    """
    check = SchemaCheck(schema, formats=True)
    for number, text in enumerate(texts):
        if (error := refused(check, schema, decode(text))) is not None:
            raise error if first is None else placed(error, first + number)
