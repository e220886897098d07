"""The input of a task as the form of a fork asks for it: in fields, or as JSON. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from cloaca_tools.ui.forms.context_input import (
    ContextInput,
    as_text,
    context_input,
    entered_context,
    other_inputs,
)
from cloaca_tools.ui.forms.edited_input import NAME, InputBox
from cloaca_tools.ui.forms.schema_fields import every, is_within

_JSON: Final = "json"
_MOST_FIELDS: Final = 40
"""An input of more fields is JSON, unless fields are asked for."""


class Typed(NamedTuple):
    """What a form was filled in with: the JSON ``text``, or in ``error`` why there is none.
    ``inputs`` are its fields; None for a form that has no fields. ``way`` is what it asks for.
    """

    text: str = ""
    way: str = ""
    inputs: ContextInput | None = None
    error: str = ""


def typed_input(given: Mapping[str, str]) -> Typed:
    """The input that was typed; ``given`` are the values of inputs by name."""
    way = given.get("as", "")
    if not given.get("shape"):
        return Typed(given.get(NAME, ""), way or (_JSON if NAME in given else ""))
    removed = given.get("remove", "")
    found = entered_context(
        {name: text for name, text in given.items() if not is_within(name, removed)}
    )
    shown = other_inputs(given) or found
    if found.is_right:
        return Typed(as_text(found.value), way, shown)
    wrong = [f"{each.label} {each.error}" for each in every(found.fields) if each.error]
    return Typed("", way, shown, found.error or wrong[0])


def with_inputs(box: InputBox, typed: Typed) -> InputBox:
    """The box with its inputs: those of the form, if the form has the input of this box."""
    if typed.inputs is not None:
        return replace(box, inputs=typed.inputs, error=typed.error or box.error)
    if box.error:
        return replace(box, inputs=ContextInput(box.text))
    inputs = context_input(box.text, typed.way)
    if not typed.way and len(list(every(inputs.fields))) > _MOST_FIELDS:
        inputs = ContextInput(box.text)
    return replace(box, inputs=inputs)
