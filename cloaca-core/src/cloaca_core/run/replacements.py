"""Keys that were replaced in a run while it was paused: which tasks see them, and which write wins.

A replacement is a write, like the writes of tasks. It is newer than the writes of tasks that had
started before it, and older than the writes of tasks that start after it. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from cloaca_core.run.merge import Flow, Write, joined
from cloaca_core.values.payloads.json_values import JsonValue

Keys: TypeAlias = Mapping[str, JsonValue]
"""The keys of one replacement, with their values."""


class Replacements:
    """The replacements of one run, oldest first, and the number of replacements that each task has
    seen.

    A replacement has a number among the writers of the run: the numbers follow those of the tasks.
    ``ancestors`` has the mask of ancestors of each writer: the tasks of the graph, then the
    replacements.
    """

    __slots__ = ("_keys", "_last", "_seen", "_tasks", "ancestors")

    def __init__(self, ancestors: Sequence[int]) -> None:
        self.ancestors: list[int] = list(ancestors)
        self._tasks = len(ancestors)
        self._keys: list[Keys] = []
        self._seen: dict[int, int] = {}
        self._last: tuple[Flow, int, Flow] | None = None

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, keys: Keys) -> None:
        """Add a replacement that is newer than all writes so far."""
        everything_before = (1 << len(self.ancestors)) - 1
        self.ancestors.append(everything_before)
        self._keys.append(keys)

    def seen_by(self, task: int) -> int:
        """The number of replacements that the task has seen."""
        return self._seen.get(task, 0)

    def start(self, task: int, count: int, flow: Flow) -> Flow:
        """A task starts and sees the first ``count`` replacements. Returns the context that it
        sees, made from ``flow``, the context that its dependencies hand on.
        """
        self._note(task, count)
        if self._last is None or self._last[0] is not flow or self._last[1] != count:
            self._last = (flow, count, joined(flow, self._newest(count), self.ancestors))
        return self._last[2]

    def _note(self, task: int, count: int) -> None:
        """Count the writes of the task as newer than the first ``count`` replacements, and as older
        than the others.
        """
        self._seen[task] = count
        mine = 1 << task
        for number in range(len(self._keys)):
            replacement = self._tasks + number
            if number < count:
                self.ancestors[replacement] &= ~mine
                self.ancestors[task] |= 1 << replacement
            else:
                self.ancestors[replacement] |= mine

    def _newest(self, count: int) -> dict[str, Write]:
        """The newest write of each key among the first ``count`` replacements."""
        return {
            key: Write(self._tasks + number, value)
            for number, keys in enumerate(self._keys[:count])
            for key, value in keys.items()
        }
