"""Why a task that is to start has not started. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from cloaca_core.run.suspicion import is_suspect
from cloaca_core.store.runner_rows import serves
from cloaca_core.values.states import ReasonCode, RunStatus, TaskStatus
from cloaca_core.values.wording import counted
from cloaca_core.views.explain.task_states import Attempts, TaskStates, Why
from cloaca_core.views.explain.words import listed
from cloaca_core.views.task_results import Wait

if TYPE_CHECKING:
    from cloaca_core.engine.execute.usage import Usage
    from cloaca_core.features.explain.facts import AwaitedLimit, TaskShape
    from cloaca_core.run.rows import AttemptRow

_FINAL: Final = frozenset(
    (TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.SKIPPED, TaskStatus.CANCELLED)
)

NAMED: Final = 3
"""The most holders of places that a text names."""


class Starts:
    """Explains tasks that wait for other tasks, for a slot, or because of a suspect."""

    def __init__(self, states: TaskStates) -> None:
        self._states = states
        self._facts = states.facts
        self._run = states.run

    def why(self, task: str, known: Attempts | None) -> Why:
        """The reason for which a task has not started, whose earlier attempt is ``known``."""
        if self._run.ended_at is not None:
            return Why("run_ended", "not started before the run ended")
        shape = self._states.shapes.get(task)
        awaited = [] if shape is None else self._awaited(shape)
        if self._run.status == RunStatus.CANCELLING:
            may_run = "" if awaited else self._may_run()
            return Why("cancelling", f"{may_run}does not start: the run is being cancelled")
        if awaited:
            return Why("dependencies", f"waits for {listed(awaited)}")
        if self._states.is_orphaned:
            text = "may have begun in the runner that is gone, and have had effects"
            return Why("owner_gone", f"{text}; it starts again when the run goes on")
        before = ""
        if known is not None:
            before = "its body was running in a runner that is gone, and may have had effects; "
        if self._run.due_at is not None and task in self._facts.limits:
            return self._limited(task, before)
        if not self._states.goes_on():
            begun = self._run.started_at is not None
            end = "when the run goes on" if begun else "with the run"
            return Why("run_held", f"{before}{self._may_run()}starts {end}")
        if known is not None and self._is_suspect(task, known.row):
            return self._suspected(task, known.row)
        return self._in_its_runner(task, before)

    def _in_its_runner(self, task: str, before: str) -> Why:
        """The reason for which a task has not started that its runner may start."""
        if (queue := self._queue_elsewhere(task)) is not None:
            text = f"asks for queue {queue}, which its runner does not serve"
            return Why("queue", f"{before}{text}: the run moves once no body of it is under way")
        if task in self._facts.limits:
            return self._limited(task, before)
        if (active := self._facts.active) is not None and task in active.queued:
            return self.queued(task, before)
        if active is None and (suspect := self._suspect_in_place_of(task)) is not None:
            return Why("suspect", f"{before}{self._behind(task, suspect)}")
        return Why("ready", f"{before}runs already, or waits for a free slot of its runner")

    def _limited(self, task: str, before: str) -> Why:
        awaited = self._facts.limits[task]
        return Why("limit", f"{before}{limit_text(awaited)}", Wait("limit", awaited.name))

    def queued(self, task: str, before: str) -> Why:
        """The reason for which a task is queued in its runner; ``before`` is said first."""
        if task in self._facts.limits:
            return self._limited(task, before)
        active = self._facts.active
        assert active is not None
        setting, executor = active.queued[task], self._states.executor(task)
        if (suspect := self._suspect_in_place_of(task)) is not None:
            return Why("suspect", f"{before}{self._behind(task, suspect)}")
        if executor is None or (usage := active.executors.get(executor)) is None:
            text = f"waits for a free slot ({setting}), or is about to start"
        else:
            text = _slot_text(executor, usage)
        return Why("limit", f"{before}{text}", Wait("limit", setting))

    def _queue_elsewhere(self, task: str) -> str | None:
        """The queue of a task, if the owner of the run does not serve it."""
        if (queue := self._facts.queues.get(task)) is None:
            return None
        owners = [each for each in self._facts.runners if each.load.row.id == self._run.owner]
        return None if all(serves(each.load.row, queue) for each in owners) else queue

    def _may_run(self) -> str:
        """Elsewhere a body may run that is not recorded: its start is written with the next change
        of its runner, for which none waits.
        """
        is_elsewhere = self._run.owner is not None and self._facts.active is None
        return "may run still in its runner; if not, it " if is_elsewhere else ""

    def _awaited(self, shape: TaskShape) -> list[str]:
        """Its dependencies that are not final."""
        return [each for each in shape.dependencies if self._states.status.get(each) not in _FINAL]

    def _is_suspect(self, task: str, row: AttemptRow) -> bool:
        ran_alone = row.reason_code == ReasonCode.ALONE_ELSEWHERE
        return is_suspect(row.crashes) if self._states.executor(task) is None else ran_alone

    def _suspected(self, task: str, row: AttemptRow) -> Why:
        died = counted(row.crashes, "process has", "processes have")
        text = (
            f"{died} died while its body ran, so it is a suspect: it starts again once no other "
            f"body runs {self._where(task)}, and runs alone there"
        )
        return Why("suspect", text)

    def _suspect_in_place_of(self, task: str) -> tuple[str, str] | None:
        """The suspect for whose end a task waits. Of other processes only the one outside of
        executors is recorded.
        """
        executor, active = self._states.executor(task), self._facts.active
        if active is not None:
            return active.suspects.get(executor)
        return self._facts.recorded.suspect if executor is None else None

    def _behind(self, task: str, suspect: tuple[str, str]) -> str:
        """For what a task waits while there is a suspect in its place, which it may be itself."""
        if suspect == (task, self._run.id):
            return f"starts once no other body runs {self._where(task)}, and runs alone there"
        name, run_id = suspect
        return f"waits for the end of task {name} of run {run_id}, a suspect that runs alone"

    def _where(self, task: str) -> str:
        executor = self._states.executor(task)
        return "in the process of its runner" if executor is None else f"on executor {executor}"


def limit_text(awaited: AwaitedLimit) -> str:
    """For which place of a limit a task or a run waits, and who holds such places."""
    key = "" if awaited.key is None else f" with key {awaited.key}"
    text = f"waits for a place of limit {awaited.name}{key}"
    if not awaited.holders:
        return f"{text}: none is held, so its rate or its total allows none now"
    bodies = Counter(awaited.holders)
    named = [_holder_text(*each, number) for each, number in list(bodies.items())[:NAMED]]
    more = len(bodies) - len(named)
    others = f" and {more:,} more" if more else ""
    verb = "hold" if len(awaited.holders) > 1 else "holds"
    return f"{text}, which {', '.join(named)}{others} {verb}"


def _slot_text(executor: str, usage: Usage) -> str:
    """For what a task waits that its executor has not begun yet."""
    taken = usage.running + usage.abandoned
    used = f"{taken:,} of {counted(usage.slots, 'slot')} {'is' if taken == 1 else 'are'} in use"
    if usage.abandoned:
        used += f", {usage.abandoned:,} by bodies that were given up and go on"
    if taken < usage.slots:
        return f"waits for its turn on executor {executor}, or is about to start: {used}"
    return f"waits for a free slot of executor {executor}: {used}"


def _holder_text(task: str, run_id: str, bodies: int) -> str:
    """A run as a whole, if no task is named, or bodies of a task."""
    if not task:
        return f"run {run_id}"
    return f"{f'{bodies:,} bodies of ' if bodies > 1 else ''}{task} of run {run_id}"
