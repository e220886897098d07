"""The attempts of a run as bars on a line of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloaca_core.values.option_names import TaskStatus
from cloaca_core.values.payloads.json_forms import Shown
from cloaca_core.values.times.instants import SECOND
from cloaca_core.values.times.rfc3339 import rfc3339, rfc3339_or_none
from cloaca_core.values.waits import EVENT
from cloaca_core.views.history import Rounds, in_order
from cloaca_core.views.results import run_info
from cloaca_core.views.run_past import ACTS_SHOWN
from cloaca_core.views.task_results import (
    left_by,
    seconds_between,
    shown_wait,
    task_status_name,
    waits_of_attempt,
)
from cloaca_tools.views.lists.listing import RunLine
from cloaca_tools.views.run.reading import Family, RunView, read_family
from cloaca_tools.views.run.tree import kind_of, placed_children

if TYPE_CHECKING:
    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.definition.recorded import RecordedTask
    from cloaca_core.definition.task import Task
    from cloaca_core.run.rows import AttemptRow, RunRow
    from cloaca_core.store.acts import ActRow
    from cloaca_core.values.times.instants import Instant


@dataclass(frozen=True, slots=True)
class Span(Shown):
    """A time within a bar, or of a whole run: ``kind`` is that of a ``Wait``, or ``paused``.
    ``until`` is None while it lasts.
    """

    kind: str
    name: str | None
    since: str
    until: str | None


@dataclass(frozen=True, slots=True)
class Bar(Shown):
    """An attempt of a task: it was ready at ``queued_at``, where that can be told, its body ran or
    waited from ``started_at`` to ``ended_at``, None while it lasts. A skipped task has none of the
    three but its end. One that is ``kept`` ended in the run that this one was forked from: it has
    taken this run no time.
    """

    task: str
    attempt: int
    round: int
    status: TaskStatus
    queued_at: str | None
    started_at: str | None
    ended_at: str | None
    queued_seconds: float | None
    seconds: float | None
    error: str | None
    crashes: int
    waits: tuple[Span, ...] = ()
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Timeline(Shown):
    """The bars of a run, by task in definition order; ``begins`` and ``ends`` bound all of them.
    ``pauses`` are times in which the run was paused. ``children`` are those of its child runs.
    """

    run: RunLine
    at: str
    begins: str
    ends: str
    bars: tuple[Bar, ...]
    pauses: tuple[Span, ...]
    children: tuple[Timeline, ...] = ()
    hidden: int = 0


async def read_past(engine: Looks, run_id: str, depth: int) -> tuple[Family, Sequence[ActRow]]:
    """A run, those below it, and the acts on the run; runs on the engine's loop."""
    family = await read_family(engine, run_id, depth)
    return family, await engine.store.acts(run_id, ACTS_SHOWN)


def timeline(family: Family, acts: Sequence[ActRow]) -> Timeline:
    """The timeline of the run at the top; ``acts`` are those on it."""
    return _timeline(family, family.top, acts)


def _timeline(family: Family, run_id: str, acts: Sequence[ActRow]) -> Timeline:
    view, now = family.views[run_id], family.now
    shown, hidden = placed_children(family, run_id)
    children = tuple([_timeline(family, child.id, ()) for child in shown])
    row = view.row
    instants = [row.created_at, now if row.ended_at is None else row.ended_at]
    own = [a for a in view.attempts if not _is_kept(a, row)]
    instants += [each for a in own for each in (a.started_at, a.ended_at) if each]
    return Timeline(
        run=run_info(row, now),
        at=rfc3339(now),
        begins=min([rfc3339(min(instants)), *[child.begins for child in children]]),
        ends=max([rfc3339(max(instants)), *[child.ends for child in children]]),
        bars=tuple(_bars(view, now)),
        pauses=tuple(_pauses(acts, view)),
        children=children,
        hidden=hidden,
    )


def _bars(view: RunView, now: Instant) -> list[Bar]:
    earlier = [each for each in view.rounds if each.round < view.row.round]
    told = Rounds(view.row, earlier, view.restarts)
    starts = {each.round: each.started_at for each in view.rounds}
    starts[view.row.round] = view.row.started_at
    queue = _Queue(view, starts)
    bars = []
    for attempt in in_order(view.attempts, view.tasks):
        number = told.of(attempt)
        row = told.settled(attempt)
        if number == view.row.round:
            row = left_by(attempt, view.row)
        bars.append(_bar(view, row, number, queue.since(attempt, number), now))
    return bars


