"""Why a task was skipped, and which failure has led to that. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.definition.rules import rule_tasks
from cloaca_core.run.reasons import rejected_task, skip_reason
from cloaca_core.values.states import ReasonCode, TaskStatus
from cloaca_core.views.explain.task_states import TaskStates, Why
from cloaca_core.views.explain.words import rule_text, short

if TYPE_CHECKING:
    from cloaca_core.run.rows import AttemptRow


class Skips:
    """Explains skipped tasks."""

    def __init__(self, states: TaskStates) -> None:
        self._states = states
        self._roots: dict[str, str] = {}

    def why(self, task: str, row: AttemptRow) -> Why:
        """The reason for which a task was skipped."""
        reason, shape = skip_reason(row), self._states.shapes.get(task)
        if reason.code == ReasonCode.UPSTREAM_FAILED and shape is not None:
            if (text := self._blamed(task)) is not None:
                return Why(reason.code, text)
        elif (
            reason.code == ReasonCode.TRIGGER_RULE and shape is not None and shape.rule is not None
        ):
            states = [
                f"{each} is {self._states.status[each]}"
                for each in rule_tasks(shape.rule)[:3]
                if each in self._states.status
            ]
            known = f" ({', '.join(states)})" if states else ""
            text = f"skipped: its rule {rule_text(shape.rule)} does not hold{known}"
            return Why(reason.code, text)
        if reason.code == ReasonCode.REJECTED:
            text = f"skipped because {rejected_task(reason.text)} was rejected"
            return Why(reason.code, text)
        return Why(reason.code, f"skipped: {short(reason.text)}")

    def _blamed(self, task: str) -> str | None:
        """The failure that has led to the skip of a task, and the task in between; None if the
        records do not say.
        """
        above = self._failed_above(task)
        if above is None or (root := self._root(above)) is None:
            return None
        way = "" if above == root else f", by way of {above}"
        return f"skipped because {root} failed{way}"

    def _root(self, task: str) -> str | None:
        """The task whose failure led to this one's failure or skip. Each is looked for once."""
        path: list[str] = []
        at: str | None = task
        while at is not None and at not in self._roots:
            if self._states.status[at] is TaskStatus.FAILED:
                self._roots[at] = at
            else:
                path.append(at)
                at = self._failed_above(at)
        if at is None:
            return None
        root = self._roots[at]
        self._roots |= dict.fromkeys(path, root)
        return root

    def _failed_above(self, task: str) -> str | None:
        """The first dependency of a task that failed, or was skipped for a failure."""
        shape = self._states.shapes.get(task)
        for each in () if shape is None else shape.dependencies:
            known, status = self._states.latest.get(each), self._states.status.get(each)
            if status is TaskStatus.FAILED:
                return each
            if status is TaskStatus.SKIPPED and known is not None and _was_blamed(known.row):
                return each
        return None


def _was_blamed(row: AttemptRow) -> bool:
    return skip_reason(row).code == ReasonCode.UPSTREAM_FAILED
