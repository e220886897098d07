"""The runners of a database: their load, why an idle one does not work, and the lost ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from cloaca_core.store.runner_rows import KEPT_LOST, LostRunner, Sharing, claims_from, queues_in
from cloaca_core.values.namespace import short_name
from cloaca_core.values.payloads.json_forms import Shown
from cloaca_core.values.times.instants import SECOND
from cloaca_core.values.times.rfc3339 import rfc3339, rfc3339_or_none
from cloaca_core.values.wording import counted, slot_wait

if TYPE_CHECKING:
    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.features.explain.facts import RunnerState
    from cloaca_core.features.queues.records import Backlog
    from cloaca_core.store.runner_rows import RunnerRow
    from cloaca_core.values.times.instants import Instant

MOST_LOST: Final = 100
"""Lost runners that are shown."""
COUNTED: Final = 10_000
"""Waiting runs of a workflow and queue that are counted at most."""
PATIENCE: Final = 10 * SECOND
"""An idle runner is given a reason after a run that it could take has waited for so long."""

NO_REASONS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class RunnerLine(Shown):
    """A runner in the table, by the ``name`` of its host and process (``pid``); its id where the
    host is not known. ``alive`` is False for a runner that is gone, whose runs are about to be
    taken over; ``runs`` counts its runs, up to 1,000. ``draining_since`` is when it was asked to
    leave. ``queues`` are those that it serves, None for all.

    ``busy`` of its ``slots`` for bodies were taken at its ``last_sign``; an earlier version tells
    none of the three. It owns no run since ``idle_since``. ``backlog`` counts its runs that wait
    for a slot although the runners ``idle_beside`` (names) have free ones: they are given some
    within seconds. ``why_idle`` says in a sentence why a runner without work leaves runs waiting.

    A runner that was declared dead at ``lost_at`` stays for a day: ``taken_over`` of its runs went
    to other runners, ``begun_again`` of them with a body that ran, and ``cancelled`` have ended.
    """

    id: str
    alive: bool
    runs: int
    started_at: str
    pid: int
    is_here: bool
    draining_since: str | None = None
    backlog: int = 0
    idle_beside: tuple[str, ...] = ()
    host: str | None = None
    queues: tuple[str, ...] | None = None
    name: str = ""
    slots: int | None = None
    busy: int | None = None
    last_sign: str | None = None
    idle_since: str | None = None
    why_idle: str = ""
    lost_at: str | None = None
    taken_over: int = 0
    begun_again: int = 0
    cancelled: int = 0

    @property
    def backlog_text(self) -> str:
        """A sentence about the backlog, empty without one."""
        return slot_wait(self.name, self.backlog, self.idle_beside) if self.backlog else ""

    @property
    def became_text(self) -> str:
        """What became of the runs of a lost runner."""
        parts = []
        if self.taken_over:
            parts.append(f"{counted(self.taken_over, 'run')} taken over")
        if self.begun_again:
            parts.append(f"{self.begun_again:,} begun again")
        if self.cancelled:
            parts.append(f"{self.cancelled:,} cancelled")
        return ", ".join(parts) or "it owned no run"


class Rows(NamedTuple):
    """The runners as seen now, the lost ones, the runs that may be claimed, and of those the
    workflows whose runs an idle runner has released, by its id.
    """

    now: Instant
    states: Sequence[RunnerState]
    lost: Sequence[LostRunner] = ()
    backlogs: Sequence[Backlog] = ()
    released: Mapping[str, frozenset[str]] = MappingProxyType({})


async def read_states(engine: Looks) -> tuple[Sequence[RunnerState], Instant]:
    """The registered runners as seen now; runs on the engine's loop."""
    return await engine.explainer.runners(), await engine.store.now()


async def read(engine: Looks) -> Rows:
    """The runners as seen now, and the lost ones; runs on the engine's loop."""
    store = engine.store
    states, now = await read_states(engine)
    lost = await store.lost_runners(now - KEPT_LOST, MOST_LOST)
    idle = [each.load.row.id for each in states if _is_idle(each, now)]
    backlogs = await store.backlogs(COUNTED) if idle else []
    released = {}
    for runner_id in idle if backlogs else ():
        rows = await store.released_unserved(runner_id)
        released[runner_id] = frozenset([each.workflow for each in rows])
    return Rows(now, states, lost, backlogs, released)


