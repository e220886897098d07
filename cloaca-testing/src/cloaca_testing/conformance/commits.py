"""What tests have a store do: commit rows of one kind, claim, read a run that must exist."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cloaca_core.assembly.store import Store
from cloaca_core.features.follow_ups.records import FOLLOW_UPS, NewFollowUp
from cloaca_core.features.schedules.records import (
    CANCELLATIONS,
    FIRINGS,
    TICKS,
    Cancellation,
    Firing,
    NewTick,
)
from cloaca_core.features.steps.records import MEMOS, MemoRow
from cloaca_core.features.task_logs.records import (
    LINES,
    OLD_LINES,
    PROGRESS,
    LogChunk,
    OldChunk,
    ProgressRow,
)
from cloaca_core.features.triggers.records import EVENTS, TURNS, NewEvent, TriggerRow
from cloaca_core.features.waits.records import (
    CLOSED,
    TIMEOUTS,
    WAITS,
    ClosedWait,
    WaitRow,
    WaitTimeout,
)
from cloaca_core.run.rows import AttemptRow, NewRun, Park, RunEnd, RunRow
from cloaca_core.store.batch import Batch, Committed
from cloaca_core.store.messages import MESSAGES, NewMessage
from cloaca_core.values.states import TickOutcome
from cloaca_testing.conformance.rows import LATER, NOW, WORKFLOW, firing


def batch_with(
    runner_id: str,
    new_runs: list[NewRun],
    attempts: list[AttemptRow],
    ends: list[RunEnd],
    fences: dict[str, int],
    firings: Iterable[Firing] = (),
    ticks: Iterable[NewTick] = (),
    cancellations: Iterable[Cancellation] = (),
    *,
    parks: Sequence[Park] = (),
    events: Iterable[NewEvent] = (),
    turns: Iterable[TriggerRow] = (),
    follow_ups: Iterable[NewFollowUp] = (),
    memos: Iterable[MemoRow] = (),
    waits: Iterable[WaitRow] = (),
    timeouts: Iterable[WaitTimeout] = (),
    closed: Iterable[ClosedWait] = (),
    messages: Iterable[NewMessage] = (),
    lines: Iterable[LogChunk] = (),
    old_lines: Iterable[OldChunk] = (),
    progress: Iterable[ProgressRow] = (),
) -> Batch:
    """A batch with rows of features, each kind by its name."""
    rows = {
        **FIRINGS.rows(list(firings)),
        **TICKS.rows(list(ticks)),
        **CANCELLATIONS.rows(list(cancellations)),
        **EVENTS.rows(list(events)),
        **TURNS.rows(list(turns)),
        **FOLLOW_UPS.rows(list(follow_ups)),
        **MEMOS.rows(list(memos)),
        **WAITS.rows(list(waits)),
        **TIMEOUTS.rows(list(timeouts)),
        **CLOSED.rows(list(closed)),
        **MESSAGES.rows(list(messages)),
        **LINES.rows(list(lines)),
        **OLD_LINES.rows(list(old_lines)),
        **PROGRESS.rows(list(progress)),
    }
    return Batch(runner_id, new_runs, attempts, ends, fences, parks=parks, rows=rows)


async def fire_events(
    store: Store, *events: NewEvent, turns: Iterable[TriggerRow] = (), runner_id: str = "r1"
) -> Committed:
    """Commit events alone."""
    return await store.commit(
        batch_with(runner_id, [], [], [], {}, events=events, turns=list(turns))
    )


async def fire(store: Store, *ticks: NewTick, lost: int = 0, runner_id: str = "r1") -> Committed:
    """Commit ticks of one schedule with the decision that they belong to."""
    generation = ticks[0].generation
    assert generation is not None
    decided = firing(ticks[0].schedule_id, generation=generation, lost=lost)
    return await store.commit(batch_with(runner_id, [], [], [], {}, [decided], ticks))


async def back_fill(store: Store, *ticks: NewTick) -> Committed:
    """Commit ticks that belong to no decision."""
    filled = [tick._replace(generation=None, outcome=TickOutcome.BACKFILLED) for tick in ticks]
    return await store.commit(batch_with("r1", [], [], [], {}, (), filled))


async def submit(store: Store, *runs: NewRun, runner_id: str = "r1") -> Committed:
    """Commit new runs alone."""
    return await store.commit(Batch(runner_id, list(runs), [], [], {}))


async def record(
    store: Store,
    attempts: Iterable[AttemptRow] = (),
    ends: Iterable[RunEnd] = (),
    *,
    runner_id: str = "r1",
) -> Committed:
    """Commit attempts and ends, fenced by their epochs."""
    attempts, ends = list(attempts), list(ends)
    fences = {row.run_id: row.epoch for row in attempts} | {end.id: end.epoch for end in ends}
    return await store.commit(Batch(runner_id, [], attempts, ends, fences))


async def keep_lines(
    store: Store, *rows: LogChunk | OldChunk | ProgressRow, epoch: int = 1, runner_id: str = "r1"
) -> Committed:
    """Commit chunks, deletions and progress alone, under this epoch."""
    batch = batch_with(
        runner_id,
        [],
        [],
        [],
        {row.run_id: epoch for row in rows},
        lines=[row for row in rows if isinstance(row, LogChunk)],
        old_lines=[row for row in rows if isinstance(row, OldChunk)],
        progress=[row for row in rows if isinstance(row, ProgressRow)],
    )
    return await store.commit(batch)


async def keep(store: Store, *memos: MemoRow, epoch: int = 1, runner_id: str = "r1") -> Committed:
    """Commit memos alone, under this epoch."""
    fences = {row.run_id: epoch for row in memos}
    return await store.commit(batch_with(runner_id, [], [], [], fences, memos=memos))


async def note(
    store: Store,
    *waits: WaitRow,
    closed: Iterable[ClosedWait] = (),
    timeouts: Iterable[WaitTimeout] = (),
    epoch: int = 1,
    runner_id: str = "r1",
) -> Committed:
    """Commit waits and their ends alone, under this epoch."""
    closed, timeouts = list(closed), list(timeouts)
    run_ids = [row.run_id for row in waits] + [row.run_id for row in closed]
    fences = dict.fromkeys([*run_ids, *[row.run_id for row in timeouts]], epoch)
    return await store.commit(
        batch_with(runner_id, [], [], [], fences, waits=waits, closed=closed, timeouts=timeouts)
    )


async def park(
    store: Store,
    run_id: str,
    due_at: int | None,
    *,
    epoch: int = 1,
    runner_id: str = "r1",
    seen: int = 0,
    rests: bool = False,
    rested: int = 0,
    begun: bool = True,
) -> Committed:
    """Commit one park alone."""
    parks = [Park(run_id, due_at, NOW, seen, int(rests), rested, int(begun))]
    return await store.commit(Batch(runner_id, [], [], [], {run_id: epoch}, parks=parks))


async def fence(store: Store, *run_ids: str, runner_id: str = "r1") -> Committed:
    """Commit nothing about runs, under the epochs that they have."""
    fences = {run_id: (await stored(store, run_id)).epoch for run_id in run_ids}
    return await store.commit(Batch(runner_id, [], [], [], fences))


async def claimed(
    store: Store, limit: int = 9, aged: int = 0, *, runner_id: str = "r1"
) -> list[str]:
    """Claim runs of the usual workflow; their ids in order."""
    runs = await store.claim(runner_id, [WORKFLOW], limit, LATER, aged)
    return [run.id for run in runs]


async def stored(store: Store, run_id: str) -> RunRow:
    """Read a run that must exist."""
    run = await store.get_run(run_id)
    assert run is not None
    return run
