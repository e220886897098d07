"""Payloads as the page shows them: secrets hidden, big values folded, cut at 64 kB.

Everything that users have written into a run passes through here before a template gets it. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cloaca_core.values.wording import counted
from cloaca_tools.masking import masked
from cloaca_tools.ui.words.texts import size
from cloaca_tools.views.run.changes import masked_change

if TYPE_CHECKING:
    from cloaca_core.values.payloads.redaction import Redact
    from cloaca_tools.views.run.changes import KeyChange

LIMIT: Final = 65_536
"""Characters of a payload that a page shows."""
LIMIT_WIDE: Final = 8 * LIMIT
"""As above, where the payload has the whole page."""
LIMIT_BESIDE_MAPS: Final = 4_096
"""As above, of a run that has a map: each of its contexts may have a line for each item."""
_INLINE: Final = 76
"""Characters up to which an object or a list stands in one line."""
_FOLDED: Final = 600
"""Characters from which on a value within a payload is folded."""
_ITEMS: Final = 12
"""Items from which on it is folded."""
_DEEPEST: Final = 60
"""Levels of folds; what is deeper stands in one line."""
_DEEP: Final = 12
"""Levels below which only values up to the limit are folded: each level is written out to be
measured.
"""
_SHARED: Final = 100
"""Keys of an object up to which none of them uses up what the others need."""
_LONGEST: Final = 2_000
"""Characters of a line."""
_MARKS: Final = {"+": "add", "-": "del", " ": ""}
_MINUS: Final = "\N{MINUS SIGN}"
_SIGNS: Final = {"add": "+", "del": _MINUS, "": " "}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of JSON or of a diff. ``note`` stands in place of a value that is not shown; ``lines``
    are what a fold holds, None for a line that is none. ``mark`` is add, del or nothing.
    """

    number: int
    text: str
    note: str = ""
    tail: str = ""
    lines: tuple[Line, ...] | None = None
    mark: str = ""

    @property
    def sign(self) -> str:
        """The sign of a line of a diff."""
        return _SIGNS[self.mark]


@dataclass(frozen=True, slots=True)
class Payload:
    """A value as lines. ``says`` is its size in words; ``is_cut`` if not all of it is here."""

    lines: tuple[Line, ...]
    says: str
    is_cut: bool


@dataclass(frozen=True, slots=True)
class Text:
    """A text, perhaps only its beginning."""

    text: str
    is_cut: bool


def payload(value: Any, redact: Redact, key: str = "", *, most: int = LIMIT) -> Payload:
    """A JSON value as lines, ``most`` characters of it; ``key`` is its own."""
    shown = masked(value, redact, key)
    writer = _Writer(most)
    lines = tuple(writer.value("", shown, "", depth=0))
    return Payload(lines, says(shown), writer.is_cut)


def document(value: Any, redact: Redact) -> str:
    """All of a JSON value, as a file."""
    return json.dumps(masked(value, redact), indent=2, ensure_ascii=False) + "\n"


def text(value: str | None, redact: Redact) -> Text:
    """A text without secrets, up to the limit; empty for None."""
    shown = redact(value or "")
    return Text(shown[:LIMIT], len(shown) > LIMIT)


def says(value: Any) -> str:
    """How much a value is: ``12,374 items, 1.7 MB``."""
    if value in ({}, []):
        return "empty"
    bytes_ = size(len(_compact(value).encode()))
    if isinstance(value, dict):
        return f"{counted(len(value), 'key')}, {bytes_}"
    if isinstance(value, list):
        return f"{counted(len(value), 'item')}, {bytes_}"
    return bytes_


def changes(changed: Sequence[KeyChange], redact: Redact, *, most: int = LIMIT) -> tuple[Line, ...]:
    """The changes of a task, as lines of a diff: a key in a line, or folded."""
    lines: list[Line] = []
    left = most
    for place, each in enumerate(changed):
        if left <= 0:
            lines.append(Line(0, "", note=counted(len(changed) - place, "more key")))
            break
        found = list(_key_lines(masked_change(each, redact), left))
        lines += found
        left -= sum(_size(line) for line in found)
    return tuple(lines)


def changed_words(changed: Sequence[KeyChange]) -> str:
    """How many keys were added, changed and removed: ``+2 ±1 -6 keys``."""
    counts = {"added": 0, "changed": 0, "removed": 0}
    for each in changed:
        counts[each.kind] += 1
    signs = {"added": "+", "changed": "±", "removed": _MINUS}
    told = [f"{signs[kind]}{number}" for kind, number in counts.items() if number]
    total = sum(counts.values())
    return f"{' '.join(told)} {'key' if total == 1 else 'keys'}" if told else ""


# -- JSON as lines -------------------------------------------------------------------------------


