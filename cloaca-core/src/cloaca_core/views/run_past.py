"""Reads the rows of one run, and the rows of features about it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from cloaca_core.features.explain.facts import RunFacts
from cloaca_core.features.waits.records import WaitRow
from cloaca_core.run.rows import AttemptRow, ForkRow, RestartRow, RoundRow, RunRow
from cloaca_core.store.acts import ActRow
from cloaca_core.values.states import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.assembly.store import Store
    from cloaca_core.features.explain.records import UnendedChild
    from cloaca_core.features.follow_ups.records import FollowUpRow
    from cloaca_core.features.task_logs.records import ProgressRow
    from cloaca_core.store.messages import MessageRow
    from cloaca_core.store.runner_rows import RunnerName


CHILDREN_SHOWN: Final = 1000
"""So many children that have not ended are read at most."""
ACTS_SHOWN: Final = 1000
"""So many acts on a run are read at most, the newest."""
MESSAGES_SHOWN: Final = 1000
"""So many messages to a run are read at most, the first."""


class History(NamedTuple):
    """A run with its past: all attempts, and for a retried run also its earlier rounds and
    restarted tasks. ``acts`` are newest first. ``follow_ups`` are the runs that follow its ends,
    and the run itself if it follows another. ``messages`` were sent to it; they are not among the
    acts. ``names`` has the runners that have run its attempts, ``of_maps`` how many items of its
    maps have ended.
    """

    row: RunRow
    attempts: list[AttemptRow]
    restarts: list[RestartRow]
    rounds: list[RoundRow]
    acts: list[ActRow]
    follow_ups: Sequence[FollowUpRow] = ()
    messages: Sequence[MessageRow] = ()
    names: Sequence[RunnerName] = ()
    of_maps: Sequence[ProgressRow] = ()


class Awaited(NamedTuple):
    """The ends for which tasks of a run may wait: ends of other runs, and of open waits."""

    children: Sequence[UnendedChild] = ()
    waits: Sequence[WaitRow] = ()


async def history_of(engine: Looks, run_id: str) -> History:
    """The run and its past; the bodies that run right now are among the attempts."""
    from cloaca_core.engine.observe.run_reader import with_begun  # a list of runs needs no reader

    reader, store, ids = engine.reader, engine.store.together(), [run_id]
    begun = reader.begun(run_id)  # first: a row that is written meanwhile is read
    lists = asyncio.gather(store.load_attempts(ids), store.restarts(ids), store.rounds(run_id))
    row, recorded, acts, follow_ups, messages, of_maps = await asyncio.gather(
        reader.get_run(run_id, store),
        lists,
        store.acts(run_id, ACTS_SHOWN),
        store.follow_ups(ids),
        store.sent(run_id, MESSAGES_SHOWN),
        _progress_of_maps(store, run_id),
    )
    attempts, restarts, rounds = with_begun(recorded[0], begun), recorded[1], recorded[2]
    earlier = [each for each in rounds if each.round < row.round]
    names = await reader.names(attempts)
    return History(row, attempts, restarts, earlier, acts, follow_ups, messages, names, of_maps)


async def _progress_of_maps(store: Store, run_id: str) -> list[ProgressRow]:
    """The progress of the attempts of maps, which counts their items."""
    if not (told := await store.progress([run_id])):
        return []
    maps = {each.task_id for each in await store.maps([run_id])}
    return [each for each in told if each.task_id in maps]


async def facts_of(engine: Looks, run_id: str) -> RunFacts:
    """The run, what runs of it here, and the runs that it was made of or follows."""
    store = engine.store.together()
    row, forks, follow_ups, waits = await asyncio.gather(
        engine.reader.get_run(run_id, store),
        store.forks([run_id]),
        store.follow_ups([run_id]),
        store.waits([run_id]),
    )
    return facts_alone(engine, row, forks, follow_ups, waits)


def facts_alone(
    engine: Looks,
    row: RunRow,
    forks: Sequence[ForkRow],
    follow_ups: Sequence[FollowUpRow],
    waits: Sequence[WaitRow],
) -> RunFacts:
    """The facts of a run of these rows, and what runs of it here."""
    bodies = engine.reader.active_bodies(row)
    follows = next((each.follows for each in follow_ups if each.id == row.id), None)
    forked_from = forks[-1].forked_from if forks else None
    open_waits = [] if row.ended_at is not None else waits
    now = engine.store.wall()
    return RunFacts(row, bodies, forked_from, follows, open_waits, now)


async def messages_of(store: Store, run_id: str) -> list[MessageRow]:
    """The first messages of a run, and all that no task has taken."""
    first = await store.sent(run_id, MESSAGES_SHOWN)
    if len(first) < MESSAGES_SHOWN:
        return first
    known = {each.id for each in first}
    return first + [each for each in await store.messages([run_id]) if each.id not in known]


async def awaited_by(store: Store, row: RunRow, attempts: Sequence[AttemptRow]) -> Awaited:
    """The ends for which these attempts may wait. Read only if one of them waits."""
    if row.ended_at is not None or all(a.status != TaskStatus.WAITING for a in attempts):
        return Awaited()
    recorded = await store.recorded_run(row.id, CHILDREN_SHOWN)
    return Awaited() if recorded is None else Awaited(recorded.children, recorded.waits)
