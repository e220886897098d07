"""Why each task of a run is as it is, and which failure has led to skips. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

from cloaca_core.definition.rules import rule_tasks
from cloaca_core.errors import ExecutorUnavailableError
from cloaca_core.run.reasons import rejected_task, skip_reason
from cloaca_core.run.suspicion import is_suspect
from cloaca_core.values import option_names
from cloaca_core.values.namespace import short_name
from cloaca_core.values.states import UNCOUNTED, ReasonCode, RunStatus, TaskStatus
from cloaca_core.values.times.rfc3339 import rfc3339
from cloaca_core.values.waits import RUN
from cloaca_core.values.wording import counted
from cloaca_core.views.explain.explanation import TaskExplanation
from cloaca_core.views.explain.task_starts import Starts, limit_text
from cloaca_core.views.explain.task_states import Attempts, TaskStates, Why
from cloaca_core.views.explain.waits import (
    has_left,
    item_waits_text,
    wait_text,
    waits_of_items,
)
from cloaca_core.views.explain.words import moment, place_of, rule_text, short, when
from cloaca_core.views.task_results import (
    Wait,
    children_of_task,
    latest_progress,
    shown_wait,
    waits_of_attempt,
)

if TYPE_CHECKING:
    from cloaca_core.features.explain.facts import Facts
    from cloaca_core.features.waits.records import WaitRow
    from cloaca_core.run.rows import AttemptRow


def explained_tasks(facts: Facts) -> tuple[TaskExplanation, ...]:
    """The tasks in definition order, then tasks that the definition lacks."""
    return tuple(_Tasks(facts).explained())


class _Tasks:
    def __init__(self, facts: Facts) -> None:
        self._states = TaskStates(facts)
        self._starts = Starts(self._states)
        self._skips = Skips(self._states)
        self._facts = facts
        self._run = facts.recorded.row

    def explained(self) -> Iterator[TaskExplanation]:
        for task, status in self._states.status.items():
            why = self._why(task, status)
            shown = cast("option_names.TaskStatus", str(status))
            queue = self._queue(task, status) if why.code != "queue" else ""
            text = f"{why.text}{self._kept(task, status)}{queue}"
            yield TaskExplanation(task, shown, why.code, text, why.waits_for)

    def _queue(self, task: str, status: TaskStatus) -> str:
        """The queue that its body asks for, until it begins."""
        queue = self._facts.queues.get(task)
        is_to_begin = status in (TaskStatus.NOT_STARTED, TaskStatus.READY)
        return f"; it asks for queue {queue}" if queue is not None and is_to_begin else ""

    def _kept(self, task: str, status: TaskStatus) -> str:
        """The steps that its body finds again when it runs again."""
        steps = self._facts.recorded.steps.get(task)
        if steps is None or status in (TaskStatus.COMPLETED, TaskStatus.SKIPPED):
            return ""
        known = self._states.latest.get(task)
        is_map = known is not None and known.row.reason_code == ReasonCode.MAP
        whose = "its items" if is_map else "it"
        return f"; {counted(steps, 'step')} of {whose} {'is' if steps == 1 else 'are'} kept"

    def _why(self, task: str, status: TaskStatus) -> Why:
        known = self._states.latest.get(task)
        if status is TaskStatus.CANCELLED:
            return self._cancelled(None if known is None else known.row)
        if known is None or status in (TaskStatus.NOT_STARTED, TaskStatus.READY):
            return self._starts.why(task, known)
        match status:
            case TaskStatus.COMPLETED:
                return Why("completed", f"completed{self._progress(known.row)}")
            case TaskStatus.FAILED:
                return self._failed(task, known)
            case TaskStatus.SKIPPED:
                return self._skips.why(task, known.row)
            case TaskStatus.RUNNING:
                return self._running(task, known.row)
            case _:
                return self._waiting(task, known)

    # -- tasks under way -----------------------------------------------------------------------

    def _running(self, task: str, row: AttemptRow) -> Why:
        if row.reason_code == ReasonCode.MAP:
            return self._mapped(row)
        executor = self._states.executor(task)
        began = "began" if executor is None else f"was handed to executor {executor}"
        if row.started_at is not None:
            began = f"{began} {when(row.started_at, self._facts.now)}"
        if self._states.is_orphaned:
            text = f"its body {began}, in a runner that is gone: it may have had effects"
            return Why("owner_gone", text)
        died = f"; {counted(row.crashes, 'process has', 'processes have')} died in it"
        if row.reason_code in (ReasonCode.ALONE, ReasonCode.ALONE_ELSEWHERE):
            is_here = row.reason_code == ReasonCode.ALONE
            where = "in its process" if is_here else f"on executor {executor}"
            died += f", so it is a suspect and runs alone: no other body begins {where}"
        progress = self._progress(row)
        return Why("running", f"its body {began}{progress}{died if row.crashes else ''}")

    def _mapped(self, row: AttemptRow) -> Why:
        """A map whose items have begun and not all ended."""
        since = "" if row.started_at is None else f", begun {when(row.started_at, self._facts.now)}"
        text = f"its items are under way{since}{self._progress(row)}"
        if waits := waits_of_items(row.task_id, self._facts.recorded.waits):
            text += f"; {item_waits_text(self._facts, waits)}"
        if (limited := self._facts.limits.get(row.task_id)) is not None:
            number = counted(limited.waiting, "item")
            verb = "waits" if limited.waiting == 1 else "wait"
            text += f"; {number} {verb}{limit_text(limited).removeprefix('waits')}"
        if self._states.is_orphaned:
            text += "; its runner is gone: those that have not ended go on with the next one"
            return Why("owner_gone", text)
        if self._run.status == RunStatus.CANCELLING:
            return Why("cancelling", f"{text}; the run is being cancelled")
        if self._run.status == RunStatus.PAUSED:
            text += "; those that have not ended go on when the run is resumed"
            return Why("run_held", text)
        return Why("running", text)

    def _progress(self, row: AttemptRow) -> str:
        told = latest_progress(self._facts.recorded.progress).get((row.task_id, row.attempt))
        return "" if told is None else f"; it has come to {told}"

    def _waiting(self, task: str, known: Attempts) -> Why:
        if known.row.retry_at is not None:
            return self._retried(task, known, known.row.retry_at)
        if waits := waits_of_attempt(known.row, self._facts.recorded.waits):
            return self._waits(known.row, waits)
        if has_left(known.row):
            return Why("run_held", "its body has left memory, and runs again when the run goes on")
        children = children_of_task(self._run.id, task, self._facts.recorded.children)
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
        text = wait_text(self._facts, row, waits, orphaned=self._states.is_orphaned)
        text = f"{text}{self._progress(row)}"
        if self._run.status == RunStatus.CANCELLING:
            return Why("cancelling", f"{text}; the run is being cancelled")
        code = "child_run" if waits[0].kind == RUN else waits[0].kind
        return Why(code, text, shown_wait(waits[0]))

    def _retried(self, task: str, known: Attempts, retry_at: int) -> Why:
        now, active = self._facts.now, self._facts.active
        failed = f"{self._number(task, known)} failed: {_error(known.row)}"
        if self._run.status == RunStatus.CANCELLING:
            return Why("cancelling", f"{failed}; no other follows: the run is being cancelled")
        failed = f"{failed}{_of_executor(known.row)}"
        if retry_at > now:
            text = f"{failed}; the next one is due {when(retry_at, now)}"
            return Why("retry", text, Wait("retry", task, rfc3339(retry_at)))
        if self._states.goes_on() and active is not None and task in active.queued:
            return self._starts.queued(task, f"{failed}; the next one ")
        text = f"{failed}; the next one has been due since {moment(retry_at, now)}"
        return Why("retry", text, Wait("retry", task, rfc3339(retry_at)))

    # -- tasks that have ended -----------------------------------------------------------------

    def _failed(self, task: str, known: Attempts) -> Why:
        row, place = known.row, place_of(known.row.error_traceback)
        text = f"{self._number(task, known)} failed: {_error(row)}"
        if place is not None:
            text += f", in {place}"
        most = self._states.most(task)
        if most is not None and known.used < most:
            text += "; errors like this are not tried again"
        return Why("failed", text)

    def _number(self, task: str, known: Attempts) -> str:
        """Which of its attempts it was. One that does not count is not numbered among them."""
        if known.row.reason_code in UNCOUNTED:
            return "an attempt that does not count"
        most = self._states.most(task)
        return f"attempt {known.used}" if most is None else f"attempt {known.used} of {most}"

    def _cancelled(self, row: AttemptRow | None) -> Why:
        recorded = None if row is None else row.skip_reason
        because = short(recorded or self._run.error_message or "the run has ended")
        if row is not None and row.started_at is not None:
            return Why(
                "cut_off", f"cut off after it had begun, and may have had effects: {because}"
            )
        return Why("cancelled", f"cancelled before it began: {because}")


def _of_executor(row: AttemptRow) -> str:
    """The next step after an attempt whose executor failed, not its body."""
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


def tasks_of(tasks: Sequence[TaskExplanation], *codes: str) -> list[str]:
    """The tasks that are as they are for one of these reasons."""
    return [each.task_id for each in tasks if each.code in codes]


def _error(row: AttemptRow) -> str:
    return short(str(row.error))


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
