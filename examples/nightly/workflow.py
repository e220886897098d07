"""The work of each night: add up the day that is over, then write the report.

The tick decides which day that is, never the clock: a run that starts late, because everything was
down at two, still closes its own day. The report is named after the day, so a step that runs again
after a crash replaces the file.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import cloaca

from .shops import sales_of

NAME = "close_the_day"

with cloaca.WorkflowBuilder(NAME) as builder:
    builder.description("Add up the day that is over and report it")

    @cloaca.task
    def add_up(context: cloaca.Context) -> None:
        """Add up this shop's sales; the schedule's params have its name."""
        sales = sales_of(context["shop"])
        context.set("total", f"{sum(sales) / 100:.2f}")
        context.set("count", len(sales))

    @cloaca.task(dependencies=[add_up])
    def report(context: cloaca.Context) -> None:
        """Write the report completely or not at all: beside its place, then move it there."""
        day = day_that_is_over(context["scheduled_time"], context["schedule_timezone"])
        path = Path(context["folder"]) / f"{context['shop']}-{day}.txt"
        unfinished = path.with_suffix(".part")
        unfinished.write_text(f"{context['count']} sales, {context['total']}\n", encoding="utf-8")
        unfinished.replace(path)
        context.set("report", str(path))


def day_that_is_over(scheduled_time: str, timezone: str) -> date:
    """The day before the tick, in the shop's own time zone."""
    local = datetime.fromisoformat(scheduled_time).astimezone(ZoneInfo(timezone))
    return local.date() - timedelta(days=1)
