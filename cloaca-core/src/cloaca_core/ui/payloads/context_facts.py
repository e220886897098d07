"""The context that a decision is about, in a few short lines. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from cloaca_core.ui.payloads.masking import masked
from cloaca_core.values.json_values import JsonValue, encode

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


def facts_of(context: Mapping[str, JsonValue] | None) -> Facts:
    """The facts of a context; none of one that is not known."""
    items = list((context or {}).items())
    return Facts(tuple([_fact(*each) for each in items[-MOST:]]), max(0, len(items) - MOST))


def _fact(key: str, value: JsonValue) -> Fact:
    safe = masked(value, key)
    text = safe if isinstance(safe, str) else encode(safe)
    short = text if len(text) <= _LONG else f"{text[:_LONG]}…"
    words = key.replace("_", " ").strip() or key
    return Fact(words[:1].upper() + words[1:], short, isinstance(safe, list | dict))