class _Writer:
    """Writes one value; ``left`` are the characters that may still be shown."""

    def __init__(self, most: int) -> None:
        self.left = most
        self.is_cut = False
        self._number = 0

    def value(self, head: str, value: Any, tail: str, *, depth: int) -> Iterator[Line]:
        """The lines of a value within its object or list: ``head`` is its key, ``tail`` a comma."""
        whole = _compact(value)
        nested = isinstance(value, dict | list) and bool(value)
        if (len(whole) <= _INLINE and (depth or not nested)) or not (
            nested or isinstance(value, str)
        ):
            yield self._line(depth, f"{head}{whole}{tail}")
        elif isinstance(value, str):
            yield self._long_text(head, value, whole, tail, depth)
        elif depth >= _DEEPEST or (depth >= _DEEP and len(whole) > LIMIT):
            yield self._line(depth, f"{head}{whole}{tail}")
        elif depth and (len(whole) > _FOLDED or len(value) > _ITEMS):
            yield self._folded(head, value, tail, depth)
        else:
            opens, closes = _brackets(value)
            yield self._line(depth, f"{head}{opens}")
            yield from self._inner(value, depth + 1)
            yield self._line(depth, f"{closes}{tail}")

    def _inner(self, value: Any, depth: int) -> Iterator[Line]:
        keyed = isinstance(value, dict)
        items = list(value.items()) if keyed else list(enumerate(value))
        is_shared = keyed and len(items) <= _SHARED
        sizes = [len(_compact(each)) for _, each in items] if is_shared else []
        for place, (key, each) in enumerate(items):
            if self.left <= 0:
                self.is_cut = True
                noun = "more key" if keyed else "more item"
                yield self._line(depth, "", note=counted(len(items) - place, noun))
                return
            head = f"{_compact(key)}: " if keyed else ""
            tail = "" if place == len(items) - 1 else ","
            kept = self._kept_for(sizes[place + 1 :])
            self.left -= kept
            yield from self.value(head, each, tail, depth=depth)
            self.left += kept

    def _kept_for(self, sizes: Sequence[int]) -> int:
        """The characters that a value leaves to those of these sizes, which come after it."""
        share = max(self.left, 0) // (len(sizes) + 1)
        return sum([min(each + _INLINE, share) for each in sizes])

    def _folded(self, head: str, value: Any, tail: str, depth: int) -> Line:
        opens, closes = _brackets(value)
        first = self._line(depth, f"{head}{opens} ", note=says(value), tail=f" {closes}{tail}")
        inner = tuple(self._inner(value, depth + 1))
        return Line(first.number, first.text, first.note, first.tail, inner)

    def _long_text(self, head: str, value: str, whole: str, tail: str, depth: int) -> Line:
        if len(whole) <= _FOLDED:
            return self._line(depth, f"{head}{whole}{tail}")
        note = f"… {size(len(value.encode()))}"
        first = self._line(depth, f"{head}{whole[:_INLINE]}", note=note, tail=f'"{tail}')
        inner: list[Line] = []
        for each in value.split("\n"):
            if self.left <= 0:
                self.is_cut = True
                break
            inner.append(self._line(depth + 1, each))
        return Line(first.number, first.text, first.note, first.tail, tuple(inner))

    def _line(self, depth: int, text: str, *, note: str = "", tail: str = "") -> Line:
        most = max(min(_LONGEST, self.left), _INLINE)
        if len(text) > most:
            self.is_cut = True
            text, note = text[:most], f"… {counted(len(text) - most, 'more character')}"
        self.left -= len(text) + 2 * depth
        self._number += 1
        return Line(self._number, f"{'  ' * depth}{text}", note, tail)


def _brackets(value: Any) -> tuple[str, str]:
    return ("{", "}") if isinstance(value, dict) else ("[", "]")


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


# -- changes as lines ----------------------------------------------------------------------------


def _key_lines(change: KeyChange, left: int) -> Iterator[Line]:
    """A short value in a line; a longer one folded, with the lines of its diff."""
    name = _compact(change.key)
    before, after = change.before, change.after
    if change.kind == "changed":
        if len(_compact(before)) + len(_compact(after)) <= 2 * _INLINE:
            yield Line(0, f"{name}: {_compact(before)}", mark="del")
            yield Line(0, f"{name}: {_compact(after)}", mark="add")
        else:
            inner = tuple(_diff_lines(change.diff, left))
            marks = [each.mark for each in inner]
            note = f"+{marks.count('add')} {_MINUS}{marks.count('del')} lines"
            yield Line(0, f"{name}: ", note=note, lines=inner)
        return
    mark, value = ("add", after) if change.kind == "added" else ("del", before)
    if len(whole := _compact(value)) <= _INLINE:
        yield Line(0, f"{name}: {whole}", mark=mark)
        return
    opens, closes = _brackets(value) if isinstance(value, dict | list) else ('"', '"')
    lines = tuple(_diff_lines(change.diff, left))
    yield Line(0, f"{name}: {opens} ", says(value), f" {closes}", lines, mark)


def _diff_lines(diff: Sequence[str], left: int) -> Iterator[Line]:
    for place, each in enumerate(diff):
        if left <= 0:
            yield Line(0, "", note=counted(len(diff) - place, "more line"))
            return
        if each.startswith("@@"):
            yield Line(0, "", note="…")
            continue
        shown = each[1:][:_LONGEST]
        left -= len(shown)
        yield Line(0, shown, mark=_MARKS.get(each[:1], ""))


def _size(line: Line) -> int:
    return len(line.text) + sum(len(each.text) for each in line.lines or ())
