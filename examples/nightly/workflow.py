"""What is done each night: add up the day that is over, then write the report.

Which day that is says the tick, never the clock: a run that starts late, because everything was
down at two, still closes the day that it is for. The report's name is the day's, so a step that
runs again after a crash replaces the file.
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
        """Only this shop's sales: the name came with the schedule."""
        sales = sales_of(context["shop"])
        context.set("total", f"{sum(sales) / 100:.2f}")
        context.set("count", len(sales))

    @cloaca.task(dependencies=[add_up])
    def report(context: cloaca.Context) -> None:
        """Whole or not at all: written beside its place, then moved there."""
        day = day_that_is_over(context["scheduled_time"], context["schedule_timezone"])
        path = Path(context["folder"]) / f"{context['shop']}-{day}.txt"
        unfinished = path.with_suffix(".part")
        unfinished.write_text(f"{context['count']} sales, {context['total']}\n", encoding="utf-8")
        unfinished.replace(path)
        context.set("report", str(path))


def day_that_is_over(scheduled_time: str, timezone: str) -> date:
    """The day before the tick, as the shop's own calendar has it."""
    local = datetime.fromisoformat(scheduled_time).astimezone(ZoneInfo(timezone))
    return local.date() - timedelta(days=1)
