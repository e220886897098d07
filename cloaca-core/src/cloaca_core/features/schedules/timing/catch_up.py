"""Chooses the ticks that run now: those due, and missed ones as the catch-up policy says.

Decides from the given times and keeps no state: the caller moves the schedule's cursor in the
transaction that fires the ticks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never

from cloaca_core.features.schedules.timing.timing import Timing
from cloaca_core.values.arguments import one_of
from cloaca_core.values.option_names import CatchupPolicyName
from cloaca_core.values.times.instants import SECOND, Instant

CatchUpPolicy: TypeAlias = CatchupPolicyName
GRACE: Final = 60 * SECOND
"""A tick that has been due for longer was missed."""

_POLICIES: Final[dict[str, CatchUpPolicy]] = {
    "skip": "skip",
    "run_once": "run_once",
    "run_all": "run_all",
}


@dataclass(frozen=True, slots=True)
class DueTick:
    """A tick that is to run now; ``recovered`` if it was missed when it was due."""

    tick: Instant
    recovered: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision about the ticks after a cursor.

    ``run`` are oldest first, ``lost`` is the number of missed ticks that will not run. Ticks up to
    ``cursor`` are decided by this; ``wake_at`` is when the next one is due, None for never.
    """

    run: tuple[DueTick, ...]
    lost: int
    cursor: Instant
    wake_at: Instant | None


def catch_up_policy(value: object) -> CatchUpPolicy:
    """Return the policy of this name; a DefinitionError lists them when there is none."""
    return one_of("catchup_policy", value, _POLICIES)


def decide(
    timing: Timing,
    policy: CatchUpPolicy,
    *,
    cursor: Instant,
    now: Instant,
    most: int,
) -> Decision:
    """Decide the ticks later than ``cursor`` that are due at ``now``.

    Ticks due for at most GRACE all run. Of the missed ones none run (skip), or the newest
    (run_once), or the newest ``most`` (run_all); ``most`` bounds run_once as well. After a clock
    was put back, nothing is decided until it has passed the cursor again.
    """
    missed_until = _missed_until(timing, cursor, now)
    fresh = [t for t in timing.between(missed_until, now) if timing.due_at(t) <= now]
    missed: list[Instant] = []
    if missed_until > cursor:
        missed = timing.newest(cursor, missed_until, _kept(policy, most))
    decided = max([missed_until, *fresh])
    return Decision(
        run=(
            *(DueTick(t, recovered=True) for t in missed),
            *(DueTick(t, recovered=False) for t in fresh),
        ),
        lost=timing.count(cursor, missed_until) - len(missed),
        cursor=decided,
        wake_at=next_due(timing, decided),
    )


def next_due(timing: Timing, cursor: Instant) -> Instant | None:
    """The instant at which the first tick later than ``cursor`` is due."""
    tick = timing.next_tick(cursor)
    return None if tick is None else timing.due_at(tick)


def _missed_until(timing: Timing, cursor: Instant, now: Instant) -> Instant:
    """The end of the missed ticks: those after the cursor and up to this one were missed.

    Each tick is due before the next one, so only the newest old one can still be in time.
    """
    edge = now - GRACE
    first = timing.next_tick(cursor)
    # The usual case: the loop is in time and no tick was missed.
    if first is None or first >= edge:
        return cursor
    for newest in timing.newest(cursor, edge - 1, 1):
        if timing.due_at(newest) >= edge:
            return newest - 1
    return edge - 1


def _kept(policy: CatchUpPolicy, most: int) -> int:
    """The greatest number of missed ticks that run."""
    match policy:
        case "skip":
            return 0
        case "run_once":
            return min(1, most)
        case "run_all":
            return most
        case _:
            assert_never(policy)
