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
"""Keys that are shown at once, the newest."""
MOST_OLDER: Final = 100
"""Older keys that can be unfolded."""
_LONG: Final = 300
_DEPTH: Final = 3
"""Objects within objects that have rows of their own."""
_WHOLE: Final = 20_000
"""Characters of a value that can be unfolded."""


class Fact(NamedTuple):
    """A key of the context, as words, and its value; ``code`` is true for lists and objects.
    ``whole`` is the value where ``text`` has only its beginning; ``parts`` are the rows of an
    object or a list of objects that is small enough to be read so.
    """

    label: str
    text: str
    code: bool
    whole: str = ""
    parts: tuple[Fact, ...] = ()


class Facts(NamedTuple):
    """The newest facts, in the order in which they came, the ``older`` ones before them, and how
    many are left out.
    """

    shown: tuple[Fact, ...]
    older: tuple[Fact, ...]
    hidden: int


def facts_of(context: Mapping[str, JsonValue] | None, redact: Redact) -> Facts:
    """The facts of a context; none of one that is not known."""
    items = list((context or {}).items())[-MOST - MOST_OLDER :]
    facts = tuple([_fact(*each, redact) for each in items])
    return Facts(facts[-MOST:], facts[:-MOST], len(context or {}) - len(facts))


def _fact(key: str, value: JsonValue, redact: Redact) -> Fact:
    return _shown(redact(words_of(key)), masked(value, redact, key), redact)


def _shown(label: str, safe: JsonValue, redact: Redact, depth: int = 0) -> Fact:
    text = safe if isinstance(safe, str) else encode(safe)
    code = isinstance(safe, list | dict)
    if len(text) <= _LONG or depth:
        inner = _inner(safe, redact) if depth < _DEPTH else []
        parts = [_shown(name, each, redact, depth + 1) for name, each in inner]
        return Fact(label, text, code, parts=tuple(parts))
    whole = text if len(text) <= _WHOLE else f"{text[:_WHOLE]}…"
    return Fact(label, f"{text[:_LONG]}…", code, whole)


def _inner(value: JsonValue, redact: Redact) -> list[tuple[str, JsonValue]]:
    """The values in an object, and the objects of a list by their numbers."""
    if isinstance(value, dict):
        return [(redact(words_of(key)), each) for key, each in value.items()]
    if isinstance(value, list) and all(isinstance(each, dict) for each in value):
        return [(f"{n}", each) for n, each in enumerate(value, 1)]
    return []
