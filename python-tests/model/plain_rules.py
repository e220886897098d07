"""``builder.merge`` as a plain program: slow, without shortcuts, to compare with.

Written from the text of `growing.md` §5 and not from the engine: sets of writers, and a recursion
from a value to the values before it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from model.plain_plan import GONE, PlainRun, PlainTask, Writer, combined


class UnfitError(Exception):
    """A rule has met a value that it does not treat."""


class RuledRun(PlainRun):
    """The end of a run whose workflow merges keys by ``rules``."""

    def __init__(
        self,
        tasks: list[PlainTask],
        run_input: Mapping[str, Any],
        rules: Mapping[str, str],
        replaced: Sequence[Mapping[str, Any]] = (),
        seen: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__(tasks, run_input, replaced, seen)
        self.rules = rules

    def _value(self, key: str, names: list[str], seen: int) -> Any:
        try:
            return self._ruled(key, names, seen)
        except UnfitError:
            return super()._value(key, names, seen)

    def unfit(self, name: str | None) -> set[str]:
        """The keys that no rule can treat of those whose values meet at a task, or at the end."""
        inner = {needed for task in self.tasks.values() for needed in task.dependencies}
        ends = [each for each in self.order if each not in inner]
        names = ends if name is None else self.tasks[name].dependencies
        seen = 0 if name is None else self.seen.get(name, 0)
        return {key for key in self.rules if self._is_unfit(key, names, seen)}

    def _is_unfit(self, key: str, names: list[str], seen: int) -> bool:
        writers = self._last_writers(key, names, seen)
        if any(set(writers) == set(self._writers_at(key, name)) for name in names):
            return False  # they have met before
        try:
            self._ruled(key, names, seen)
        except UnfitError:
            return True
        return False

    def _ruled(self, key: str, names: list[str], seen: int) -> Any:
        """By the rule; without one, and where fewer than two wrote, as ever."""
        last = self._last_writers(key, names, seen)
        present = [writer for writer in last if self._written(key, writer) is not GONE]
        if key not in self.rules or len(set(present)) < 2:
            return super()._value(key, names, seen)
        result = self._fold(key, present)
        is_stored = not isinstance(result, int) or -(2**63) <= result < 2**64
        if not is_stored or result in (math.inf, -math.inf):
            raise UnfitError
        return result

    def _fold(self, key: str, last: list[Writer]) -> Any:
        rule, writers = self.rules[key], list(dict.fromkeys(last))
        values = [self._written(key, writer) for writer in writers]
        if rule == "last":
            return self._written(key, last[-1])
        if rule in ("min", "max"):
            numbers = [number(value) for value in values]
            return min(numbers) if rule == "min" else max(numbers)
        result = values[0]
        for place, writer in enumerate(writers[1:], 1):
            base = self._base(key, writers[:place], writer)
            treat = added if rule == "sum" else appended
            result = treat(result, values[place], base)
        return result

    def _base(self, key: str, earlier: list[Writer], writer: Writer) -> Any:
        """The value that the last common ancestors of both sides left; else the input's."""
        sides = [
            {each for each in self._all_writers(key) if self._knows(one, each)}
            for one in (*earlier, writer)
        ]
        common = set().union(*sides[:-1]) & sides[-1]
        last = [
            one
            for one in self._all_writers(key)
            if one in common and not any(self._is_older(one, other) for other in common)
        ]
        if not last:
            return self.input.get(key, GONE)
        present = [one for one in last if self._written(key, one) is not GONE]
        if len(present) < 2:
            return self._written(key, present[0]) if present else GONE
        try:
            return self._fold(key, present)
        except UnfitError:
            return combined([self._written(key, writer) for writer in present])

    def _knows(self, writer: Writer, other: Writer) -> bool:
        return writer == other or self._is_older(other, writer)

    def _all_writers(self, key: str) -> list[Writer]:
        """In the order of the definition, then replacements."""
        tasks: list[Writer] = [
            name
            for name in self.order
            if self.status[name] == "Completed"
            and (key in self.tasks[name].set or key in self.tasks[name].removed)
        ]
        return tasks + [number for number, keys in enumerate(self.replaced) if key in keys]


def number(value: Any) -> Any:
    """The value, if it is a number; a boolean is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnfitError
    return value


def added(result: Any, value: Any, base: Any) -> Any:
    """The result so far, and what the next side added to the base."""
    return number(result) + (number(value) - number(0 if base is GONE else base))


def appended(result: Any, value: Any, base: Any) -> Any:
    """The same for lists: each item of the one that is not of the base is added, and each that the
    base had and the side has no more is taken away; the first of equal ones.
    """
    before = [] if base is GONE else base
    if not all(isinstance(each, list) for each in (result, value, before)):
        raise UnfitError
    gone = list(before)
    new = []
    for item in value:
        if (place := place_of(item, gone)) is None:
            new.append(item)
        else:
            del gone[place]
    kept = list(result)
    for item in gone:
        if (place := place_of(item, kept)) is not None:
            del kept[place]
    return kept + new


def place_of(item: Any, items: list[Any]) -> int | None:
    """Where an equal item stands first; true is not 1, but 1.0 is."""
    for place, each in enumerate(items):
        if each == item and isinstance(each, bool) == isinstance(item, bool):
            return place
    return None
