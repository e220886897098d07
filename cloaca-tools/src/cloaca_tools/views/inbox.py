"""Work for people: open decisions, and runs paused because a task has used up its attempts."""

from __future__ import annotations

from asyncio import gather
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cloaca_core.definition.graph import topological_order
from cloaca_core.definition.waits.kinds import Approval
from cloaca_core.errors import RunNotFoundError, TaskNotFoundError
from cloaca_core.features.search.records import Condition, RunSearch
from cloaca_core.features.waits.approvals import OpenApproval, open_approvals
from cloaca_core.features.waits.decisions import asked_in
from cloaca_core.features.waits.records import OpenApprovalRow
from cloaca_core.run.counting import latest_of
from cloaca_core.values.missing import Missing
from cloaca_core.values.payloads.json_forms import Shown
from cloaca_core.values.states import ReasonCode, RunStatus, TaskStatus
from cloaca_core.values.times.rfc3339 import rfc3339
from cloaca_core.values.waits import APPROVAL
from cloaca_core.views.results import run_info
from cloaca_tools.views.lists.listing import RunLine
from cloaca_tools.views.run import changes
from cloaca_tools.views.run.reading import read_views

if TYPE_CHECKING:
    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.run.rows import AttemptRow, RunRow
    from cloaca_core.values.times.instants import Instant
    from cloaca_tools.views.run.reading import RunView

COUNTED: Final = 99
"""How many of each kind are counted at most, and one more."""
LOOKED_AT: Final = 1_000
"""Paused runs that are looked at, the newest."""
MOST_ATTEMPTS: Final = 200
"""The facts of a run with more attempts are not read: it takes too long for a list."""
_PAUSED: Final = RunSearch(
    (
        Condition("status", (str(RunStatus.PAUSED),)),
        Condition("by", ("cloaca",)),  # the engine itself notes such a pause
        Condition("reason", (str(ReasonCode.EXHAUSTED),)),
    )
)


@dataclass(frozen=True, slots=True)
class Question(Shown):
    """A decision that a person has to take. ``facts`` is the context that the approval sees, None
    where it cannot be told soon; ``default`` is chosen at the end of its time, None for none, when
    the task fails instead.
    """

    approval: OpenApproval
    facts: Mapping[str, Any] | None
    default: str | None


@dataclass(frozen=True, slots=True)
class Stopped(Shown):
    """A run that is paused ``since`` its ``task`` used up its attempts, the last of which is
    number ``attempt``. A resume gives it ``fresh`` ones, None where the workflow is not known, and
    then the tasks ``after`` it can run.
    """

    run: RunLine
    task: str
    attempt: int
    since: str
    error: str
    fresh: int | None
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Inbox(Shown):
    """Work for people, oldest first, and whether there is ``more`` of it."""

    questions: tuple[Question, ...]
    stopped: tuple[Stopped, ...]
    more: bool


class WaitingForPeople(NamedTuple):
    """How many ``decisions`` wait for a person, and how many runs that a failure has ``stopped``;
    each up to ``COUNTED`` and one more.
    """

    decisions: int
    stopped: int

    @property
    def total(self) -> int:
        """All that waits."""
        return self.decisions + self.stopped


class Open(NamedTuple):
    """An open approval, what it sees, and the choice that is taken for a person who does not
    answer.
    """

    row: OpenApprovalRow
    facts: Mapping[str, Any] | None
    default: str | None


class Found(NamedTuple):
    """The rows of an inbox."""

    now: Instant
    approvals: Sequence[Open]
    paused: Sequence[RunView]
    more: bool


async def read(engine: Looks, most: int, *, facts: bool) -> Found:
    """Read ``most`` items of each kind; runs on the engine's loop. Without ``facts`` the context of
    an approval is left out, which costs a read of its run.
    """
    store = engine.store
    approvals = await store.open_approvals(most + 1)
    paused = await _paused(engine, LOOKED_AT)
    shown = paused[-most:][::-1]
    opened = await (_opened if facts else _unread)(engine, approvals[:most])
    views = await read_views(engine, shown)
    more = len(approvals) > most or len(paused) > most
    return Found(await store.now(), opened, [views[row.id] for row in shown], more)


async def count(engine: Looks) -> WaitingForPeople:
    """How much waits; runs on the engine's loop."""
    store = engine.store.together()
    look = _PAUSED._replace(look_at=COUNTED + 1)
    approvals, paused = await gather(store.open_approvals(COUNTED + 1), store.search(look))
    return WaitingForPeople(len(approvals), len(paused.rows))


