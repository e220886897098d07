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
    entered, if it ``is_right``; else ``error`` says why it is not, unless fields have errors. The
    fields of an input that ``is_declared`` are those of its type, and ``shape`` has their values.
    """

    text: str = ""
    shape: str = ""
    fields: tuple[Field, ...] = ()
    more: str = ""
    value: dict[str, JsonValue] | None = None
    is_right: bool = True
    error: str = ""
    is_declared: bool = False


def context_input(text: str, way: str = "", declared: Schema | None = None) -> ContextInput:
    """The inputs of a context: fields, unless ``way`` asks for JSON or no key has a name.
    ``declared`` is the schema of the workflow's input, which the fields are made of then.
    """
    known = None if way == _JSON else object_of(text, "context")
    if declared is not None and way != _JSON and declared.get("properties"):
        return _declared_input(declared, known or {})
    if not known or "" in known:
        return ContextInput(text)
    return ContextInput(shape=text, fields=fields_of(value_schema(known)))


def _declared_input(declared: Schema, known: dict[str, JsonValue]) -> ContextInput:
    keys = cast("dict[str, JsonValue]", declared["properties"])
    others = {key: each for key, each in known.items() if key not in keys}
    return ContextInput(
        shape=as_text(known),
        fields=fields_of(_with_values(declared, known)),
        more=as_text(others),
        is_declared=True,
    )


def _with_values(declared: Schema, known: Mapping[str, JsonValue]) -> Schema:
    """The schema with these values as defaults."""
    properties = {
        key: {**form, "default": known[key]} if key in known and isinstance(form, dict) else form
        for key, form in cast("dict[str, JsonValue]", declared["properties"]).items()
    }
    return {**declared, "properties": cast("JsonValue", properties)}


def entered_context(given: Mapping[str, str], declared: Schema | None = None) -> ContextInput:
    """What a form was filled in with; ``given`` are the values of inputs by name. ``declared`` is
    as in ``context_input``.
    """
    text = given.get("context", "")
    try:
        if (schema := _schema(given, declared)) is not None:
            return _entered(schema, given)
        return ContextInput(text, value=object_of(text, "context"))
    except ConfigError as error:
        return ContextInput(text, is_right=False, error=str(error))


def other_inputs(given: Mapping[str, str], declared: Schema | None = None) -> ContextInput | None:
    """The inputs that a form asks for in place of its own: JSON, fields, or one more row of a list
    or one less. None for a form that asks for a run.
    """
    found, way = entered_context(given, declared), given.get("as", "")
    schema = _schema(given, declared) if found.fields else None
    if schema and (fields := rearranged(schema, given)) is not None:
        return replace(found, fields=fields, value=None, is_right=True, error="")
    if not way or not found.is_right:
        return found if way else None
    return context_input(as_text(found.value), way, declared)


def _schema(given: Mapping[str, str], declared: Schema | None) -> Schema | None:
    """The schema of the fields of a form; None if it has no fields."""
    known = object_of(given.get("shape", ""), "context")
    if declared is not None and given.get("declared"):
        return _with_values(declared, known or {})
    return value_schema(known) if known else None


def _entered(schema: Schema, given: Mapping[str, str]) -> ContextInput:
    data, more = entered(schema, given), given.get("more", "")
    is_declared = bool(given.get("declared"))
    shape = given.get("shape", "")
    found = ContextInput(shape=shape, fields=data.fields, more=more, is_declared=is_declared)
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
