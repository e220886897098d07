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
_WHOLE: Final = 20_000
"""Characters of a value that can be unfolded."""


class Fact(NamedTuple):
    """A key of the context, as words, and its value; ``code`` is true for lists and objects.
    ``whole`` is there for a value of which ``text`` has only the beginning.
    """

    label: str
    text: str
    code: bool
    whole: str = ""


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
    safe = masked(value, redact, key)
    text = safe if isinstance(safe, str) else encode(safe)
    label, code = redact(words_of(key)), isinstance(safe, list | dict)
    if len(text) <= _LONG:
        return Fact(label, text, code)
    whole = text if len(text) <= _WHOLE else f"{text[:_WHOLE]}…"
    return Fact(label, f"{text[:_LONG]}…", code, whole)
