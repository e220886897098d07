"""The past of a run as users see it: its events, attempts and rounds, and the acts of people.

Derived from the rows of the run each time, stored nowhere.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from cloaca_core.definition.context import Context
from cloaca_core.features.waits.decisions import decided_in, words
from cloaca_core.run.reasons import skip_code
from cloaca_core.run.restore import change_from_json
from cloaca_core.run.rows import THE_TASK
from cloaca_core.values import states
from cloaca_core.values.events import OF_ACTS
from cloaca_core.values.namespace import short_name
from cloaca_core.values.option_names import RunStatus, TaskStatus
from cloaca_core.values.payloads.json_values import decode
from cloaca_core.values.times.rfc3339 import rfc3339, rfc3339_or_none
from cloaca_core.values.waits import APPROVAL, RUN, run_of_end
from cloaca_core.views.results import run_status_name
from cloaca_core.views.task_results import ended_items, settled, task_status_name

if TYPE_CHECKING:
    from cloaca_core.features.follow_ups.records import FollowUpRow
    from cloaca_core.run.rows import AttemptRow, RestartRow, RoundRow, RunRow
    from cloaca_core.store.acts import ActRow
    from cloaca_core.store.messages import MessageRow
    from cloaca_core.store.runner_rows import RunnerName
    from cloaca_core.views.run_past import History

_SUBMIT: Final = "submit"
"""The kind of act that makes a run."""


@dataclass(frozen=True, slots=True)
class RunEvent:
    """Something that happened in a run. ``kind`` is one of ``created``, ``started``,
    ``task_started``, ``task_completed``, ``task_failed``, ``task_skipped``, ``task_cancelled``,
    ``ended``, ``followed`` (by a run that ``when_ended`` asks for); and ``cancel_requested``,
    ``paused``, ``resumed``, ``retried``, ``forked`` for what was asked of it, with ``by NAME:
    REASON`` as its ``detail``, and ``expired`` if it had not begun in time. ``sent`` is a message,
    with ``by NAME: EVENT``, ``approved`` the decision of the approval ``task_id``, with ``by NAME:
    CHOICE``. ``child_ended`` is the end of a child run for which a body may wait, with its id and
    state. ``created`` has ``by NAME`` if it was said who has submitted the run, ``task_started``
    the process and the host of its runner. The end of a map has its error, or how many of its items
    have ended and how many failed. ``at`` is RFC 3339 in UTC.

    A run that was retried has started and ended once in each round. The results that a fork began
    with follow its ``created``, with the times that they have in the other run.
    ``skip_code`` is that of the ``TaskResult`` for ``task_skipped``.
    """

    at: str
    kind: str
    task_id: str | None = None
    attempt: int | None = None
    detail: str | None = None
    skip_code: str | None = None


@dataclass(frozen=True, slots=True)
class AttemptInfo:
    """One attempt of a task, or (``attempt`` 0) that the task was skipped.

    ``round`` is that of the run; ``error`` is ``Type: message``; times are RFC 3339 in UTC. Another
    attempt follows a failed one at ``retry_at``. ``crashes`` counts the processes that died while
    the body ran. ``skip_code`` is that of the ``TaskResult``. ``runner`` is the id of the runner
    that ran it, ``process`` its pid on ``host``; None for a skip, a result that a fork has kept,
    and where they are not known.
    """

    task_id: str
    attempt: int
    round: int
    status: TaskStatus
    started_at: str | None
    ended_at: str | None
    retry_at: str | None
    error: str | None
    error_type: str | None
    traceback: str | None
    skip_reason: str | None
    crashes: int
    skip_code: str | None = None
    runner: str | None = None
    process: int | None = None
    host: str | None = None


@dataclass(frozen=True, slots=True)
class RoundInfo:
    """A round of a run: the first, or one that a retry has begun. Times are RFC 3339 in UTC.

    ``final_context`` is None until the round has ended.
    """

    round: int
    status: RunStatus
    started_at: str | None
    ended_at: str | None
    error_message: str | None
    final_context: Context | None


@dataclass(frozen=True, slots=True)
class Action:
    """A request about a run or (``run_id`` None) a workflow: ``kind`` is ``cancel``, ``pause``,
    ``resume``, ``retry``, ``fork``, ``send``, ``approve``, ``submit`` if the caller gave a name, or
    ``expire`` for a run that had not begun in time. Or a request about a schedule
    (``add_schedule``, ``change_schedule``, ``enable_schedule``, ``disable_schedule``,
    ``backfill_schedule``, ``run_schedule``, ``delete_schedule``), a trigger (``enable_trigger``,
    ``disable_trigger``), a limit (``set_limit``, ``clear_limit``, and ``define_limit`` if a program
    defines it in another way than before) or a runner (``drain_runner``), or the runs that a call
    of ``prune`` has deleted.

    ``by`` is the caller; ``changed`` is False if the request changed nothing. For schedules,
    triggers, limits and runners only requests that changed something are listed. Runs that one call
    has cancelled, paused, resumed or retried share an ``id``. ``at`` is RFC 3339 in UTC. ``reason``
    is the event of a ``send``, ``TASK: CHOICE`` of an ``approve``, and names the schedule, trigger,
    limit or runner. ``workflow_name`` is empty for a limit and a runner, and for a trigger without
    a workflow.
    """

    id: str
    at: str
    kind: str
    run_id: str | None
    workflow_name: str
    by: str
    reason: str | None
    changed: bool

    @property
    def mark(self) -> str:
        """Its place among all actions: ``Observer.actions(before=…)`` continues from it."""
        return "/".join([self.at, self.id, self.run_id or ""])


def actions(acts: Sequence[ActRow]) -> list[Action]:
    """The actions of rows, in the same order."""
    return [
        Action(
            id=act.id,
            at=rfc3339(act.created_at),
            kind=act.kind,
            run_id=act.run_id or None,
            workflow_name=short_name(act.workflow),
            by=act.asked_by,
            reason=act.reason,
            changed=bool(act.changed),
        )
        for act in acts
    ]


def run_events(history: History) -> list[RunEvent]:
    """The events of a run, in the order of time."""
    return [event for _, event in moments_of(history)]


def moments_of(history: History) -> list[tuple[int, RunEvent]]:
    """The same, each with its instant."""
    row = history.row
    moments = [
        (row.created_at, RunEvent(rfc3339(row.created_at), "created", detail=_origin(history)))
    ]
    moments += [_act_event(act) for act in reversed(history.acts) if act.kind != _SUBMIT]
    sent = [_message_event(message) for message in history.messages]
    moments += [(max(at, row.created_at), event) for at, event in sent]
    for each in history.rounds:
        moments += _start(each.started_at)
    moments += _start(row.started_at)
    of_attempts, rounds = [], Rounds(row, history.rounds, history.restarts)
    names = {name.number: name for name in history.names}
    items = {(each.task_id, each.attempt): ended_items(each) for each in history.of_maps}
    for attempt in history.attempts:
        of_map = items.get((attempt.task_id, attempt.attempt))
        of_attempts += attempt_events(rounds.settled(attempt), runner_of(names, attempt), of_map)
    of_attempts.sort(key=lambda moment: moment[0])
    moments += [(max(at, row.created_at), event) for at, event in of_attempts]
    for each in history.rounds:
        moments += _end(each.ended_at, each.error_message or each.status)
    moments += _end(row.ended_at, row.error_message or row.status)
    moments += [_follow_up_event(each) for each in history.follow_ups if each.id != row.id]
    return sorted(moments, key=lambda moment: moment[0])


def _origin(history: History) -> str | None:
    """The run that it follows, or its submitter, if known."""
    for each in history.follow_ups:
        if each.id == history.row.id:
            return f"follows run {each.follows}"
    by = submitter(history.acts)
    return None if by is None else f"by {by}"


def submitter(acts: Sequence[ActRow]) -> str | None:
    """The submitter of a run, by the acts on it; None if the submission did not name one."""
    return next((act.asked_by for act in acts if act.kind == _SUBMIT), None)


def _start(at: int | None) -> list[tuple[int, RunEvent]]:
    return [] if at is None else [(at, RunEvent(rfc3339(at), "started"))]


def _end(at: int | None, detail: str) -> list[tuple[int, RunEvent]]:
    return [] if at is None else [(at, RunEvent(rfc3339(at), "ended", detail=detail))]


def _follow_up_event(row: FollowUpRow) -> tuple[int, RunEvent]:
    detail = f"by run {row.id} of {short_name(row.workflow)}"
    return row.created_at, RunEvent(rfc3339(row.created_at), "followed", detail=detail)


def _act_event(act: ActRow) -> tuple[int, RunEvent]:
    detail = f"by {act.asked_by}"
    if act.reason is not None:
        detail = f"{detail}: {act.reason}"
    if not act.changed:
        detail = f"{detail} (nothing changed)"
    event = RunEvent(rfc3339(act.created_at), OF_ACTS.get(act.kind, act.kind), detail=detail)
    return act.created_at, event


def _message_event(row: MessageRow) -> tuple[int, RunEvent]:
    at = rfc3339(row.sent_at)
    if row.kind == RUN:
        status = cast("dict[str, str]", decode(row.payload))["status"]
        detail = f"run {run_of_end(row.name)}: {status}"
        return row.sent_at, RunEvent(at, "child_ended", detail=detail)
    item = None if row.for_item == THE_TASK else f"{row.for_task}[{row.for_item}]"
    if row.kind != APPROVAL:
        text = row.name if item is None else f"{row.name} for {item}"
        return row.sent_at, RunEvent(at, "sent", detail=_told(row.sent_by, text))
    decided = decided_in(row.payload)
    detail = _told(row.sent_by, words(decided.choice, decided.note, item))
    return row.sent_at, RunEvent(at, "approved", row.name, detail=detail)


def _told(by: str | None, text: str) -> str:
    return text if by is None else f"by {by}: {text}"


def attempt_events(
    row: AttemptRow, name: RunnerName | None, items: str | None = None
) -> list[tuple[int, RunEvent]]:
    """The start and the end of an attempt, as far as they are known, with their instants. ``items``
    says how many items of a map have ended.
    """
    events = []
    if row.started_at is not None:
        detail = None if name is None else where(name.process, name.host)
        started = RunEvent(
            rfc3339(row.started_at), "task_started", row.task_id, row.attempt, detail
        )
        events.append((row.started_at, started))
    if row.ended_at is not None:
        kind = f"task_{row.status.lower()}"
        detail = row.error or row.skip_reason or items
        at = rfc3339(row.ended_at)
        code = skip_code(row)
        event = RunEvent(at, kind, row.task_id, row.attempt, detail, code)
        events.append((row.ended_at, event))
    return events


def attempt_infos(history: History, task_ids: Sequence[str]) -> list[AttemptInfo]:
    """All attempts of a run by task, first the tasks of ``task_ids`` in that order."""
    rounds = Rounds(history.row, history.rounds, history.restarts)
    names = {name.number: name for name in history.names}
    rows = in_order(history.attempts, task_ids)
    return [_attempt_info(rounds, row, runner_of(names, row)) for row in rows]


def in_order(attempts: Iterable[AttemptRow], task_ids: Iterable[str]) -> list[AttemptRow]:
    """Attempts by task, first the tasks of ``task_ids`` in that order."""
    place = {task_id: number for number, task_id in enumerate(task_ids)}
    return sorted(
        attempts, key=lambda row: (place.get(row.task_id, len(place)), row.task_id, row.attempt)
    )


def runner_of(names: Mapping[int, RunnerName], row: AttemptRow) -> RunnerName | None:
    """The runner of an attempt; None for a skip, which has no runner."""
    return None if row.runner is None or row.attempt == 0 else names.get(row.runner)


def where(process: int, host: str) -> str:
    """Where an attempt ran, in words."""
    return f"process {process} on {host}"


def _attempt_info(rounds: Rounds, attempt: AttemptRow, name: RunnerName | None) -> AttemptInfo:
    row = rounds.settled(attempt)
    return AttemptInfo(
        task_id=row.task_id,
        attempt=row.attempt,
        round=rounds.of(row),
        status=task_status_name(row),
        started_at=rfc3339_or_none(row.started_at),
        ended_at=rfc3339_or_none(row.ended_at),
        retry_at=rfc3339_or_none(row.retry_at),
        error=row.error,
        error_type=row.error_type,
        traceback=row.error_traceback,
        skip_reason=row.skip_reason,
        crashes=row.crashes,
        skip_code=skip_code(row),
        runner=name and name.id,
        process=name and name.process,
        host=name and name.host,
    )


class Rounds:
    """The rounds of a run, to which its attempts belong; ``rounds`` are those before this one."""

    def __init__(
        self, run: RunRow, rounds: Iterable[RoundRow], restarts: Iterable[RestartRow]
    ) -> None:
        self._present = run.round
        self._present_end = run.ended_at
        self._ended_at = {each.round: each.ended_at for each in rounds}
        self._ends = sorted(self._ended_at.values())
        self._restarts: dict[str, list[RestartRow]] = {}
        for each in restarts:
            self._restarts.setdefault(each.task_id, []).append(each)

    def settled(self, attempt: AttemptRow) -> AttemptRow:
        """The attempt as it is after the end of its round."""
        return settled(attempt, self._ended_at.get(self.of(attempt), self._present_end))

    def of(self, attempt: AttemptRow) -> int:
        """The round of an attempt: as the restarts of its task say; else by its time, as for a
        task that had no attempt in the rounds before.
        """
        if not self._ends:
            return self._present
        its, number = self._restarts.get(attempt.task_id, ()), attempt.attempt
        first = max([each.round for each in its if each.first_attempt <= number], default=1)
        last = min(
            [each.round - 1 for each in its if each.first_attempt > number], default=self._present
        )
        at = attempt.started_at if attempt.started_at is not None else attempt.ended_at or 0
        return min(max(1 + bisect_right(self._ends, at), first), last)


def outputs(attempts: Sequence[AttemptRow], task_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The keys that each completed task has set in the context, of attempts that count; in the
    order of ``task_ids``, other tasks last.
    """
    done = {
        row.task_id: change_from_json(row.change or "{}").set
        for row in attempts
        if row.status == states.TaskStatus.COMPLETED
    }
    order = [task_id for task_id in task_ids if task_id in done]
    return {task_id: dict(done[task_id]) for task_id in dict.fromkeys([*order, *done])}


def round_infos(history: History) -> list[RoundInfo]:
    """The rounds of a run, oldest first; the last is the present one."""
    row = history.row
    present = RoundInfo(
        round=row.round,
        status=run_status_name(row),
        started_at=rfc3339_or_none(row.started_at),
        ended_at=rfc3339_or_none(row.ended_at),
        error_message=row.error_message,
        final_context=_context(row.final_context),
    )
    return [*map(_round_info, history.rounds), present]


def _round_info(row: RoundRow) -> RoundInfo:
    return RoundInfo(
        round=row.round,
        status=cast("RunStatus", str(row.status)),
        started_at=rfc3339_or_none(row.started_at),
        ended_at=rfc3339(row.ended_at),
        error_message=row.error_message,
        final_context=_context(row.final_context),
    )


def _context(text: str | None) -> Context | None:
    return None if text is None else Context.from_json(text)
