"""Makes answers short enough for an assistant to read, and says what was left out.

Pure. An answer that is too long loses the ends of its texts, lists and objects, in steps, until it
fits; a list with a ``next`` loses whole rows, which the next call gives.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

Form: TypeAlias = dict[str, Any]
"""An answer as JSON takes it."""

MOST: Final = 60_000
"""Characters of an answer as JSON."""
ROW: Final = 4_000
"""Characters of a row of a list."""
AROUND: Final = 200
"""Characters of a list beside its rows, and of what an answer has beside the list."""
NOTES: Final = 10
"""Notes that an answer has at most."""


class Limits(NamedTuple):
    """Characters of a text, items of a list, keys of an object, and levels that are kept."""

    text: int
    items: int
    keys: int
    depth: int


STEPS: Final = (
    Limits(4_000, 200, 200, 12),
    Limits(1_000, 100, 100, 10),
    Limits(300, 50, 50, 8),
    Limits(100, 20, 40, 7),
    Limits(100, 5, 40, 6),
    Limits(100, 5, 40, 1),
)
"""Tried in this order. Ids and instants stay whole in all of them; the last one keeps of an answer
its own texts and numbers, and no lists and objects.
"""


def size(value: object) -> int:
    """The characters of a value as JSON."""
    return len(json.dumps(value, ensure_ascii=False))


def bounded(form: Form, most: int = MOST) -> Form:
    """The answer itself if it is short enough, else a shortened one, which says in ``cut`` what is
    missing.
    """
    shorter, steps = form, iter(STEPS)
    while size(shorter) > most and (limits := next(steps, None)) is not None:
        cutter = _Cutter(limits)
        shorter = {**cutter.members(form, "", 0), "cut": cutter.told()}
    return shorter


def page(
    name: str,
    rows: Iterable[Form],
    mark: Callable[[Form], Any],
    following: Any,
    most: int = MOST,
) -> Form:
    """The first rows that fit, each of them bounded; ``next`` is the mark of the last one if there
    are more, or ``following`` after all rows.
    """
    found, left = list(rows), most - AROUND
    taken: list[Form] = []
    for row in found:
        short = bounded(row, ROW)
        left -= size(short) + len(", ")
        if left < 0:
            break
        taken.append(short)
    is_whole = len(taken) == len(found)
    return {name: taken, "next": following if is_whole else mark(found[len(taken) - 1])}


@dataclass(slots=True)
class _Cutter:
    """Cuts a value by limits, and notes what it has cut."""

    limits: Limits
    notes: list[str] = field(default_factory=list)

    def told(self) -> list[str]:
        """The first notes, and how many more there are."""
        more = len(self.notes) - NOTES
        return self.notes if more <= 0 else [*self.notes[:NOTES], f"and {more:,} more places"]

    def members(self, value: Form, path: str, depth: int) -> Form:
        kept = list(value.items())[: self.limits.keys]
        self._note(path, len(kept), len(value), "keys")
        return {
            self.text(key, f"{path}: a key"): self.value(each, _below(path, key), depth + 1)
            for key, each in kept
        }

    def items(self, value: Sequence[Any], path: str, depth: int) -> list[Any]:
        kept = value[: self.limits.items]
        self._note(path, len(kept), len(value), "items")
        return [self.value(each, f"{path}[{i}]", depth + 1) for i, each in enumerate(kept)]

    def text(self, value: str, path: str) -> str:
        kept = value[: self.limits.text]
        self._note(path, len(kept), len(value), "characters")
        return value if kept == value else f"{kept}…"

    def value(self, value: Any, path: str, depth: int) -> Any:
        match value:
            case str():
                return self.text(value, path)
            case dict() | list() if value and depth >= self.limits.depth:
                self._note(path, 0, len(value), "items")
                return type(value)()
            case dict():
                return self.members(value, path, depth)
            case list():
                return self.items(value, path, depth)
            case _:
                return value

    def _note(self, path: str, kept: int, of: int, unit: str) -> None:
        if kept < of:
            self.notes.append(f"{path or 'all'}: the first {kept:,} of {of:,} {unit}")


def _below(path: str, key: str) -> str:
    name = key if len(key) <= 40 else f"{key[:40]}…"
    return f"{path}.{name}" if path else name
