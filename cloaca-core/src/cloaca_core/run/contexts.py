"""The data that each task of a run sees when it starts, and hands on to the tasks that follow.

Values that several tasks see are computed once. This module decides nothing: the plan says when a
task is ready and when it has ended. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from cloaca_core.run.graph import Node, NodeGraph
from cloaca_core.run.items.units import TASK
from cloaca_core.run.merge import UNTOUCHED, Change, Flow, changed, merged, view
from cloaca_core.run.replacements import Keys, Replacements
from cloaca_core.values.payloads.json_values import JsonValue

if TYPE_CHECKING:
    from cloaca_core.run.merging.ruled_keys import RuledKeys, Unmerged


class Contexts:
    """``replacements`` is the number of replacements of keys so far. ``patches`` are written just
    before the tasks of these indices. ``rules`` has the keys that the workflow merges by rule; None
    without any.
    """

    __slots__ = (
        "_any_completed",
        "_given",
        "_graph",
        "_merged",
        "_out",
        "_patches",
        "_replaced",
        "_viewed",
        "input",
        "replacements",
        "rules",
    )

    def __init__(
        self,
        graph: NodeGraph[Node],
        run_input: dict[str, JsonValue],
        patches: Mapping[int, Change] | None = None,
        replacements: Sequence[Keys] = (),
    ) -> None:
        self._graph = graph
        self.input: dict[str, JsonValue] = run_input
        self._given: dict[int, Flow] = {}
        self._out: dict[int, Flow] = {}
        self._patches = patches or {}
        self.rules: RuledKeys | None = _ruled_keys(graph, run_input) if graph.merges else None
        self._replaced: Replacements | None = None
        self.replacements: int = 0
        self._merged: tuple[tuple[int, ...], Flow] = ((), UNTOUCHED)
        self._viewed: tuple[Flow, dict[str, JsonValue]] | None = None
        self._any_completed = False
        if replacements:
            self.replace(replacements)

    # -- facts -------------------------------------------------------------------------------

    def replace(self, replacements: Sequence[Keys]) -> None:
        """Keys were replaced. ``replacements`` are all replacements so far, the known ones
        included. Tasks that enter from now on see them.
        """
        for keys in replacements[self.replacements :]:
            if self._replaced is None:
                self._replaced = Replacements(self._graph.ancestors)
            self._replaced.add(keys)
            if self.rules is not None:
                self.rules.note(len(self._graph.tasks) + self.replacements, Change(keys, ()))
            self.replacements += 1

    def enter(self, task: int, replacements: int | None = None) -> None:
        """The dependencies of a task are final. It sees the context that they hand on, and the
        first ``replacements`` of the replacements, or all.
        """
        flow, needed = UNTOUCHED, self._graph.dependencies[task]
        if len(needed) == 1:
            flow = self._out[needed[0]]
        elif needed:
            if self._merged[0] != needed:  # tasks of one layer often depend on the same ones
                flows = [self._out[dependency] for dependency in needed]
                self._merged = (needed, merged(flows, self._ancestors))
            flow = self._merged[1]
        if self._replaced is not None:
            seen = self.replacements if replacements is None else replacements
            flow = self._replaced.start(task, seen, flow)
        if (patch := self._patches.get(task)) is not None:
            flow = changed(flow, patch, task)
            if self.rules is not None:
                self.rules.note(task, patch)
        self._given[task] = flow

    def leave(self, task: int, change: Change | None) -> None:
        """The task has completed with this change, or (None) hands on its own context unchanged."""
        flow = self._given.pop(task)
        if change is not None:
            self._any_completed = True
            flow = changed(flow, change, task)
            if self.rules is not None:
                self.rules.note(task, change)
        self._out[task] = flow

    # -- questions ---------------------------------------------------------------------------

    def given(self, task: int) -> dict[str, JsonValue]:
        """The data that a task sees, which has entered and not left. Tasks that see equal data
        share it: do not change it.
        """
        flow = self._given[task]
        if flow is UNTOUCHED:
            return self.input
        if self._viewed is None or self._viewed[0] is not flow:
            data = view(self.input, flow) if self.rules is None else self._ruled(flow)
            self._viewed = (flow, data)
        return self._viewed[1]

    def unmerged(self, task: int) -> Unmerged | None:
        """The first key whose values meet at a task, which has entered, and that its rule cannot
        merge.
        """
        if self.rules is None:
            return None
        before = [self._out[dependency] for dependency in self._graph.dependencies[task]]
        return self.rules.met(self._given[task], before, self._ancestors)

    def unmerged_at_end(self) -> Unmerged | None:
        """The same for the values that meet at the end of the run."""
        ends = [self._out[leaf] for leaf in self._graph.leaves if leaf in self._out]
        if self.rules is None or not ends:
            return None
        return self.rules.met(merged(ends, self._ancestors), ends, self._ancestors)

    def seen_by(self, task: int) -> int:
        """The number of replacements of keys that the task has seen, or sees when it starts."""
        return 0 if self._replaced is None else self._replaced.seen_by(task)

    def outdated(self, tasks: Sequence[int]) -> list[int]:
        """Select the ready tasks that do not see all replaced keys. The items of a map see what it
        saw when it was opened.
        """
        if self._replaced is None:
            return []
        count, seen_by = self.replacements, self._replaced.seen_by
        return [task for task in tasks if task <= TASK and seen_by(task) < count]

    def final(self) -> dict[str, JsonValue]:
        """The merged contexts of the leaves; ``input`` itself when no task completed, or none
        changed it. It may be shared: do not change it.
        """
        if not self._any_completed:
            return self.input
        ends = [self._out[leaf] for leaf in self._graph.leaves if leaf in self._out]
        if not ends:
            return self.input
        flow = ends[0] if len(ends) == 1 else merged(ends, self._ancestors)
        return view(self.input, flow) if self.rules is None else self._ruled(flow)

    def _ruled(self, flow: Flow) -> dict[str, JsonValue]:
        """The data of a flow, its keys merged by the rules of the workflow, if it has any."""
        data = view(self.input, flow)
        if self.rules is not None and (ruled := self.rules.values(flow, self._ancestors)):
            data.update(ruled)  # the data are new: tasks wrote these keys
        return data

    @property
    def _ancestors(self) -> Sequence[int]:
        """The ancestors of each writer."""
        return self._graph.ancestors if self._replaced is None else self._replaced.ancestors


def _ruled_keys(graph: NodeGraph[Node], run_input: Mapping[str, JsonValue]) -> RuledKeys:
    # Imported here: few workflows have rules, and each module is time to the first result.
    from cloaca_core.run.merging.ruled_keys import RuledKeys

    return RuledKeys(graph, run_input)
