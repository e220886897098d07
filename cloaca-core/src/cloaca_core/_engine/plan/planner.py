"""Decides what happens next in one run: which tasks start, which are skipped, when it is over.

A state machine without I/O: facts go in (a task completed, a task failed for good), a ``Step`` of
consequences comes out, and the orchestrator carries it out. No clock, no store, no log, no thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, assert_never

from cloaca_core._engine.plan.graph import PlanGraph
from cloaca_core._engine.plan.merge import UNTOUCHED, Change, Flow, changed, merged, view
from cloaca_core._engine.plan.reasons import Reason
from cloaca_core._engine.plan.replacements import Keys, Replacements
from cloaca_core.definition.rules import evaluate
from cloaca_core.records.states import ReasonCode, RunStatus, TaskStatus
from cloaca_core.values.json_values import JsonValue

DefaultRule: TypeAlias = Literal["none_failed", "always"]
"""The rule of a task without trigger rules."""


@dataclass(frozen=True, slots=True)
class Completed:
    """Known from the table: the task succeeded with this change. ``replacements`` is how many of
    the run's it has seen.
    """

    change: Change
    replacements: int = 0


@dataclass(frozen=True, slots=True)
class Failed:
    """Known from the table: the task failed for good."""

    error: str
    replacements: int = 0


@dataclass(frozen=True, slots=True)
class Skipped:
    """Known from the table: the task was skipped for this reason."""

    reason: Reason
    replacements: int = 0


Known: TypeAlias = Completed | Failed | Skipped
"""A fact about a task that an earlier owner of the run recorded."""


@dataclass(frozen=True, slots=True)
class RunOver:
    """The end of the run. One that has completed has no reason."""

    status: RunStatus
    reason: Reason | None


@dataclass(slots=True)
class Step:
    """The consequences of a fact. Tasks are given by index, in the order in which to act."""

    ready: list[int] = field(default_factory=list)
    skipped: list[tuple[int, Reason]] = field(default_factory=list)
    over: RunOver | None = None


class RunPlan:
    """The state of one run. Others may read ``statuses``; only this changes it."""

    __slots__ = (
        "_blamed",
        "_default_rule",
        "_errors",
        "_given",
        "_graph",
        "_input",
        "_known",
        "_left",
        "_merged",
        "_missing",
        "_out",
        "_patches",
        "_replaced",
        "_viewed",
        "statuses",
    )

    def __init__(
        self,
        graph: PlanGraph,
        run_input: dict[str, JsonValue],
        *,
        default_rule: DefaultRule = "none_failed",
        known: Mapping[int, Known] | None = None,
        patches: Mapping[int, Change] | None = None,
        replacements: Sequence[Keys] = (),
    ) -> None:
        count = len(graph.tasks)
        self.statuses: list[TaskStatus] = [TaskStatus.NOT_STARTED] * count
        self._graph = graph
        self._default_rule = default_rule
        self._known = dict(known or {})
        self._input = run_input
        self._missing = [len(needed) for needed in graph.dependencies]
        self._given: dict[int, Flow] = {}
        self._out: dict[int, Flow] = {}
        self._patches = patches or {}
        self._replaced: Replacements | None = None
        self._add(replacements)
        self._errors: dict[int, str] = {}
        self._blamed: set[int] = set()
        self._left = count
        self._merged: tuple[tuple[int, ...], Flow] = ((), UNTOUCHED)
        self._viewed: tuple[Flow, dict[str, JsonValue]] | None = None

    # -- facts -------------------------------------------------------------------------------

    def begin(self) -> Step:
        """The first step. With ``known`` facts: everything that follows from them."""
        return self._settle([i for i, count in enumerate(self._missing) if not count])

    def completed(self, task: int, change: Change) -> Step:
        """The task succeeded."""
        self._complete(task, change)
        return self._settle(self._unblocked_by(task))

    def failed(self, task: int, error: str) -> Step:
        """The task failed and will not be tried again. ``error`` is ``Type: message``."""
        self._fail(task, error)
        return self._settle(self._unblocked_by(task))

    def replace(self, replacements: Sequence[Keys]) -> None:
        """Keys were replaced: these are all replacements so far, those that are known included.
        Tasks that start from now on see them, and those that ``again`` is told of.
        """
        self._add(replacements[self.replacements :])

    def again(self, tasks: Sequence[int]) -> Step:
        """Ready tasks are to start that have not begun, or have failed and are to be tried again:
        decide them anew, by the keys that were replaced since they were ready.
        """
        return self._settle(list(tasks))

    def _add(self, replacements: Sequence[Keys]) -> None:
        if replacements and self._replaced is None:
            self._replaced = Replacements(self._graph.ancestors)
        for keys in replacements:
            assert self._replaced is not None
            self._replaced.add(keys)

    # -- questions ---------------------------------------------------------------------------

    def given(self, task: int) -> dict[str, JsonValue]:
        """The data that a ready task sees. Tasks that see the same share it: do not change it."""
        return self._view(self._given[task])

    @property
    def replacements(self) -> int:
        """How many replacements of keys there are."""
        return 0 if self._replaced is None else len(self._replaced)

    def seen_by(self, task: int) -> int:
        """How many replacements of keys the task has seen, or sees when it starts."""
        return 0 if self._replaced is None else self._replaced.seen_by(task)

    def outdated(self, tasks: Sequence[int]) -> list[int]:
        """Those of these ready tasks that do not see all keys that were replaced."""
        if self._replaced is None:
            return []
        count, seen_by = len(self._replaced), self._replaced.seen_by
        return [task for task in tasks if seen_by(task) < count]

    def _view(self, flow: Flow) -> dict[str, JsonValue]:
        """The last view is cached: all tasks that depend on one task alone see the same."""
        if self._viewed is None or self._viewed[0] is not flow:
            self._viewed = (flow, view(self._input, flow))
        return self._viewed[1]

    def final_context(self) -> dict[str, JsonValue]:
        """The merged contexts of the leaves; the input when no task completed. It may be shared: do
        not change it.
        """
        ends = [self._out[leaf] for leaf in self._graph.leaves if leaf in self._out]
        if TaskStatus.COMPLETED not in self.statuses or not ends:
            return self._input
        return view(self._input, merged(ends, self._ancestors))

    @property
    def _ancestors(self) -> Sequence[int]:
        """The ancestors of each writer."""
        return self._graph.ancestors if self._replaced is None else self._replaced.ancestors

    # -- consequences ------------------------------------------------------------------------

    def _settle(self, unblocked: list[int]) -> Step:
        """Decide every task whose dependencies are all final, and the tasks that this unblocks."""
        step = Step()
        while unblocked:
            following: list[int] = []
            for task in unblocked:
                if self._decide(task, step):
                    following += self._unblocked_by(task)
            unblocked = following
        if not self._left:
            step.over = self._verdict()
        return step

    def _decide(self, task: int, step: Step) -> bool:
        """Decide one task; true when it is final now."""
        flow, known = self._flow_into(task), self._known.pop(task, None)
        if self._replaced is not None:
            seen = len(self._replaced) if known is None else known.replacements
            flow = self._replaced.start(task, seen, flow)
        if (patch := self._patches.get(task)) is not None:
            flow = changed(flow, patch, task)
        self._given[task] = flow
        if known is not None:
            self._restore(task, known)
            return True
        reason = self._reason_to_skip(task, flow)
        if reason is None:
            self.statuses[task] = TaskStatus.READY
            step.ready.append(task)
            return False
        self._skip(task)
        step.skipped.append((task, reason))
        return True

    def _flow_into(self, task: int) -> Flow:
        """The last merge is cached: tasks of one layer often depend on the same ones."""
        needed = self._graph.dependencies[task]
        if not needed:
            return UNTOUCHED
        if self._merged[0] != needed:
            flows = [self._out[dependency] for dependency in needed]
            self._merged = (needed, merged(flows, self._ancestors))
        return self._merged[1]

    def _reason_to_skip(self, task: int, flow: Flow) -> Reason | None:
        rule = self._graph.tasks[task].rule
        if rule is None:
            return self._failed_upstream(task)
        if evaluate(rule, self._status_of, self._view(flow)):
            return None
        return Reason(ReasonCode.TRIGGER_RULE, "Trigger rules not satisfied")

    def _failed_upstream(self, task: int) -> Reason | None:
        if self._default_rule == "always":
            return None
        for dependency in self._graph.dependencies[task]:
            if dependency in self._errors or dependency in self._blamed:
                self._blamed.add(task)
                text = f"upstream failed: {self._graph.tasks[dependency].id}"
                return Reason(ReasonCode.UPSTREAM_FAILED, text)
        return None

    def _status_of(self, name: str) -> TaskStatus:
        return self.statuses[self._graph.position[name]]

    def _unblocked_by(self, task: int) -> list[int]:
        unblocked = []
        for dependent in self._graph.dependents[task]:
            self._missing[dependent] -= 1
            if not self._missing[dependent]:
                unblocked.append(dependent)
        return unblocked

    # -- changes of state --------------------------------------------------------------------

    def _restore(self, task: int, known: Known) -> None:
        match known:
            case Completed(change):
                self._complete(task, change)
            case Failed(error):
                self._fail(task, error)
            case Skipped(reason):
                if reason.code == ReasonCode.UPSTREAM_FAILED:
                    self._blamed.add(task)
                self._skip(task)
            case _:
                assert_never(known)

    def _complete(self, task: int, change: Change) -> None:
        self._finish(task, TaskStatus.COMPLETED, changed(self._given[task], change, task))

    def _fail(self, task: int, error: str) -> None:
        self._errors[task] = error
        self._finish(task, TaskStatus.FAILED, self._given[task])

    def _skip(self, task: int) -> None:
        self._finish(task, TaskStatus.SKIPPED, self._given[task])

    def _finish(self, task: int, status: TaskStatus, out: Flow) -> None:
        self.statuses[task] = status
        self._out[task] = out
        self._given.pop(task)
        self._left -= 1

    def _verdict(self) -> RunOver:
        if not self._errors:
            return RunOver(RunStatus.COMPLETED, None)
        first = min(self._errors)
        counts = {s: self.statuses.count(s) for s in (TaskStatus.COMPLETED, TaskStatus.SKIPPED)}
        text = (
            f"{len(self._errors)} task(s) failed, {counts[TaskStatus.COMPLETED]} completed, "
            f"{counts[TaskStatus.SKIPPED]} skipped; "
            f"first error: {self._graph.tasks[first].id}: {self._errors[first]}"
        )
        return RunOver(RunStatus.FAILED, Reason(ReasonCode.TASK_FAILED, text))
