"""Checks inputs by a schema alone, also where the program lacks the code of the workflow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cloaca_core.definition.inputs.placed import placed
from cloaca_core.errors import InputError
from cloaca_core.values.missing import Missing
from cloaca_core.values.payloads.json_schema import SchemaCheck, shown
from cloaca_core.values.payloads.json_values import decode, shown_path
from cloaca_core.values.payloads.redaction import without_passwords
from cloaca_core.values.payloads.secret_names import without_secrets

if TYPE_CHECKING:
    from cloaca_core.values.payloads.json_schema import Schema
    from cloaca_core.values.payloads.json_values import JsonValue


def refused(check: SchemaCheck, schema: Schema, items: JsonValue) -> InputError | None:
    """The error of an input that does not match the schema; None if it matches."""
    try:
        found = check.mismatch(schema, items, "")
    except RecursionError:  # only of a type that contains itself
        return InputError("input: it is nested too deep", wanted="a value that is less deep")
    if found is None:
        return None
    place = shown_path(found.path) or "input"
    met = met_text(found.met, found.path)
    message = f"{place}: expected {found.wanted}, got {met}"
    return InputError(message, path=found.path, wanted=found.wanted, met=met)


def met_text(value: JsonValue | Missing, path: str) -> str:
    """A value at this path as an error quotes it: without the values of keys that name secrets."""
    if isinstance(value, Missing):
        return "nothing"
    return without_passwords(shown(without_secrets(value, path)))


def check_texts(schema: Schema, texts: Sequence[str], first: int | None) -> None:
    """Raise ``InputError`` for the first of these inputs that does not match the schema. ``first``
    is the place of the first of them among several; None for a single one.
    """
    check = SchemaCheck(schema, formats=True)
    for number, text in enumerate(texts):
        if (error := refused(check, schema, decode(text))) is not None:
            raise error if first is None else placed(error, first + number)
