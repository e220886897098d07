"""The context that a decision is about, in a few short lines. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from cloaca_core.values.payloads.json_values import JsonValue, encode
from cloaca_tools.masking import masked
from cloaca_tools.ui.words.texts import words_of

if TYPE_CHECKING:
    from cloaca_core.values.payloads.redaction import Redact

MOST: Final = 8
"""Keys that are shown, the newest."""
_LONG: Final = 300


class Fact(NamedTuple):
    """A key of the context, as words, and its value; ``code`` is true for lists and objects."""

    label: str
    text: str
    code: bool


class Facts(NamedTuple):
    """Facts in the order in which they came, and how many older ones there are."""

    shown: tuple[Fact, ...]
    hidden: int


def facts_of(context: Mapping[str, JsonValue] | None, redact: Redact) -> Facts:
    """The facts of a context; none of one that is not known."""
    items = list((context or {}).items())
    return Facts(tuple([_fact(*each, redact) for each in items[-MOST:]]), max(0, len(items) - MOST))


def _fact(key: str, value: JsonValue, redact: Redact) -> Fact:
    safe = masked(value, redact, key)
    text = safe if isinstance(safe, str) else encode(safe)
    short = text if len(text) <= _LONG else f"{text[:_LONG]}…"
    return Fact(redact(words_of(key)), short, isinstance(safe, list | dict))
