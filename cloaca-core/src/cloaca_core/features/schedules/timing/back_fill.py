"""Back-fill: chooses past ticks of a period to run now, on a user's request.

Ignores whether the schedule is enabled, and its catch-up policy: a user who names a period wants
its ticks. No tick runs twice, and none before its time.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from cloaca_core.errors import ScheduleError
from cloaca_core.features.schedules.timing.timing import Timing
from cloaca_core.values.times.instants import Instant, to_datetime

MOST_TICKS: Final = 100_000
"""Upper bound of ticks in one period: more than two months of minutes."""


@dataclass(frozen=True, slots=True)
class BackFill:
    """The chosen ``ticks``, oldest first; the ticks that have run ``already``; and the ticks
    ``left``, beyond the limit.
    """

    ticks: tuple[Instant, ...]
    already: int
    left: int


def back_fill(ticks: Sequence[Instant], *, fired: Collection[Instant], limit: int) -> BackFill:
    """Choose the first ``limit`` of these ticks that are not among ``fired``."""
    known = frozenset(fired)
    missing = [tick for tick in ticks if tick not in known]
    run = tuple(missing[:limit])
    return BackFill(run, len(ticks) - len(missing), len(missing) - len(run))


def check_period(timing: Timing, start: Instant, end: Instant, now: Instant) -> None:
    """Refuse a period, from ``start`` on and before ``end``, that cannot be back-filled."""
    if start < 0:
        raise ScheduleError(f"start must not be before 1970, got {to_datetime(start)}")
    if start >= end:
        raise ScheduleError(
            f"end must be after start, got {to_datetime(start)} to {to_datetime(end)}"
        )
    coming = timing.next_tick(max(now, start - 1))
    if coming is not None and coming < end:
        raise ScheduleError(
            f"end must not be after a tick that is still to come: {to_datetime(coming)} is, at "
            f"{to_datetime(now)}"
        )
    count = timing.count(start - 1, end - 1)
    if count > MOST_TICKS:
        raise ScheduleError(
            f"start and end must have at most {MOST_TICKS} ticks between them, they have {count}"
        )
