"""What is left of a run that is steered or waits: told to its life, which decides. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cloaca_core.run.life import Left
from cloaca_core.values.states import TaskStatus
from cloaca_core.values.waits import NEVER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.waiting import Waiting


class UnderWay(NamedTuple):
    """What a runner has of a run beside its plan: for each attempt under way, by the index of its
    task, in how many waits its body is; and the instants (µs) at which retries are due, by task.
    """

    bodies: Mapping[int, int]
    retries: Mapping[int, int]


def left_of(
    run: ActiveRun, now: int, here: UnderWay, *, linger: int | None, keeps: bool = False
) -> Left:
    """What is left of a run at ``now`` (µs). It may stay for ``linger`` µs after it has begun to
    wait for an event; with None there is no room for it.
    """
    waits = run.waits
    ready = {i for i, status in enumerate(run.plan.statuses) if status is TaskStatus.READY}
    rests = waits is not None and _rests(ready, waits, here.bodies)
    idle, due_at, lingers_until = set(here.retries), min(here.retries.values(), default=NEVER), None
    is_certain = True
    if waits is not None:
        is_certain = not (waits.is_ending() or waits.has_news)
        idle |= waits.resting()
        due_at = min(due_at, waits.next_due() or NEVER)
        if linger is not None and (since := waits.newest_for_event()) is not None:
            lingers_until = since + linger
    if run.limit.deadline is not None and not rests:
        due_at = min(due_at, run.limit.deadline.at)
    is_idle = is_certain and bool(idle) and len(idle) >= len(ready)  # else others run, or start
    return Left(now, bool(here.bodies), rests, is_idle, due_at, lingers_until, keeps)


def _rests(ready: set[int], waits: Waiting, bodies: Mapping[int, int]) -> bool:
    """Whether each task that has begun, or is to begin, is a node or a body that waits. A retry
    that waits for its time does not.
    """
    if waits.is_ending() or not ready:
        return False
    return ready <= waits.resting() | _bodies_that_wait(waits, bodies)


def _bodies_that_wait(waits: Waiting, bodies: Mapping[int, int]) -> set[int]:
    """The tasks whose bodies are here and wait for nothing else, as a child run would be."""
    attended = waits.attended()
    return {task for task, count in bodies.items() if count and count == attended[task]}
