"""Sections 5 and 6 of the contract as a plain program: slow, without shortcuts, to compare with.

Written from the contract's text and not from the planner: contexts are computed from scratch, by
recursion over the graph, from what is known of each task at the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

Writer: TypeAlias = str | int
"""A task by its name, a replacement of keys by its number from 0, or the input."""
INPUT = ""
"""The writer of the run's input."""
GONE = object()
"""What a removal leaves."""


@dataclass
class PlainTask:
    """A task, what happens when it runs, and the rule it has. One with a ``choice`` is an approval
    that ends with that choice, writes it, and writes nothing else.
    """

    id: str
    dependencies: list[str]
    set: dict[str, Any] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    fails: bool = False
    runs_when: str = (
        "default"  # or "always", "any failed", "any approved", "none failed, one skipped"
    )
    choice: str | None = None

    def __post_init__(self) -> None:
        if self.choice is not None:
            decided = {"choice": self.choice, "by": None, "at": None, "note": None, "data": None}
            self.set, self.removed = {self.id: decided}, []


class PlainRun:
    """The end of a run, worked out. ``replaced`` are the keys that were replaced meanwhile, oldest
    first; ``seen`` is how many of them each task saw when it started, 0 unless it says otherwise.
    """

    def __init__(
        self,
        tasks: list[PlainTask],
        run_input: Mapping[str, Any],
        replaced: Sequence[Mapping[str, Any]] = (),
        seen: Mapping[str, int] | None = None,
    ) -> None:
        self.tasks = {task.id: task for task in tasks}
        self.input = dict(run_input)
        self.replaced = list(replaced)
        self.seen = dict(seen or {})
        self.order = [task.id for task in tasks]
        self.status: dict[str, str] = {}
        self.because_of_failure: set[str] = set()
        for name in self.order:
            self._decide(name)

    def _decide(self, name: str) -> None:
        task = self.tasks[name]
        for needed in task.dependencies:
            if needed not in self.status:
                self._decide(needed)
        if name in self.status:
            return
        runs = self._rule_holds(task)
        asks = task.runs_when in ("default", "none failed, one skipped")
        if asks and not runs and not self._none_failed(task):
            self.because_of_failure.add(name)
        self.status[name] = "Skipped" if not runs else "Failed" if task.fails else "Completed"

    def _none_failed(self, task: PlainTask) -> bool:
        return not any(self._counts_as_failed(n) for n in task.dependencies)

    def _counts_as_failed(self, name: str) -> bool:
        return (
            self.status[name] == "Failed"
            or name in self.because_of_failure
            or self._chose(name, "reject")
        )

    def _chose(self, name: str, choice: str) -> bool:
        return self.status[name] == "Completed" and self.tasks[name].choice == choice

    def _rule_holds(self, task: PlainTask) -> bool:
        skipped = [self.status[n] == "Skipped" for n in task.dependencies]
        if task.runs_when == "default":
            in_vain = task.choice is not None and bool(skipped) and all(skipped)
            return self._none_failed(task) and not in_vain
        if task.runs_when == "none failed, one skipped":
            return self._none_failed(task) and any(skipped)
        if task.runs_when == "any failed":
            return any(self.status[n] == "Failed" for n in task.dependencies)
        if task.runs_when == "any approved":
            return any(self._chose(n, "approve") for n in task.dependencies)
        return task.runs_when == "always"

    def ancestors(self, name: str) -> set[str]:
        found: set[str] = set()
        for needed in self.tasks[name].dependencies:
            found |= {needed} | self.ancestors(needed)
        return found

    # -- contexts ----------------------------------------------------------------------------

    def given(self, name: str) -> dict[str, Any]:
        """The context with which the task begins."""
        return self._merge(self.tasks[name].dependencies, self.seen.get(name, 0))

    def final(self) -> dict[str, Any]:
        """The run's final context."""
        if "Completed" not in self.status.values():
            return dict(self.input)
        inner = {needed for task in self.tasks.values() for needed in task.dependencies}
        return self._merge([name for name in self.order if name not in inner], 0)

    def _merge(self, names: list[str], seen: int) -> dict[str, Any]:
        keys = set(self.input)
        for each in self.replaced:
            keys |= set(each)
        for task in self.tasks.values():
            keys |= set(task.set) | set(task.removed)
        merged = {key: self._value(key, names, seen) for key in keys}
        return {key: value for key, value in merged.items() if value is not GONE}

    def _value(self, key: str, names: list[str], seen: int) -> Any:
        last = self._last_writers(key, names, seen)
        values = [self._written(key, writer) for writer in last]
        present = [value for value in values if value is not GONE]
        return combined(present) if present else GONE

    def _written(self, key: str, writer: Writer) -> Any:
        if isinstance(writer, int):
            return self.replaced[writer][key]
        if writer == INPUT:
            return self.input.get(key, GONE)
        return self.tasks[writer].set.get(key, GONE)

    def _last_writers(self, key: str, names: list[str], seen: int) -> list[Writer]:
        """Who wrote last, seen from these dependencies, earlier declared first, and from the first
        replacements.
        """
        writers: list[Writer] = [] if names else [INPUT]
        for name in names:
            writers += self._writers_at(key, name)
        writers += [number for number in range(seen) if key in self.replaced[number]]
        return [
            writer
            for writer in writers
            if not any(self._is_older(writer, other) for other in writers)
        ]

    def _writers_at(self, key: str, name: str) -> list[Writer]:
        task = self.tasks[name]
        if self.status[name] == "Completed" and (key in task.set or key in task.removed):
            return [name]
        return self._last_writers(key, task.dependencies, self.seen.get(name, 0))

    def _is_older(self, writer: Writer, other: Writer) -> bool:
        """A replacement is newer than tasks that did not see it, older than those that did."""
        if INPUT in (writer, other):
            return writer == INPUT != other
        if isinstance(writer, str) and isinstance(other, str):
            return writer in self.ancestors(other)
        if isinstance(writer, str):
            return self.seen.get(writer, 0) <= cast("int", other)
        return writer < (other if isinstance(other, int) else self.seen.get(other, 0))


def combined(values: list[Any]) -> Any:
    """Unrelated writes, earlier declared first."""
    result = values[0]
    for value in values[1:]:
        if isinstance(result, list) and isinstance(value, list):
            result = result + [item for item in value if item not in result]
        elif isinstance(result, dict) and isinstance(value, dict):
            both = {k: combined([result[k], value[k]]) for k in result if k in value}
            result = {**result, **value, **both}
        else:
            result = value
    return result
