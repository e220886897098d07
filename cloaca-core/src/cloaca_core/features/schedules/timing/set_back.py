"""Moves a schedule's cursor back after the clock was ahead.

Ticks are decided up to the present at most, so a cursor in the future means that the clock has been
put back since. Unchanged, the schedule would not fire until that time really comes. No tick runs
twice because of this: decided ticks have their rows.
"""

from __future__ import annotations

from typing import Final

from cloaca_core.values.times.instants import SECOND, Instant

AHEAD: Final = 60 * SECOND
"""A cursor no further ahead than this stays: clocks differ a little and are corrected."""
MOST_AHEAD: Final = 1_000
"""Number of schedules that are set back in one step."""


def is_ahead(cursor: Instant, now: Instant) -> bool:
    """True when ticks were decided so far in the future that the clock must have been wrong."""
    return cursor > now + AHEAD


def cursor_set_back(changed_at: Instant, newest: Instant | None, now: Instant) -> Instant:
    """The last instant up to which ticks are known to be decided.

    ``newest`` is the newest decided tick up to now; ``changed_at`` is when the schedule was last
    changed, which starts it anew. So ticks that passed while the clock was ahead count as missed,
    and the catch-up policy decides. A ``changed_at`` in the future counts as now.
    """
    if changed_at > now:
        return now
    return changed_at if newest is None else max(changed_at, newest)
