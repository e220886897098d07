"""Combines unrelated writes of a key by the rule that its workflow names for it.

Only workflows with ``builder.merge`` make a ``RuledKey``. A rule works on what two writers made of
one value, the *base*: what the tasks that both have seen made of the key. ``merge.py`` forgets
older writes; a ``RuledKey`` keeps every write of its key to find the base. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias, cast

from cloaca_core.run.merge import REMOVED, Removed, Write, combined, hashable
from cloaca_core.values.option_names import MergeRuleName
from cloaca_core.values.payloads.json_values import GREATEST_INT, LEAST_INT, JsonValue

Value: TypeAlias = "JsonValue | Removed"
"""The value of a key, or the mark that there is none."""


class UnmergeableError(Exception):
    """A rule cannot treat a value. ``writer`` wrote it; None means that it is the base."""

    def __init__(self, writer: int | None, met: str) -> None:
        super().__init__(met)
        self.writer = writer
        self.met = met


class OutOfRangeError(Exception):
    """The result of a rule is no number that a context can hold."""


class _Rule(NamedTuple):
    """``takes`` names the values that the rule treats, ``fits`` checks one of them. ``combine``
    makes the result of the result so far, the next value and, with ``has_base``, the base.
    """

    takes: str
    fits: Callable[[JsonValue], bool]
    combine: Callable[[JsonValue, JsonValue, Value], JsonValue]
    has_base: bool


class RuledKey:
    """The writes of one key in a run. ``first`` is the value in the input of the run.

    A set of writers is a bit mask. The bases of all writers on the way are computed once each, in
    a loop: a workflow may have a thousand diamonds in a row.
    """

    __slots__ = ("_bases", "_rule", "_writers", "_written", "name")

    def __init__(self, name: MergeRuleName, first: Value) -> None:
        self.name: MergeRuleName = name
        self._rule = _RULES[name]
        self._written: dict[int, Value] = {}
        self._writers = 0
        self._bases: dict[int, Value] = {0: first}

    @property
    def takes(self) -> str:
        """Names the values that the rule treats."""
        return self._rule.takes

    def note(self, writer: int, value: Value) -> None:
        """A task, or a replacement of keys, wrote or removed the key."""
        self._written[writer] = value
        self._writers |= 1 << writer

    def merged(self, writes: Sequence[Write], ancestors: Sequence[int]) -> JsonValue:
        """The combination of unrelated writes, earlier declared first. A removal counts only where
        there are no other writes, and then this is not asked. Raises ``UnmergeableError`` and
        ``OutOfRangeError``.
        """
        found = {each.writer: each.value for each in writes if each.value is not REMOVED}
        values = cast("dict[int, JsonValue]", found)
        if len(values) == 1:
            return next(iter(values.values()))
        if self._rule is _LAST:
            return next(values[each.writer] for each in reversed(writes) if each.writer in values)
        if self._rule.has_base:
            for _, shared in self._meetings(list(values), ancestors):
                self._find_base(shared, ancestors)
        return _in_range(self._fold(values, ancestors))

    def _fold(self, values: Mapping[int, JsonValue], ancestors: Sequence[int]) -> JsonValue:
        rule = self._rule
        for writer, value in values.items():
            if not rule.fits(value):
                raise UnmergeableError(writer, _kind(value))
        result = next(iter(values.values()))
        for writer, shared in self._meetings(list(values), ancestors):
            base = self._bases[shared] if rule.has_base else REMOVED
            if not isinstance(base, Removed) and not rule.fits(base):
                raise UnmergeableError(None, _kind(base))
            result = rule.combine(result, values[writer], base)
        return result

    def _meetings(
        self, writers: Sequence[int], ancestors: Sequence[int]
    ) -> Iterator[tuple[int, int]]:
        """Each writer after the first, with the earlier writers that both sides have seen."""
        seen = self._seen_by(writers[0], ancestors)
        for writer in writers[1:]:
            own = self._seen_by(writer, ancestors)
            yield writer, seen & own
            seen |= own

    def _seen_by(self, writer: int, ancestors: Sequence[int]) -> int:
        return (ancestors[writer] | 1 << writer) & self._writers

    def _find_base(self, shared: int, ancestors: Sequence[int]) -> None:
        """Compute the base that these writers made together, and first the bases that it needs."""
        todo = [shared]
        while todo:
            each = todo[-1]
            if each in self._bases:
                todo.pop()
                continue
            values = self._last_of(each, ancestors)
            met = self._meetings(list(values), ancestors) if len(values) > 1 else ()
            if missing := [below for _, below in met if below not in self._bases]:
                todo += missing
            else:
                self._bases[each] = self._base_of(values, ancestors)

    def _last_of(self, writers: int, ancestors: Sequence[int]) -> dict[int, JsonValue]:
        """The values of the last of these writers, in the order of the definition."""
        found: list[int] = []
        older = 0
        while writers:  # from the highest number: most tasks are defined after their dependencies
            found.append(writers.bit_length() - 1)
            older |= ancestors[found[-1]]
            writers &= ~(older | 1 << found[-1])
        last = [writer for writer in sorted(found) if not older >> writer & 1]
        values = {writer: self._written[writer] for writer in last}
        return {writer: value for writer, value in values.items() if not isinstance(value, Removed)}

    def _base_of(self, values: Mapping[int, JsonValue], ancestors: Sequence[int]) -> Value:
        if not values:
            return REMOVED
        if len(values) == 1:
            return next(iter(values.values()))
        try:
            return self._fold(values, ancestors)
        except UnmergeableError:  # the task at which they met has failed, and handed on this
            return combined(list(values.values()))


# -- the rules -----------------------------------------------------------------------------------


def _is_number(value: JsonValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_list(value: JsonValue) -> bool:
    return isinstance(value, list)


def _sum(result: JsonValue, value: JsonValue, base: Value) -> JsonValue:
    before = 0 if isinstance(base, Removed) else cast("int | float", base)
    return cast("int | float", result) + (cast("int | float", value) - before)


def _min(result: JsonValue, value: JsonValue, _: Value) -> JsonValue:
    return min(cast("int | float", result), cast("int | float", value))


def _max(result: JsonValue, value: JsonValue, _: Value) -> JsonValue:
    return max(cast("int | float", result), cast("int | float", value))


def _append(result: JsonValue, value: JsonValue, base: Value) -> JsonValue:
    """The items of ``result`` but for those that the other side removed, then those that it added.
    An item that occurs several times counts as often.
    """
    left: dict[object, int] = {}
    for item in () if isinstance(base, Removed) else cast("list[JsonValue]", base):
        form = hashable(item)
        left[form] = left.get(form, 0) + 1
    added = _without(cast("list[JsonValue]", value), left)
    kept = cast("list[JsonValue]", result)
    return (_without(kept, left) if any(left.values()) else kept) + added


def _without(items: Sequence[JsonValue], taken: dict[object, int]) -> list[JsonValue]:
    """The items without the first ones that are to be ``taken``; counts these down."""
    kept = []
    for item in items:
        form = hashable(item)
        if taken.get(form):
            taken[form] -= 1
        else:
            kept.append(item)
    return kept


def _in_range(value: JsonValue) -> JsonValue:
    if isinstance(value, int):
        if not LEAST_INT <= value <= GREATEST_INT:
            raise OutOfRangeError
    elif isinstance(value, float) and not math.isfinite(value):
        raise OutOfRangeError
    return value


_LAST: Final = _Rule("any values", lambda _: True, lambda _, value, __: value, has_base=False)
_RULES: Final[Mapping[MergeRuleName, _Rule]] = {
    "append": _Rule("lists", _is_list, _append, has_base=True),
    "last": _LAST,
    "sum": _Rule("numbers", _is_number, _sum, has_base=True),
    "min": _Rule("numbers", _is_number, _min, has_base=False),
    "max": _Rule("numbers", _is_number, _max, has_base=False),
}


def _kind(value: JsonValue) -> str:
    """The kind of a value in words. Never the value: errors are shown to everybody."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "an object"
