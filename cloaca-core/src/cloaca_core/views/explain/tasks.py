"""Why each task of a run is as it is. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from cloaca_core.definition.rules import rule_tasks
from cloaca_core.errors import ExecutorUnavailableError
from cloaca_core.run.counting import first_attempts, latest_of, that_count
from cloaca_core.run.reasons import rejected_task, skip_reason
from cloaca_core.run.suspicion import is_suspect
from cloaca_core.values import option_names
from cloaca_core.values.namespace import short_name
from cloaca_core.values.states import UNCOUNTED, ReasonCode, RunStatus, TaskStatus
from cloaca_core.values.times.rfc3339 import rfc3339
from cloaca_core.values.wording import counted
from cloaca_core.views.explain.explanation import TaskExplanation
from cloaca_core.views.explain.waits import has_left, wait_text
from cloaca_core.views.explain.words import listed, moment, place_of, rule_text, short, when
from cloaca_core.views.results import (
    Wait,
    children_of_task,
    latest_progress,
    left_by,
    shown_wait,
    waits_of_attempt,
)

if TYPE_CHECKING:
    from cloaca_core.engine.execute.usage import Usage
    from cloaca_core.features.explain.facts import Facts, TaskShape
    from cloaca_core.features.waits.records import WaitRow
    from cloaca_core.run.rows import AttemptRow

_FINAL: Final = frozenset(
    (TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.SKIPPED, TaskStatus.CANCELLED)
)


class Why(NamedTuple):
    """A reason: its code for programs, its text for people, and what is waited for."""

    code: str
    text: str
    waits_for: Wait | None = None


class Attempts(NamedTuple):
    """The latest attempt of a task, and how many of its attempts counted up to that one."""

    row: AttemptRow
    used: int


def explained_tasks(facts: Facts) -> tuple[TaskExplanation, ...]:
    """The tasks in definition order, then those that the definition lacks."""
    return tuple(_Tasks(facts).explained())


class _Tasks:
    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._run = facts.standing.row
        self._is_orphaned = owner_is_gone(facts)
        self._latest = latest_attempts(facts)
        self._shapes = {shape.id: shape for shape in facts.tasks or ()}
        self._status = {
            task: self._state(task) for task in dict.fromkeys([*self._shapes, *self._latest])
        }
        self._roots: dict[str, str] = {}

    def explained(self) -> Iterator[TaskExplanation]:
        for task, status in self._status.items():
            why = self._why(task, status)
            shown = cast("option_names.TaskStatus", str(status))
            text = f"{why.text}{self._kept(task, status)}"
            yield TaskExplanation(task, shown, why.code, text, why.waits_for)

    def _kept(self, task: str, status: TaskStatus) -> str:
        """The steps that its body finds again when it runs again."""
        steps = self._facts.standing.steps.get(task)
        if steps is None or status in (TaskStatus.COMPLETED, TaskStatus.SKIPPED):
            return ""
        return f"; {counted(steps, 'step')} of it {'is' if steps == 1 else 'are'} kept"

    # -- states ------------------------------------------------------------------------------

    def _state(self, task: str) -> TaskStatus:
        active = self._facts.active
        if (known := self._latest.get(task)) is None:
            if self._run.status == RunStatus.CANCELLED:
                return TaskStatus.CANCELLED
            queued = active is not None and task in active.queued
            return TaskStatus.READY if queued and self._goes_on() else TaskStatus.NOT_STARTED
        if known.row.status == TaskStatus.FAILED and known.row.retry_at is not None:
            return TaskStatus.WAITING
        if known.row.status == TaskStatus.RUNNING and not self._is_running(task, known.row):
            return TaskStatus.NOT_STARTED
        return TaskStatus(known.row.status)

    def _goes_on(self) -> bool:
        """Whether a runner has the run and starts its tasks."""
        return self._run.status == RunStatus.RUNNING and self._run.owner is not None

    def _is_running(self, task: str, row: AttemptRow) -> bool:
        """Whether the body of a start mark runs, as far as can be known. One of an earlier owner
        does not: it is started again.
        """
        if self._facts.active is not None:
            return task in self._facts.active.running
        return self._run.owner is not None and row.epoch == self._run.epoch

    def _why(self, task: str, status: TaskStatus) -> Why:
        known = self._latest.get(task)
        if status is TaskStatus.CANCELLED:
            return self._cancelled(None if known is None else known.row)
        if known is None or status in (TaskStatus.NOT_STARTED, TaskStatus.READY):
            return self._not_started(task, known)
        match status:
            case TaskStatus.COMPLETED:
                return Why("completed", "completed")
            case TaskStatus.FAILED:
                return self._failed(task, known)
            case TaskStatus.SKIPPED:
                return self._skipped(task, known.row)
            case TaskStatus.RUNNING:
                return self._running(task, known.row)
            case _:
                return self._waiting(task, known)

    # -- tasks that are to start -------------------------------------------------------------

    def _not_started(self, task: str, known: Attempts | None) -> Why:
        if self._run.ended_at is not None:
            return Why("run_ended", "not started before the run ended")
        shape = self._shapes.get(task)
        awaited = [] if shape is None else self._awaited(shape)
        if self._run.status == RunStatus.CANCELLING:
            may_run = "" if awaited else self._may_run()
            return Why("cancelling", f"{may_run}does not start: the run is being cancelled")
        if awaited:
            return Why("dependencies", f"waits for {listed(awaited)}")
        if self._is_orphaned:
            text = "may have begun in the runner that is gone, and have had effects"
            return Why("owner_gone", f"{text}; it starts again when the run goes on")
        before = ""
        if known is not None:
            before = "its body was running in a runner that is gone, and may have had effects; "
        if not self._goes_on():
            begun = self._run.started_at is not None
            end = "when the run goes on" if begun else "with the run"
            return Why("run_held", f"{before}{self._may_run()}starts {end}")
        if known is not None and self._is_suspect(task, known.row):
            return self._suspected(task, known.row)
        if (active := self._facts.active) is not None and task in active.queued:
            return self._queued(task, before)
        if active is None and (suspect := self._suspect_in_place_of(task)) is not None:
            return Why("suspect", f"{before}{self._behind(task, suspect)}")
        return Why("ready", f"{before}runs already, or waits for a free slot of its runner")

    def _may_run(self) -> str:
        """Elsewhere a body may run that is not recorded: its start is written with the next change
        of its runner, for which none waits.
        """
        is_elsewhere = self._run.owner is not None and self._facts.active is None
        return "may run still in its runner; if not, it " if is_elsewhere else ""

    def _awaited(self, shape: TaskShape) -> list[str]:
        """Its dependencies that are not final."""
        return [each for each in shape.dependencies if self._status.get(each) not in _FINAL]

    def _is_suspect(self, task: str, row: AttemptRow) -> bool:
        ran_alone = row.reason_code == ReasonCode.ALONE_ELSEWHERE
        return is_suspect(row.crashes) if self._executor(task) is None else ran_alone

    def _suspected(self, task: str, row: AttemptRow) -> Why:
        died = counted(row.crashes, "process has", "processes have")
        text = (
            f"{died} died while its body ran, so it is a suspect: it starts again once no other "
            f"body runs {self._where(task)}, and runs alone there"
        )
        return Why("suspect", text)

    def _queued(self, task: str, before: str) -> Why:
        active = self._facts.active
        assert active is not None
        setting, executor = active.queued[task], self._executor(task)
        if (suspect := self._suspect_in_place_of(task)) is not None:
            return Why("suspect", f"{before}{self._behind(task, suspect)}")
        if executor is None or (usage := active.executors.get(executor)) is None:
            text = f"waits for a free slot ({setting}), or is about to start"
        else:
            text = _slot_text(executor, usage)
        return Why("limit", f"{before}{text}", Wait("limit", setting))

    def _suspect_in_place_of(self, task: str) -> tuple[str, str] | None:
        """The suspect for whose end a task waits. Of other processes only the one outside of
        executors is recorded.
        """
        executor, active = self._executor(task), self._facts.active
        if active is not None:
            return active.suspects.get(executor)
        return self._facts.standing.suspect if executor is None else None

    def _behind(self, task: str, suspect: tuple[str, str]) -> str:
        """For what a task waits while there is a suspect in its place, which it may be itself."""
        if suspect == (task, self._run.id):
            return f"starts once no other body runs {self._where(task)}, and runs alone there"
        name, run_id = suspect
        return f"waits for the end of task {name} of run {run_id}, a suspect that runs alone"

    def _where(self, task: str) -> str:
        executor = self._executor(task)
        return "in the process of its runner" if executor is None else f"on executor {executor}"

    def _executor(self, task: str) -> str | None:
        """The executor that the body of a task asks for."""
        shape = self._shapes.get(task)
        return None if shape is None else shape.executor

    # -- tasks under way ---------------------------------------------------------------------

    def _running(self, task: str, row: AttemptRow) -> Why:
        executor = self._executor(task)
        began = "began" if executor is None else f"was handed to executor {executor}"
        if row.started_at is not None:
            began = f"{began} {when(row.started_at, self._facts.now)}"
        if self._is_orphaned:
            text = f"its body {began}, in a runner that is gone: it may have had effects"
            return Why("owner_gone", text)
        died = f"; {counted(row.crashes, 'process has', 'processes have')} died in it"
        if row.reason_code in (ReasonCode.ALONE, ReasonCode.ALONE_ELSEWHERE):
            is_here = row.reason_code == ReasonCode.ALONE
            where = "in its process" if is_here else f"on executor {executor}"
            died += f", so it is a suspect and runs alone: no other body begins {where}"
        progress = self._progress(row)
        return Why("running", f"its body {began}{progress}{died if row.crashes else ''}")

    def _progress(self, row: AttemptRow) -> str:
        told = latest_progress(self._facts.standing.progress).get((row.task_id, row.attempt))
        return "" if told is None else f"; it has come to {told}"

    def _waiting(self, task: str, known: Attempts) -> Why:
        if known.row.retry_at is not None:
            return self._retried(task, known, known.row.retry_at)
        if waits := waits_of_attempt(known.row, self._facts.standing.waits):
            return self._waits(known.row, waits)
        if has_left(known.row):
            return Why("run_held", "its body has left memory, and runs again when the run goes on")
        children = children_of_task(self._run.id, task, self._facts.standing.children)
        if not children:
            text = "its body waits for the end of another run, whose id is not known"
            return Why("child_run", text, Wait("run"))
        first = children[0]
        more = f", or for one of {len(children) - 1:,} more" if len(children) > 1 else ""
        text = (
            f"its body waits for the end of run {first.id} of {short_name(first.workflow)}, "
            f"which is {first.status}{more}"
        )
        return Why("child_run", text, Wait("run", first.id))

    def _waits(self, row: AttemptRow, waits: Sequence[WaitRow]) -> Why:
        text = wait_text(self._facts, row, waits, orphaned=self._is_orphaned)
        text = f"{text}{self._progress(row)}"
        if self._run.status == RunStatus.CANCELLING:
            return Why("cancelling", f"{text}; the run is being cancelled")
        return Why(waits[0].kind, text, shown_wait(waits[0]))

    def _retried(self, task: str, known: Attempts, retry_at: int) -> Why:
        now, active = self._facts.now, self._facts.active
        failed = f"{self._number(task, known)} failed: {_error(known.row)}"
        if self._run.status == RunStatus.CANCELLING:
            return Why("cancelling", f"{failed}; no other follows: the run is being cancelled")
        failed = f"{failed}{_of_executor(known.row)}"
        if retry_at > now:
            text = f"{failed}; the next one is due {when(retry_at, now)}"
            return Why("retry", text, Wait("retry", task, rfc3339(retry_at)))
        if self._goes_on() and active is not None and task in active.queued:
            return self._queued(task, f"{failed}; the next one ")
        text = f"{failed}; the next one has been due since {moment(retry_at, now)}"
        return Why("retry", text, Wait("retry", task, rfc3339(retry_at)))

    # -- tasks that have ended ---------------------------------------------------------------

    def _failed(self, task: str, known: Attempts) -> Why:
        row, place = known.row, place_of(known.row.error_traceback)
        text = f"{self._number(task, known)} failed: {_error(row)}"
        if place is not None:
            text += f", in {place}"
        most = self._most(task)
        if most is not None and known.used < most:
            text += "; errors like this are not tried again"
        return Why("failed", text)

    def _number(self, task: str, known: Attempts) -> str:
        """Which of its attempts it was. One that does not count is not numbered among them."""
        if known.row.reason_code in UNCOUNTED:
            return "an attempt that does not count"
        most = self._most(task)
        return f"attempt {known.used}" if most is None else f"attempt {known.used} of {most}"

    def _most(self, task: str) -> int | None:
        shape = self._shapes.get(task)
        return None if shape is None else max(1, shape.retry.max_attempts)

    def _skipped(self, task: str, row: AttemptRow) -> Why:
        reason, shape = skip_reason(row), self._shapes.get(task)
        if reason.code == ReasonCode.UPSTREAM_FAILED and shape is not None:
            if (text := self._blamed(task)) is not None:
                return Why(reason.code, text)
        elif (
            reason.code == ReasonCode.TRIGGER_RULE and shape is not None and shape.rule is not None
        ):
            states = [
                f"{each} is {self._status[each]}"
                for each in rule_tasks(shape.rule)[:3]
                if each in self._status
            ]
            known = f" ({', '.join(states)})" if states else ""
            text = f"skipped: its rule {rule_text(shape.rule)} does not hold{known}"
            return Why(reason.code, text)
        if reason.code == ReasonCode.REJECTED:
            text = f"skipped because {rejected_task(reason.text)} was rejected"
            return Why(reason.code, text)
        return Why(reason.code, f"skipped: {short(reason.text)}")

    def _blamed(self, task: str) -> str | None:
        """Which failure has led to the skip of a task, and by way of which task; None where the
        records do not tell.
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
            if self._status[at] is TaskStatus.FAILED:
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
        shape = self._shapes.get(task)
        for each in () if shape is None else shape.dependencies:
            known, status = self._latest.get(each), self._status.get(each)
            if status is TaskStatus.FAILED:
                return each
            if status is TaskStatus.SKIPPED and known is not None and _was_blamed(known.row):
                return each
        return None

    def _cancelled(self, row: AttemptRow | None) -> Why:
        recorded = None if row is None else row.skip_reason
        because = short(recorded or self._run.error_message or "the run has ended")
        if row is not None and row.started_at is not None:
            return Why(
                "cut_off", f"cut off after it had begun, and may have had effects: {because}"
            )
        return Why("cancelled", f"cancelled before it began: {because}")


