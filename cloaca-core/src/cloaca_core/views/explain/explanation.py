"""The answer of ``explain``, as users see it and as it prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from cloaca_core.values.option_names import RunStatus, TaskStatus
from cloaca_core.values.wording import counted
from cloaca_core.views.explain.words import listed
from cloaca_core.views.task_results import Wait

LINES: Final = 20
"""Up to this number of tasks, each has a line; of more tasks, those in one status for one reason
share a line.
"""


@dataclass(frozen=True, slots=True)
class TaskExplanation:
    """Why a task is as it is. ``code`` is for programs, ``why`` for people."""

    task_id: str
    status: TaskStatus
    code: str
    why: str
    waits_for: Wait | None = None


@dataclass(frozen=True, slots=True)
class RunnerExplanation:
    """A runner that is registered in the database, and whether it may execute the run: None where
    that is not known. ``active_runs`` counts the runs that it owns, up to 1,000; ``is_here`` is
    true for the runner that was asked.
    """

    id: str
    alive: bool
    may_run: bool | None
    why: str
    active_runs: int
    is_here: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a run is as it is, at the instant ``at`` (RFC 3339 in UTC). ``print`` shows all of it.

    ``code`` is the main reason for programs, ``why`` all of them for people. ``tasks`` are in
    definition order, ``runners`` oldest first. ``notes`` say what could not be known.
    """

    run_id: str
    workflow_name: str
    status: RunStatus
    code: str
    why: str
    waits_for: Wait | None
    tasks: tuple[TaskExplanation, ...]
    runners: tuple[RunnerExplanation, ...]
    notes: tuple[str, ...]
    at: str

    def __str__(self) -> str:
        lines = [f"run {self.run_id} of {self.workflow_name} is {self.status}: {self.why}"]
        if self.tasks:
            lines += ["tasks:", *_table(_task_rows(self.tasks))]
        if self.runners:
            lines += ["runners:", *_table([_runner_row(each) for each in self.runners])]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def _task_rows(tasks: Sequence[TaskExplanation]) -> list[tuple[str, str, str]]:
    if len(tasks) <= LINES:
        return [(each.task_id, each.status, _why(each)) for each in tasks]
    groups: dict[tuple[str, str], list[TaskExplanation]] = {}
    for each in tasks:
        groups.setdefault((each.status, each.code), []).append(each)
    return [_group_row(group) for group in groups.values()]


def _group_row(group: Sequence[TaskExplanation]) -> tuple[str, str, str]:
    """One line for tasks in one state for one kind of reason."""
    first = group[0]
    alike = all(each.why == first.why for each in group)
    why = _why(first) if alike or not _why(first) else f"{first.task_id}: {_why(first)}"
    name = first.task_id if len(group) == 1 else counted(len(group), "task")
    named = "" if len(group) == 1 else f" ({listed([each.task_id for each in group])})"
    return f"{name}{named}", first.status, why


def _why(task: TaskExplanation) -> str:
    """The reason, unless the state says it all."""
    return "" if task.why == "completed" else task.why


def _runner_row(runner: RunnerExplanation) -> tuple[str, str, str]:
    name = f"{runner.id} (this one)" if runner.is_here else runner.id
    return name, "alive" if runner.alive else "gone", runner.why


def _table(rows: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    names = max(len(name) for name, _, _ in rows)
    states = max(len(state) for _, state, _ in rows)
    for name, state, why in rows:
        yield f"  {name:{names}}  {state:{states}}  {why}".rstrip()
