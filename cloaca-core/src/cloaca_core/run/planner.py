"""Decides what happens next in one run: which tasks start, which are skipped, when it is over.

A state machine without I/O: facts go in (a task completed, a task failed for good), a ``Step`` of
consequences comes out, and the orchestrator carries it out. No clock, no store, no log, no thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, assert_never

from cloaca_core.definition.rules import (
    Rule,
    asks_none_failed,
)
from cloaca_core.definition.waits.kinds import REJECT, Approval, NodeWait
from cloaca_core.run.contexts import Contexts
from cloaca_core.run.graph import PlanGraph
from cloaca_core.run.merge import Change
from cloaca_core.run.reasons import RULE_NOT_MET, Reason, rejected, upstream_failed
from cloaca_core.run.replacements import Keys
from cloaca_core.run.trigger_rules import evaluate
from cloaca_core.values.payloads.json_values import JsonValue
from cloaca_core.values.states import ReasonCode, RunStatus, TaskStatus
from cloaca_core.values.wording import tasks_failed

DefaultRule: TypeAlias = Literal["none_failed", "always"]
"""The rule of a task without trigger rules."""


@dataclass(frozen=True, slots=True)
class Completed:
    """Read from the table: the task succeeded with this change. ``replacements`` is the number of
    the run's replacements of keys that it has seen.
    """

    change: Change
    replacements: int = 0


@dataclass(frozen=True, slots=True)
class Failed:
    """Read from the table: the task failed for good."""

    error: str
    replacements: int = 0


@dataclass(frozen=True, slots=True)
class Skipped:
    """Read from the table: the task was skipped for this reason."""

    reason: Reason
    replacements: int = 0


Known: TypeAlias = Completed | Failed | Skipped
"""A fact about a task that an earlier owner of the run recorded."""


@dataclass(frozen=True, slots=True)
class RunOver:
    """The end of the run. A run that has completed has no reason."""

    status: RunStatus
    reason: Reason | None


@dataclass(slots=True)
class Step:
    """The consequences of a fact. Tasks are given by index, in the order in which to act."""

    ready: list[int] = field(default_factory=list)
    skipped: list[tuple[int, Reason]] = field(default_factory=list)
    over: RunOver | None = None


class RunPlan:
    """The state of one run. Other parts may read ``statuses``; only this class changes it.
    ``contexts`` holds what each task sees, and receives keys that are replaced. ``begun`` has the
    tasks that began earlier and have not ended, with the number of replacements that each has seen:
    it sees no further ones.
    """

    __slots__ = (
        "_begun",
        "_blamed",
        "_choices",
        "_default_rule",
        "_errors",
        "_graph",
        "_known",
        "_left",
        "_missing",
        "contexts",
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
        begun: Mapping[int, int] | None = None,
    ) -> None:
        count = len(graph.tasks)
        self.statuses: list[TaskStatus] = [TaskStatus.NOT_STARTED] * count
        self.contexts: Contexts = Contexts(graph, run_input, patches, replacements)
        self._graph = graph
        self._default_rule = default_rule
        self._known = dict(known or {})
        self._begun = dict(begun or {})
        self._missing = list(map(len, graph.dependencies))
        self._errors: dict[int, str] = {}
        self._blamed: dict[int, Reason] = {}
        self._choices: dict[int, str] = {}
        self._left = count

    # -- facts -------------------------------------------------------------------------------

    def begin(self) -> Step:
        """The first step. With ``known`` facts, all consequences of them."""
        return self._settle([i for i, count in enumerate(self._missing) if not count])

    def completed(self, task: int, change: Change) -> Step:
        """The task succeeded."""
        self._complete(task, change)
        return self._settle(self._unblocked_by(task))

    def failed(self, task: int, error: str) -> Step:
        """The task failed and will not be tried again. ``error`` is ``Type: message``."""
        self._fail(task, error)
        return self._settle(self._unblocked_by(task))

    def again(self, tasks: Sequence[int]) -> Step:
        """Keys were replaced since these tasks became ready: decide again whether they start. They
        have not begun, or have failed and are to be tried again.
        """
        return self._settle(list(tasks))

    # -- consequences ------------------------------------------------------------------------

    def _settle(self, unblocked: list[int]) -> Step:
        """Decide each task whose dependencies are all final, and the tasks that this unblocks."""
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
        """Decide one task; return True when it is final now."""
        known = self._known.pop(task, None)
        begun = self._begun.pop(task, None)
        self.contexts.enter(task, begun if known is None else known.replacements)
        if known is not None:
            self._restore(task, known)
            return True
        reason = self._reason_to_skip(task)
        if reason is None:
            self.statuses[task] = TaskStatus.READY
            step.ready.append(task)
            return False
        self._finish(task, TaskStatus.SKIPPED)
        step.skipped.append((task, reason))
        return True

    def _reason_to_skip(self, task: int) -> Reason | None:
        node = self._graph.tasks[task]
        if node.rule is not None:
            return self._ruled_out(task, node.rule)
        has_failed = bool(self._errors or self._blamed or self._choices)
        if has_failed and self._default_rule != "always":
            reason = self._failed_upstream(task)
            if reason is not None:
                self._blamed[task] = reason
                return reason
        if node.wait is not None and self._has_nothing_to_wait_for(task):
            return Reason(ReasonCode.TRIGGER_RULE, "all that it depends on was skipped by rule")
        return None

    def _ruled_out(self, task: int, rule: Rule) -> Reason | None:
        """The reason to skip a task that has a rule of its own; None if it runs. If the rule asks
        ``none_failed()``, a failure counts as the reason, and is handed down as by the default
        rule.
        """

        def none_failed() -> bool:
            return self._failed_upstream(task) is None

        given = self.contexts.given(task)
        if evaluate(rule, self._status_of, self._choice_of, given, none_failed):
            return None
        if asks_none_failed(rule) and (reason := self._failed_upstream(task)) is not None:
            self._blamed[task] = reason
            return reason
        return RULE_NOT_MET

    def _has_nothing_to_wait_for(self, node: int) -> bool:
        """Whether all dependencies of a node without a body were skipped: it must not ask people
        about work that is not done.
        """
        needed = self._graph.dependencies[node]
        return bool(needed) and all(self.statuses[i] is TaskStatus.SKIPPED for i in needed)

    def _failed_upstream(self, task: int) -> Reason | None:
        for dependency in self._graph.dependencies[task]:
            if (reason := self._blame(dependency)) is not None:
                return reason
        return None

    def _blame(self, dependency: int) -> Reason | None:
        """The reason to skip the tasks that depend on this one by the default rule; None if they
        run. A rejection is handed down unchanged, so that a retry knows that it would be rejected
        again.
        """
        name = self._graph.tasks[dependency].id
        if self._choices.get(dependency) == REJECT:
            return rejected(name)
        blamed = self._blamed.get(dependency)
        if blamed is not None and blamed.code == ReasonCode.REJECTED:
            return blamed
        if blamed is not None or dependency in self._errors:
            return upstream_failed(name)
        return None

    def _status_of(self, name: str) -> TaskStatus:
        return self.statuses[self._graph.position[name]]

    def _choice_of(self, name: str) -> str | None:
        return self._choices.get(self._graph.position[name])

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
                if reason.code in (ReasonCode.UPSTREAM_FAILED, ReasonCode.REJECTED):
                    self._blamed[task] = reason
                self._finish(task, TaskStatus.SKIPPED)
            case _:
                assert_never(known)

    def _complete(self, task: int, change: Change) -> None:
        node = self._graph.tasks[task]
        if node.wait is not None and (choice := choice_of(node.wait, node.id, change)) is not None:
            self._choices[task] = choice
        self._finish(task, TaskStatus.COMPLETED, change)

    def _fail(self, task: int, error: str) -> None:
        self._errors[task] = error
        self._finish(task, TaskStatus.FAILED)

    def _finish(self, task: int, status: TaskStatus, change: Change | None = None) -> None:
        self.contexts.leave(task, change)
        self.statuses[task] = status
        self._left -= 1

    def _verdict(self) -> RunOver:
        if not self._errors:
            return RunOver(RunStatus.COMPLETED, None)
        first = min(self._errors)
        counts = {s: self.statuses.count(s) for s in (TaskStatus.COMPLETED, TaskStatus.SKIPPED)}
        text = tasks_failed(
            len(self._errors),
            counts[TaskStatus.COMPLETED],
            counts[TaskStatus.SKIPPED],
            f"{self._graph.tasks[first].id}: {self._errors[first]}",
        )
        return RunOver(RunStatus.FAILED, Reason(ReasonCode.TASK_FAILED, text))


def choice_of(wait: NodeWait, task_id: str, change: Change) -> str | None:
    """The choice of an approval that has completed with this change; None for a node of another
    kind, and for a task that had a body when it ended, in an earlier version.
    """
    decided = change.set.get(task_id)
    if not isinstance(wait, Approval) or not isinstance(decided, dict):
        return None
    choice = decided.get("choice")
    return choice if isinstance(choice, str) else None
