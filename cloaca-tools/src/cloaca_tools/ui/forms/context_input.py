"""The context of a run as a person enters it: in fields, or as JSON. Pure.

The fields are those of a context that is known, which goes with the form as its *shape*; keys that
it lacks are written as JSON. What is hidden in the shape is hidden in the form too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, cast

from cloaca_core.errors import ConfigError
from cloaca_tools.ui.forms.entered_data import entered, rearranged
from cloaca_tools.ui.forms.form_texts import object_of
from cloaca_tools.ui.forms.schema_fields import Field, fields_of
from cloaca_tools.ui.forms.value_schema import value_schema

if TYPE_CHECKING:
    from cloaca_core.values.payloads.json_schema import Schema
    from cloaca_core.values.payloads.json_values import JsonValue

_JSON: Final = "json"


@dataclass(frozen=True, slots=True)
class ContextInput:
    """The inputs of a context. Without ``fields`` it is the JSON ``text``. ``shape`` is the JSON
    object that the fields are made of, and ``more`` the JSON of other keys. ``value`` is what was
    entered, if it ``is_right``; else ``error`` says why it is not, unless fields have errors.
    """

    text: str = ""
    shape: str = ""
    fields: tuple[Field, ...] = ()
    more: str = ""
    value: dict[str, JsonValue] | None = None
    is_right: bool = True
    error: str = ""


def context_input(text: str, way: str = "") -> ContextInput:
    """The inputs of a context: fields, unless ``way`` asks for JSON or no key has a name."""
    known = None if way == _JSON else object_of(text, "context")
    if not known or "" in known:
        return ContextInput(text)
    return ContextInput(shape=text, fields=fields_of(value_schema(known)))


def entered_context(given: Mapping[str, str]) -> ContextInput:
    """What a form was filled in with; ``given`` are the values of inputs by name."""
    text = given.get("context", "")
    try:
        if (schema := _schema(given)) is not None:
            return _entered(schema, given)
        return ContextInput(text, value=object_of(text, "context"))
    except ConfigError as error:
        return ContextInput(text, is_right=False, error=str(error))


def other_inputs(given: Mapping[str, str]) -> ContextInput | None:
    """The inputs that a form asks for in place of its own: JSON, fields, or one more row of a list
    or one less. None for a form that asks for a run.
    """
    found, way = entered_context(given), given.get("as", "")
    schema = _schema(given) if found.fields else None
    if schema and (fields := rearranged(schema, given)) is not None:
        return replace(found, fields=fields, value=None, is_right=True, error="")
    if not way or not found.is_right:
        return found if way else None
    return context_input(as_text(found.value), way)


def _schema(given: Mapping[str, str]) -> Schema | None:
    """The schema of the fields of a form; None if it has no fields."""
    known = object_of(given.get("shape", ""), "context")
    return value_schema(known) if known else None


def _entered(schema: Schema, given: Mapping[str, str]) -> ContextInput:
    data, more = entered(schema, given), given.get("more", "")
    found = ContextInput(shape=given["shape"], fields=data.fields, more=more)
    try:
        others = object_of(more, "text of other keys") or {}
    except ConfigError as error:
        return replace(found, is_right=False, error=str(error))
    if not data.is_right:
        return replace(found, is_right=False, error=data.error)
    return replace(found, value={**cast("dict[str, JsonValue]", data.value), **others})


def as_text(value: Mapping[str, JsonValue] | None) -> str:
    """The JSON in which a form shows a context; empty for none."""
    return json.dumps(value, indent=2, ensure_ascii=False) if value else ""
