"""The history of a run: what happened to it, and what people asked of it, in one list. Pure.

Made of the rows that the page of a run reads anyway. ``Observer.events`` also has the messages of
programs, and takes a read of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cloaca_core.values import states
from cloaca_core.values.events import OF_ACTS
from cloaca_core.values.payloads.json_forms import Shown
from cloaca_core.values.times.rfc3339 import rfc3339
from cloaca_core.views.history import Rounds, submitter
from cloaca_core.views.task_results import ended_items

if TYPE_CHECKING:
    from typing import TypeAlias

    from cloaca_core.run.rows import AttemptRow, RoundRow, RunRow
    from cloaca_core.store.acts import ActRow
    from cloaca_core.values.times.instants import Instant
    from cloaca_tools.views.run.reading import RunView

    _Moment: TypeAlias = "tuple[Instant, Happening]"

_SUBMIT: Final = "submit"
MOST_COURSE: Final = 200
"""Attempts of a run whose starts and ends are in its history; of more only failures are."""
_COURSE: Final = ("task_started", "task_completed", "task_skipped")


@dataclass(frozen=True, slots=True)
class Happening(Shown):
    """An event of a run, or an act on it. ``kind`` is that of a ``RunEvent``.

    ``by`` is who asked for it and ``reason`` why, or the event of a ``sent`` and the decision of an
    ``approved``; ``changed`` is False for an act that changed nothing. ``task`` and ``attempt`` are
    those of the event, if it has any; ``crashes`` counts the processes that died during the
    attempt. ``status`` is the state of the run or the task after the event, ``detail`` its error,
    why it was skipped, or how many items of a map have ended. ``round`` is the round that started
    or ended.
    """

    at: str
    kind: str
    by: str | None = None
    reason: str | None = None
    changed: bool = True
    task: str | None = None
    attempt: int | None = None
    crashes: int = 0
    status: str | None = None
    detail: str | None = None
    round: int | None = None

    @property
    def is_course(self) -> bool:
        """Whether a task did as it should, which a timeline shows, too."""
        return self.kind in _COURSE and not self.crashes


def happenings(view: RunView, acts: Sequence[ActRow]) -> tuple[Happening, ...]:
    """The history of a run, newest first; ``acts`` are those on it."""
    found = [*_of_run(view, submitter(acts)), *_of_tasks(view), *_of_people(acts)]
    found.sort(key=_place)
    return tuple([each for _, each in reversed(found)])


def _place(moment: _Moment) -> tuple[Instant, int]:
    """Of one instant an act comes before the round that it begins, and the end of a round last."""
    at, each = moment
    is_act = each.by is not None
    return at, {"created": 0, "started": 2, "ended": 4}.get(each.kind, 1 if is_act else 3)


def _of_run(view: RunView, submitted_by: str | None) -> Iterator[_Moment]:
    row = view.row
    yield row.created_at, Happening(rfc3339(row.created_at), "created", submitted_by)
    for each in view.rounds:
        if each.round < row.round:
            yield from _of_round(each)
    yield from _of_round(row)


def _of_round(row: RunRow | RoundRow) -> Iterator[_Moment]:
    if row.started_at is not None:
        yield row.started_at, Happening(rfc3339(row.started_at), "started", round=row.round)
    if row.ended_at is not None:
        yield (
            row.ended_at,
            Happening(
                rfc3339(row.ended_at),
                "ended",
                status=row.status,
                detail=row.error_message,
                round=row.round,
            ),
        )


def _of_tasks(view: RunView) -> Iterator[_Moment]:
    row, is_short = view.row, len(view.attempts) <= MOST_COURSE
    rounds = Rounds(row, [each for each in view.rounds if each.round < row.round], view.restarts)
    items = {
        (each.task_id, each.attempt): ended_items(each)
        for each in view.progress
        if (task := view.tasks.get(each.task_id)) is not None and task.map is not None
    }
    for attempt in view.attempts:
        is_kept = attempt.ended_at is not None and attempt.ended_at < row.created_at
        if not is_kept:  # else the run that it was forked from has it
            told = _of_attempt(
                rounds.settled(attempt), items.get((attempt.task_id, attempt.attempt))
            )
            yield from [each for each in told if is_short or not each[1].is_course]


def _of_attempt(row: AttemptRow, items: str | None) -> Iterator[_Moment]:
    if row.started_at is not None and row.status != states.TaskStatus.SKIPPED:
        at = rfc3339(row.started_at)
        started = Happening(
            at, "task_started", task=row.task_id, attempt=row.attempt, crashes=row.crashes
        )
        yield row.started_at, started
    if row.ended_at is not None:
        ended = Happening(
            rfc3339(row.ended_at),
            f"task_{row.status.lower()}",
            task=row.task_id,
            attempt=row.attempt or None,
            status=row.status,
            detail=row.error or row.skip_reason or items,
        )
        yield row.ended_at, ended


def _of_people(acts: Sequence[ActRow]) -> Iterator[_Moment]:
    """The acts, which are newest first, in the order of time."""
    for act in reversed(acts):
        if act.kind != _SUBMIT:
            asked = Happening(
                rfc3339(act.created_at),
                OF_ACTS.get(act.kind, act.kind),
                act.asked_by,
                act.reason,
                bool(act.changed),
            )
            yield act.created_at, asked