def all_lines(rows: Rows) -> tuple[RunnerLine, ...]:
    """The registered runners, oldest first, and those that were lost, the latest first."""
    why = {each.load.row.id: _why_idle(each, rows) for each in rows.states}
    return (
        *runner_lines(rows.states, rows.now, why),
        *[_lost_line(each) for each in rows.lost if each.id not in why],
    )


def runner_lines(
    states: Sequence[RunnerState], now: Instant, why_idle: Mapping[str, str] = NO_REASONS
) -> tuple[RunnerLine, ...]:
    """The lines of registered runners."""
    told = {each.load.row.id: each for each in states if not each.is_gone(now)}
    return tuple([_line(each, now, told, why_idle.get(each.load.row.id, "")) for each in states])


def _line(
    state: RunnerState, now: Instant, living: Mapping[str, RunnerState], why_idle: str
) -> RunnerLine:
    row = state.load.row
    told = Sharing.of(row.sharing)
    idle = tuple([_name_of(each.load.row) for each in living.values() if _asks_beside(each, row)])
    backlog = told.backlog if idle and row.id in living else 0
    return RunnerLine(
        id=row.id,
        alive=not state.is_gone(now),
        runs=state.load.owned,
        started_at=rfc3339(row.started_at),
        pid=row.pid,
        is_here=state.is_here,
        draining_since=rfc3339_or_none(row.draining_since),
        backlog=backlog,
        idle_beside=idle if backlog else (),
        host=row.host,
        queues=_queues(row.queues),
        name=_name_of(row),
        slots=told.slots or None,
        busy=told.busy if told.slots else None,
        last_sign=rfc3339_or_none(told.told_at or None),
        idle_since=rfc3339_or_none(row.idle_since),
        why_idle=why_idle,
    )


def _lost_line(lost: LostRunner) -> RunnerLine:
    told = Sharing.of(lost.sharing)
    return RunnerLine(
        id=lost.id,
        alive=False,
        runs=0,
        started_at=rfc3339(lost.started_at),
        pid=lost.pid,
        is_here=False,
        host=lost.host,
        queues=_queues(lost.queues),
        name=_name(lost.id, lost.host, lost.pid),
        last_sign=rfc3339_or_none(told.told_at or None),
        lost_at=rfc3339(lost.lost_at),
        taken_over=lost.taken_over,
        begun_again=lost.begun_again,
        cancelled=lost.cancelled,
    )


def _name_of(row: RunnerRow) -> str:
    return _name(row.id, row.host, row.pid)


def _name(runner_id: str, host: str | None, pid: int) -> str:
    return runner_id if host is None else f"{host} · {pid}"


def _queues(text: str | None) -> tuple[str, ...] | None:
    queues = queues_in(text)
    return None if queues is None else tuple(queues)


def _asks_beside(other: RunnerState, row: RunnerRow) -> bool:
    return other.load.row.id != row.id and Sharing.of(other.load.row.sharing).asked > 0


# -- idle beside a backlog -----------------------------------------------------------------------


def _is_idle(state: RunnerState, now: Instant) -> bool:
    """Whether a living runner owns nothing, has free slots and requests runs."""
    row = state.load.row
    asks = Sharing.of(row.sharing).asked > 0 and row.draining_since is None
    return asks and not state.load.owned and not state.is_gone(now)


def _why_idle(state: RunnerState, rows: Rows) -> str:
    """Why an idle runner leaves runs waiting that are its to serve; empty if there are none."""
    if not _is_idle(state, rows.now):
        return ""
    row, serves = state.load.row, Sharing.of(state.load.row.sharing).serves
    late = [
        each
        for each in rows.backlogs
        if each.workflow in serves
        and claims_from(row, each.queue)
        and rows.now - each.oldest > PATIENCE
    ]
    if not late:
        return ""
    released = rows.released.get(row.id, frozenset())
    first = min(late, key=lambda each: (each.workflow in released, each.oldest))
    if first.workflow in released:
        return f"Idle beside {_runs(first)}: its version of the workflow lacks tasks of theirs."
    return (
        f"Idle beside {_runs(first)}, which it could run: it has not claimed them. See the log of "
        "its process."
    )


def _runs(backlog: Backlog) -> str:
    verb = "waits" if backlog.waiting == 1 else "wait"
    of = f"{counted(backlog.waiting, 'run')} of {short_name(backlog.workflow)}"
    return f"{of} that {verb} in queue {backlog.queue}"
