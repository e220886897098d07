"""Computes what remains of a run that is steered or waits, for its life to decide. Pure."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from cloaca_core.definition.queues import queues_of
from cloaca_core.run.life import Remaining
from cloaca_core.run.route import next_queue
from cloaca_core.values.states import TaskStatus
from cloaca_core.values.waits import NEVER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.waiting import Waiting


class UnderWay(NamedTuple):
    """What this process has under way of a run. ``bodies``: for each attempt, by the index of its
    task, the number of waits that its body is in. ``retries``: the instants (µs) at which retries
    are due, by task. ``in_line``: the units that wait for places of limits, with the instants (µs)
    since when that is known.
    """

    bodies: Mapping[int, int]
    retries: Mapping[int, int]
    in_line: Mapping[int, int] = MappingProxyType({})


def awaits_place(now: int, *, idle: bool, never_evicts: bool) -> Remaining:
    """What remains of a run that may not begin before it has a place of its limits. Once it is
    known to wait it leaves at once, as nothing of it is here.
    """
    return Remaining(now, False, False, idle, NEVER, None, never_evicts)


def remaining_of(
    run: ActiveRun, now: int, here: UnderWay, *, evict_after: int | None, never_evicts: bool = False
) -> Remaining:
    """What remains of a run at ``now`` (µs). It may stay for ``evict_after`` µs after it has begun
    to wait for an event; None if there is no room for it.
    """
    waits = run.waits
    ready = {i for i, status in enumerate(run.plan.statuses) if status is TaskStatus.READY}
    if run.maps is not None:
        ready = run.maps.units(ready)
    rests = waits is not None and _rests(ready, waits, here.bodies)
    idle, due_at, evict_at = set(here.retries), min(here.retries.values(), default=NEVER), None
    is_certain = True
    if waits is not None:
        is_certain = not (waits.is_ending() or waits.has_news)
        idle |= waits.resting()
        due_at = min(due_at, waits.next_due() or NEVER)
        if evict_after is not None and (since := waits.newest_for_event()) is not None:
            evict_at = since + evict_after
    if here.in_line:
        idle |= here.in_line.keys() & ready
        if evict_after is not None:
            evict_at = max(here.in_line.values()) + evict_after
    if run.limit.deadline is not None and not rests:
        due_at = min(due_at, run.limit.deadline.at)
    is_idle = is_certain and bool(idle) and len(idle) >= len(ready)  # otherwise some run, or start
    moves_to, route = None, run.route
    if route is not None and route.elsewhere and is_certain:
        moves_to = route.next() if ready <= idle | route.elsewhere.keys() else None
    under_way = bool(here.bodies)
    return Remaining(now, under_way, rests, is_idle, due_at, evict_at, never_evicts, moves_to)


def _rests(ready: set[int], waits: Waiting, bodies: Mapping[int, int]) -> bool:
    """Whether each task that has begun, or is to begin, is a waiting node or a waiting body, and
    none waits for a run. A retry that waits for its time is neither.
    """
    if waits.is_ending() or waits.has_runs or not ready:
        return False
    return ready <= waits.resting() | _bodies_that_wait(waits, bodies)


def _bodies_that_wait(waits: Waiting, bodies: Mapping[int, int]) -> set[int]:
    """The tasks whose bodies are here and in no other wait, such as the wait for a child run."""
    attended = waits.attended()
    return {task for task, count in bodies.items() if count and count == attended[task]}


def queue_of_what_is_left(run: ActiveRun) -> str | None:
    """Return the queue in which a run with this plan belongs; None if no task of it names a queue.
    Tasks with a body that are ready or wait decide; without any, nodes do, which ask for the usual
    queue. The run stays where it is if one of them asks for that queue.
    """
    tasks = run.graph.tasks
    if not run.graph.has_queues:
        return None
    ready = [i for i, status in enumerate(run.plan.statuses) if status is TaskStatus.READY]
    bodies = [i for i in ready if tasks[i].wait is None]
    queues = queues_of(run.graph, run.row.asked_queue)
    asked = [queues[i] for i in bodies or ready]
    if not asked or run.row.queue in asked:
        return run.row.queue
    return next_queue(asked, _always if run.route is None else run.route.is_served)


def _always(_: str) -> bool:
    return True