def _is_kept(attempt: AttemptRow, run: RunRow) -> bool:
    """Whether an attempt has ended before the run was made, of which it then is a copy."""
    return attempt.ended_at is not None and attempt.ended_at < run.created_at


def _bar(view: RunView, row: AttemptRow, number: int, queued: Instant | None, now: Instant) -> Bar:
    kept = _is_kept(row, view.row)
    queued = None if kept else queued
    return Bar(
        task=row.task_id,
        attempt=row.attempt,
        round=number,
        status=task_status_name(row),
        queued_at=rfc3339_or_none(queued),
        started_at=rfc3339_or_none(row.started_at),
        ended_at=rfc3339_or_none(row.ended_at),
        queued_seconds=_apart(queued, row.started_at),
        seconds=None if kept else seconds_between(row.started_at, row.ended_at, now),
        error=row.error,
        crashes=row.crashes,
        waits=() if kept else tuple(_waits(view, row)),
        kept=kept,
    )


def _apart(start: Instant | None, end: Instant | None) -> float | None:
    return None if start is None or end is None else (end - start) / SECOND


def _waits(view: RunView, row: AttemptRow) -> list[Span]:
    """The waits within a bar: all of it for a node that waits, else the open waits of its body. The
    bar of a map has none: while some of its items wait, others run.
    """
    kind = kind_of(view.tasks.get(row.task_id))
    if kind not in (None, "task") and row.started_at is not None:
        name = _event(view.tasks.get(row.task_id)) or row.task_id
        since, until = rfc3339(row.started_at), rfc3339_or_none(row.ended_at)
        return [Span(str(kind), name, since, until)]
    if row.ended_at is not None:
        return []
    spans = []
    for each in waits_of_attempt(row, [each for each in view.waits if each.item == row.item]):
        shown = shown_wait(each)
        spans.append(Span(shown.kind, shown.name, rfc3339(each.opened_at), None))
    return spans


def _event(task: Task | RecordedTask | None) -> str | None:
    if task is None or task.wait is None or task.wait.kind != EVENT:
        return None
    return task.wait.event


class _Queue:
    """Since when attempts were ready, by the ends of the tasks before them. No row has it: a slot
    may have been free at once.
    """

    def __init__(self, view: RunView, starts: Mapping[int, Instant | None]) -> None:
        self._view = view
        self._starts = starts
        self._attempts = {(row.task_id, row.attempt): row for row in view.attempts}
        self._ends: dict[str, list[Instant]] = {}
        for row in view.attempts:
            if row.ended_at is not None and row.retry_at is None:
                self._ends.setdefault(row.task_id, []).append(row.ended_at)

    def since(self, row: AttemptRow, number: int) -> Instant | None:
        """When the attempt was ready, at its start at the latest; None if it has not started, or
        if its process has died: its start is the last of several then, and a body ran before.
        """
        begun, started = row.started_at, self._starts.get(number)
        if begun is None or started is None or row.crashes:
            return None
        before = self._attempts.get((row.task_id, row.attempt - 1))
        if before is not None and before.retry_at is not None:
            return min(max(before.retry_at, started), begun)
        task = self._view.tasks.get(row.task_id)
        needed = () if task is None else task.dependencies
        ends = [
            end for name in needed for end in self._ends.get(name, ()) if started <= end <= begun
        ]
        return min(max([started, *ends]), begun)


def _pauses(acts: Sequence[ActRow], view: RunView) -> list[Span]:
    """The times in which a run was paused, by the acts on it; they are newest first."""
    spans: list[Span] = []
    since: ActRow | None = None
    for act in reversed(acts):
        if act.kind == "pause" and act.changed and since is None:
            since = act
        elif act.kind in ("resume", "cancel") and act.changed and since is not None:
            spans.append(_pause(since, act.created_at))
            since = None
    if since is not None:
        spans.append(_pause(since, view.row.ended_at))
    return spans


def _pause(since: ActRow, until: Instant | None) -> Span:
    return Span("paused", since.asked_by, rfc3339(since.created_at), rfc3339_or_none(until))