def _slot_text(executor: str, usage: Usage) -> str:
    """For what a task waits that its executor has not begun yet."""
    taken = usage.running + usage.abandoned
    used = f"{taken:,} of {counted(usage.slots, 'slot')} {'is' if taken == 1 else 'are'} in use"
    if usage.abandoned:
        used += f", {usage.abandoned:,} by bodies that were given up and go on"
    if taken < usage.slots:
        return f"waits for its turn on executor {executor}, or is about to start: {used}"
    return f"waits for a free slot of executor {executor}: {used}"


def _of_executor(row: AttemptRow) -> str:
    """What follows for an attempt that failed for its executor, and not for its body."""
    if row.reason_code == ReasonCode.WORKER_LOST:
        lost = counted(row.crashes, "worker has", "workers have")
        return f"; {lost} died in it, and after more than max_recovery_attempts it fails for good"
    if row.reason_code == ReasonCode.POOL_BROKE:
        broke = f"; its executor has broken {counted(row.crashes, 'time')} while it ran"
        if is_suspect(row.crashes):
            return f"{broke}, so it is a suspect and runs alone there"
        return f"{broke}, which may be due to another body"
    if row.error_type == ExecutorUnavailableError.__name__:
        return "; it is tried again until its executor takes it, or the run's time is over"
    return ""


