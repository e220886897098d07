"""A period as a calendar: the days on which a back-fill makes runs, and what the others have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from cloaca_tools.views.schedules import PeriodTick

MOST_DAYS: Final = 92
"""A longer period has a cell for each month."""
WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

Kind = Literal["make", "has", "none", "out"]


@dataclass(frozen=True, slots=True)
class Cell:
    """A day, or a month. ``make`` is how many runs it would get, ``states`` are those of the runs
    that it has, with their number, ``without`` counts ticks that were skipped or whose runs were
    deleted. A cell of ``kind`` "out" is outside the period, "none" has no tick.
    """

    label: str
    title: str
    kind: Kind
    make: int = 0
    states: tuple[tuple[str, int], ...] = ()
    without: int = 0


@dataclass(frozen=True, slots=True)
class Calendar:
    """Cells in rows of seven days, with ``heads``, or months without."""

    heads: tuple[str, ...]
    cells: tuple[Cell, ...]


def calendar(
    first: date, last: date, ticks: Sequence[PeriodTick], make: Collection[str]
) -> Calendar:
    """The days from ``first`` to ``last``, both included. ``make`` has the instants of the ticks
    that get a run, as ISO texts in UTC.
    """
    if (last - first).days >= MOST_DAYS:
        return Calendar((), tuple(_months(ticks, make)))
    of_day: dict[date, list[PeriodTick]] = {}
    for each in ticks:
        of_day.setdefault(each.at.date(), []).append(each)
    begins = first - timedelta(days=first.weekday())
    ends = last + timedelta(days=6 - last.weekday())
    days = [begins + timedelta(days=n) for n in range((ends - begins).days + 1)]
    cells = [_day(day, first <= day <= last, of_day.get(day, []), make) for day in days]
    return Calendar(WEEKDAYS, tuple(cells))


def _day(day: date, inside: bool, ticks: Sequence[PeriodTick], make: Collection[str]) -> Cell:
    label = f"{day.day} {day:%b}" if day.day == 1 else str(day.day)
    title = f"{day:%A} {day.day} {day:%B}"
    return _cell(label, title, ticks, make) if inside else Cell(label, title, "out")


def _months(ticks: Sequence[PeriodTick], make: Collection[str]) -> Iterable[Cell]:
    of_month: dict[tuple[int, int], list[PeriodTick]] = {}
    for each in ticks:
        of_month.setdefault((each.at.year, each.at.month), []).append(each)
    for (year, month), found in of_month.items():
        first = date(year, month, 1)
        yield _cell(f"{first:%b} {year}", f"{first:%B} {year}", found, make)


def _cell(label: str, title: str, ticks: Sequence[PeriodTick], make: Collection[str]) -> Cell:
    if not ticks:
        return Cell(label, title, "none")
    new = sum([key(each) in make for each in ticks])
    states = Counter([str(each.run.status) for each in ticks if each.run is not None])
    without = len([each for each in ticks if each.run is None]) - new
    return Cell(label, title, "make" if new else "has", new, tuple(states.items()), max(0, without))


def key(tick: PeriodTick) -> str:
    """The instant of a tick as a back-fill names it."""
    return tick.at.astimezone(UTC).isoformat()
