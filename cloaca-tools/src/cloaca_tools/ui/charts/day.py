"""The ticks of the next 24 hours: a lane for each schedule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

WIDTH: Final = 1_440
"""Minutes: units of the ticks' drawing."""
_DAY: Final = 86_400
_HOURS: Final = 3
_EDGE: Final = 0.02
"""So near to an end of the day there is no room for a label."""
_DENSE: Final = 200
"""More ticks than these are drawn as a band: they would touch one another."""


@dataclass(frozen=True, slots=True)
class Hour:
    """A line of the grid at so many per cent from the left; ``odd`` ones have no label where there
    is little room.
    """

    x: str
    text: str
    odd: bool


@dataclass(frozen=True, slots=True)
class Lane:
    """The ticks of a schedule: a path, or a band ``dense`` of two numbers, where there are many."""

    path: str
    dense: tuple[int, int] | None


def hours(now: datetime, zone: tzinfo | None) -> tuple[Hour, ...]:
    """Each third full hour of a reader's clock within the day that begins now."""
    begins = now.astimezone(UTC)  # within a zone, arithmetic is that of its clock
    local = now.astimezone(zone)
    first = begins + timedelta(hours=1, minutes=-local.minute, seconds=-local.second)
    lines = []
    for number in range(24):
        at = first + timedelta(hours=number)
        share, hour = (at - begins).total_seconds() / _DAY, at.astimezone(zone).hour
        if hour % _HOURS == 0 and _EDGE < share < 1 - _EDGE:
            lines.append(Hour(f"{share * 100:.2f}%", f"{hour:02d}:00", hour % (2 * _HOURS) != 0))
    return tuple(lines)


def lane(ticks: Sequence[datetime], now: datetime, count: int) -> Lane:
    """The lane of ticks, the first of ``count``."""
    xs = [round((at - now).total_seconds() / 60) for at in ticks]
    if count > _DENSE and xs:
        last = WIDTH if count > len(xs) else xs[-1]
        return Lane("", (xs[0], max(1, last - xs[0])))
    return Lane("".join([f"M{x} 11v11" for x in xs]), None)