def latest_attempts(facts: Facts) -> dict[str, Attempts]:
    """The latest attempt of each task that counts, as the end of the run leaves it."""
    standing = facts.standing
    first = first_attempts(standing.restarts)
    attempts = that_count(standing.attempts, standing.restarts)
    uncounted = Counter(row.task_id for row in attempts if row.reason_code in UNCOUNTED)
    return {
        task: Attempts(
            left_by(row, standing.row),
            row.attempt - max(0, first.get(task, 0) - 1) - uncounted[task],
        )
        for task, row in latest_of(attempts).items()
    }


def owner_is_gone(facts: Facts) -> bool:
    """Whether the runner that owns the run is to be taken over, or is not registered any more."""
    if (owner := facts.standing.row.owner) is None or facts.active is not None:
        return False
    states = [each for each in facts.runners if each.load.row.id == owner]
    return not states or states[0].is_gone(facts.now)


def tasks_of(tasks: Sequence[TaskExplanation], *codes: str) -> list[str]:
    """The tasks that are as they are for one of these reasons."""
    return [each.task_id for each in tasks if each.code in codes]


def _was_blamed(row: AttemptRow) -> bool:
    return skip_reason(row).code == ReasonCode.UPSTREAM_FAILED


def _error(row: AttemptRow) -> str:
    return short(str(row.error))