async def read_question(
    engine: Looks, run_id: str, name: str, item: tuple[str, int] | None = None
) -> OpenApprovalRow | None:
    """The approval of a run, or of an item of a map of it, that is open, or None; runs on the
    engine's loop.
    """
    row = await engine.reader.get_run(run_id)
    for each in await engine.store.waits([run_id]):
        is_meant = item is None or item == (each.task_id, each.item)
        is_open = not each.timed_out and not each.answered
        if is_meant and is_open and (each.kind, each.name) == (APPROVAL, name):
            return OpenApprovalRow(
                run_id=run_id,
                workflow=row.workflow,
                task_id=each.task_id,
                name=name,
                opened_at=each.opened_at,
                due_at=each.due_at,
                detail=each.detail,
                run_status=row.status,
                tags=row.tags,
                item=each.item,
            )
    return None


def question(row: OpenApprovalRow | None) -> OpenApproval | None:
    """The approval of a row."""
    return None if row is None else open_approvals([row])[0]


async def _paused(engine: Looks, look_at: int) -> list[RunRow]:
    """Runs that a failure has paused, newest first."""
    found = await engine.store.search(_PAUSED._replace(look_at=look_at))
    return list(found.rows)


async def _unread(_: Looks, rows: Sequence[OpenApprovalRow]) -> list[Open]:
    return [Open(row, None, None) for row in rows]


async def _opened(engine: Looks, rows: Sequence[OpenApprovalRow]) -> list[Open]:
    attempts = await engine.store.outcomes([row.run_id for row in rows]) if rows else []
    numbers: dict[str, int] = {}
    for each in attempts:
        numbers[each.run_id] = numbers.get(each.run_id, 0) + 1
    return [await _one(engine, row, numbers.get(row.run_id, 0)) for row in rows]


async def _one(engine: Looks, row: OpenApprovalRow, attempts: int) -> Open:
    """An approval with what it sees; without that if its run is too long, or gone meanwhile."""
    if attempts > MOST_ATTEMPTS:
        return Open(row, None, None)
    try:
        seen = await changes.read(engine, row.run_id, row.task_id, None)
    except (RunNotFoundError, TaskNotFoundError):
        return Open(row, None, None)
    default = asked_in(row.detail).default or _default(seen, row.task_id)
    return Open(row, changes.task_change(seen).input, default)


def _default(seen: changes.Seen, task_id: str) -> str | None:
    tasks = () if seen.definition is None else seen.definition.tasks
    wait = next((task.wait for task in tasks if task.id == task_id), None)
    if not isinstance(wait, Approval) or isinstance(wait.default, Missing):
        return None
    return wait.default


# -- shaping -------------------------------------------------------------------------------------


def inbox(found: Found) -> Inbox:
    """The inbox of rows."""
    asked = open_approvals([each.row for each in found.approvals])
    questions = [
        Question(approval, each.facts, each.default)
        for approval, each in zip(asked, found.approvals, strict=True)
    ]
    stopped = [_stopped(view, found.now) for view in found.paused]
    return Inbox(
        tuple(questions), tuple([each for each in stopped if each is not None]), found.more
    )


def _stopped(view: RunView, now: Instant) -> Stopped | None:
    """A paused run, None if no task of it has used up its attempts: it was resumed meanwhile."""
    latest = latest_of(view.counted_attempts)
    used_up = [row for row in latest.values() if row.reason_code == ReasonCode.EXHAUSTED]
    if view.row.status != RunStatus.PAUSED or not used_up:
        return None
    last = max(used_up, key=lambda row: row.ended_at or 0)
    task = view.tasks.get(last.task_id)
    return Stopped(
        run=run_info(view.row, now),
        task=last.task_id,
        attempt=last.attempt,
        since=rfc3339(last.ended_at or view.row.created_at),
        error=str(last.error),
        fresh=None if task is None else task.retry.max_attempts,
        after=_after(view, last.task_id, latest),
    )


def _after(view: RunView, task_id: str, latest: Mapping[str, AttemptRow]) -> tuple[str, ...]:
    """The tasks below a task that have not run, in definition order."""
    graph = {each.id: each.dependencies for each in view.tasks.values()}
    below = {task_id}
    for each in topological_order(graph):
        if below.intersection(graph[each]):
            below.add(each)
    done = {row.task_id for row in latest.values() if row.status in _DONE}
    return tuple([each for each in view.tasks if each in below - done - {task_id}])


_DONE: Final = (TaskStatus.COMPLETED, TaskStatus.SKIPPED)
