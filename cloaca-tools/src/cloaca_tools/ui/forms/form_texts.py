"""The texts of a form that a visitor who may act has sent, and the JSON in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from cloaca_core.errors import ConfigError, ContextValueError
from cloaca_core.values.payloads.json_values import JsonValue, decode
from cloaca_tools.ui.refusals import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloaca_tools.ui.visit import Visit

_LONGEST_INDEX: Final = 9
"""Digits of the index of an item."""


async def given_to(visit: Visit) -> dict[str, str]:
    """The texts of the form by name, in lines that end as here; ``RefusedError`` as ``form``."""
    form = await visit.form()
    texts = {name: value for name, value in form.items() if isinstance(value, str)}
    return {name: text.replace("\r\n", "\n") for name, text in texts.items()}


def needed(given: Mapping[str, str], name: str) -> str:
    """A text without which the form means nothing."""
    if not (found := given.get(name, "")):
        raise RefusedError(422, "This form is not whole", f"It has no {name!r}.")
    return found


def item_of(given: Mapping[str, str]) -> tuple[str, int] | None:
    """The item of a map that a form is about, None if it is about none."""
    index = given.get("item", "")
    is_number = index.isascii() and index.isdecimal() and len(index) <= _LONGEST_INDEX
    return (needed(given, "map"), int(index)) if is_number else None


def json_of(text: str, name: str) -> JsonValue:
    """The JSON value of a text, None for an empty one; ``ConfigError`` says why it is none."""
    if not text.strip():
        return None
    try:
        return decode(text)
    except ContextValueError as error:
        raise ConfigError(f"the {name} is not JSON: {error}") from error


def object_of(text: str, name: str) -> dict[str, JsonValue] | None:
    """The JSON object of a text, None for an empty one; ``ConfigError`` says why it is none."""
    found = json_of(text, name)
    if isinstance(found, dict) or not text.strip():
        return cast("dict[str, JsonValue] | None", found)
    raise ConfigError(f'the {name} must be a JSON object, such as {{"key": "value"}}')
