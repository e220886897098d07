"""The preview of a back-fill: which ticks of a period would get a run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import MAXYEAR, UTC, date, datetime, time, timedelta, tzinfo
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from cloaca_core.errors import ScheduleError
from cloaca_core.features.schedules.operations.backfill import PreviewBackfill
from cloaca_tools.ui.charts.calendar import Calendar, calendar
from cloaca_tools.ui.pages.schedules import view_of
from cloaca_tools.ui.visit import Address, Visit

if TYPE_CHECKING:
    from starlette.responses import Response

    from cloaca_core.features.schedules.results import Backfill

MOST: Final = 1_000
"""Runs of one back-fill."""
USUAL: Final = timedelta(days=13)
_FIRST_YEAR: Final = 1971
"""No zone's clock has a day of it before 1970, where ticks begin."""


@dataclass(frozen=True, slots=True)
class Days:
    """A period in whole days of a schedule's zone, both included, that ends by now; as instants it
    is from ``start`` on and before ``end``.
    """

    first: date
    last: date
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Preview:
    """A preview of a back-fill, as a calendar."""

    plan: Backfill
    calendar: Calendar
    marked_all: bool


async def backfill(visit: Visit) -> Response:
    """The page of the preview, for the period in the address."""
    view = await view_of(visit)
    zone, now = ZoneInfo(view.line.timezone), datetime.fromisoformat(view.at)
    days, error, preview = None, "", None
    try:
        days = days_of(visit.query("from"), visit.query("to"), zone, now)
        preview = await _preview(visit, view.line.id, days)
    except (ScheduleError, ValueError) as refused:
        error = str(refused)
    today = now.astimezone(zone).date()
    return await visit.page(
        "backfill.html",
        422 if error else 200,
        line=view.line,
        days=days,
        preview=preview,
        error=error,
        first=visit.query("from") or (days.first.isoformat() if days else ""),
        last=visit.query("to") or (days.last.isoformat() if days else ""),
        today=today.isoformat(),
        still=True,
    )


def days_of(first: str, last: str, zone: tzinfo, now: datetime) -> Days:
    """The period of an address, else the last two weeks; ValueError for what is no date."""
    today = now.astimezone(zone).date()
    ends = min(_date(last), today) if last else today
    begins = _date(first) if first else ends - USUAL
    if begins > ends:
        raise ValueError("The period begins after its end, or in the future.")
    start = datetime.combine(begins, time(), zone).astimezone(UTC)
    end = datetime.combine(ends + timedelta(days=1), time(), zone).astimezone(UTC)
    return Days(begins, ends, start, min(end, now.astimezone(UTC)))


def _date(text: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"Write dates as 2026-03-29, not {text[:40]!r}.") from None
    if _FIRST_YEAR <= found.year < MAXYEAR:
        return found
    raise ValueError(f"A period has dates from {_FIRST_YEAR} on.")


async def _preview(visit: Visit, schedule_id: str, days: Days) -> Preview:
    plan = await visit.site.do(PreviewBackfill(schedule_id, days.start, days.end, MOST))
    period = await visit.site.observer.period(schedule_id, days.start, days.end)
    marks = calendar(days.first, days.last, period.ticks, frozenset(plan.scheduled_times))
    return Preview(plan, marks, len(period.ticks) == period.count)


ROUTES: Final[tuple[Address, ...]] = (("GET", "/schedules/{schedule_id}/backfill", backfill),)
