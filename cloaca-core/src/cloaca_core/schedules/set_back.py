"""Moves a schedule's cursor back after the clock was ahead.

Ticks are decided up to the present at most, so a cursor in the future comes of a clock that was put
back since. Left alone, the schedule would be silent until that time really comes. No tick runs
twice for this: those that were decided have their rows.
"""

from __future__ import annotations

from typing import Final

from cloaca_core.values.instants import SECOND, Instant

AHEAD: Final = 60 * SECOND
"""A cursor that is no further ahead is waited for: clocks differ a little, and are corrected."""
MOST_AHEAD: Final = 1_000
"""Schedules that are set back in one go."""


def is_ahead(cursor: Instant, now: Instant) -> bool:
    """Whether the time up to which ticks were decided is one that only another clock explains."""
    return cursor > now + AHEAD


def cursor_set_back(changed_at: Instant, newest: Instant | None, now: Instant) -> Instant:
    """The last instant whose ticks are known to be decided. ``newest`` is the newest tick up to now
    that was decided; ``changed_at`` is when the schedule was changed, which begins anew with that.

    So ticks that passed while the clock was ahead are missed ones, for which there is a policy. Of
    a change in the future nothing is known but that the schedule is there now.
    """
    if changed_at > now:
        return now
    return changed_at if newest is None else max(changed_at, newest)
