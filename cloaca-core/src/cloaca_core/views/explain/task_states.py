"""The tasks of a run by their states, as far as records and the runner know them. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from cloaca_core.run.counting import counted_attempts, first_attempts, latest_of
from cloaca_core.values.states import UNCOUNTED, ReasonCode, RunStatus, TaskStatus
from cloaca_core.views.task_results import Wait, left_by

if TYPE_CHECKING:
    from cloaca_core.features.explain.facts import Facts
    from cloaca_core.run.rows import AttemptRow


class Why(NamedTuple):
    """A reason: its code for programs, its text for people, and what is waited for."""

    code: str
    text: str
    waits_for: Wait | None = None


class Attempts(NamedTuple):
    """The latest attempt of a task, and the number of its attempts, up to that one, that
    counted.
    """

    row: AttemptRow
    used: int


class TaskStates:
    """Each task by the facts: its latest attempt, its place in the definition, its state."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.run = facts.recorded.row
        self.is_orphaned = owner_is_gone(facts)
        self.latest = latest_attempts(facts)
        self.shapes = {shape.id: shape for shape in facts.tasks or ()}
        self.status = {
            task: self._state(task) for task in dict.fromkeys([*self.shapes, *self.latest])
        }

    def goes_on(self) -> bool:
        """Whether a runner has the run and starts its tasks."""
        return self.run.status == RunStatus.RUNNING and self.run.owner is not None

    def executor(self, task: str) -> str | None:
        """The executor of a task's body."""
        shape = self.shapes.get(task)
        return None if shape is None else shape.executor

    def most(self, task: str) -> int | None:
        """The attempts that a task has at most."""
        shape = self.shapes.get(task)
        return None if shape is None else max(1, shape.retry.max_attempts)

    def _state(self, task: str) -> TaskStatus:
        active = self.facts.active
        if (known := self.latest.get(task)) is None:
            if self.run.status == RunStatus.CANCELLED:
                return TaskStatus.CANCELLED
            queued = active is not None and task in active.queued
            return TaskStatus.READY if queued and self.goes_on() else TaskStatus.NOT_STARTED
        if known.row.status == TaskStatus.FAILED and known.row.retry_at is not None:
            return TaskStatus.WAITING
        if known.row.status == TaskStatus.RUNNING and not self._is_running(task, known.row):
            return TaskStatus.NOT_STARTED
        return TaskStatus(known.row.status)

    def _is_running(self, task: str, row: AttemptRow) -> bool:
        """Whether the body of a start mark runs, as far as can be known. One of an earlier owner
        does not: it is started again. The items of a map go on from where they are.
        """
        if row.reason_code == ReasonCode.MAP:
            return True
        if self.facts.active is not None:
            return task in self.facts.active.running
        return self.run.owner is not None and row.epoch == self.run.epoch


def latest_attempts(facts: Facts) -> dict[str, Attempts]:
    """The latest attempt of each task that counts, as it is after the end of the run."""
    recorded = facts.recorded
    first = first_attempts(recorded.restarts)
    attempts = counted_attempts(recorded.attempts, recorded.restarts)
    uncounted = Counter(row.task_id for row in attempts if row.reason_code in UNCOUNTED)
    return {
        task: Attempts(
            left_by(row, recorded.row),
            row.attempt - max(0, first.get(task, 0) - 1) - uncounted[task],
        )
        for task, row in latest_of(attempts).items()
    }


def owner_is_gone(facts: Facts) -> bool:
    """Whether the runner that owns the run is to be taken over, or is not registered any more."""
    if (owner := facts.recorded.row.owner) is None or facts.active is not None:
        return False
    states = [each for each in facts.runners if each.load.row.id == owner]
    return not states or states[0].is_gone(facts.now)
