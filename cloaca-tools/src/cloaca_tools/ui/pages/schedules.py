"""Schedules: all of them, one with its history, and the form that adds or changes one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from cloaca_core.errors import CronExpressionError, ScheduleError
from cloaca_core.features.schedules.timing.explain import ScheduleExplanation, explain_schedule
from cloaca_tools.masking import masked
from cloaca_tools.ui.charts.day import Hour, Lane, hours, lane
from cloaca_tools.ui.charts.strip import Strip, strip
from cloaca_tools.ui.forms.schedule_form import FIELDS, NEW, choices, texts_of
from cloaca_tools.ui.paths import number_in
from cloaca_tools.ui.refusals import RefusedError
from cloaca_tools.ui.visit import Address, Visit

if TYPE_CHECKING:
    from starlette.responses import Response

    from cloaca_core.values.payloads.json_values import JsonValue
    from cloaca_core.values.payloads.redaction import Redact
    from cloaca_tools.views.schedules import ScheduleLine, ScheduleView, TickLine

PAGE: Final = 30
LANES: Final = 10
LATELY: Final = 20
"""Ticks of the strip of a schedule in the list."""
STRIP: Final = 60
"""The same on its own page."""
SHOWN: Final = 50
"""Ticks of a history that are shown at once."""
_LINES: Final = 60
_LATE: Final = 60
_NO_TIMES: Final = "Nothing was saved: its times are wrong."
_SAID: Final[Mapping[str, str]] = {
    "deleted": "The schedule is deleted. Its runs and their history stay.",
    "added": "The schedule is there. Its first tick makes a run.",
    "changed": "The schedule is changed. Other times count from now on.",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A schedule in the list."""

    line: ScheduleLine
    strip: Strip
    late: bool


@dataclass(frozen=True, slots=True)
class Day:
    """The next 24 hours: a lane for each schedule that ticks then, the busiest last."""

    hours: tuple[Hour, ...]
    lanes: tuple[tuple[ScheduleLine, Lane], ...]
    hidden: int


@dataclass(frozen=True, slots=True)
class Form:
    """The form of a schedule as it was filled in, what its times mean, and why it was refused."""

    given: Mapping[str, str]
    explanation: ScheduleExplanation | None
    wrong: str
    error: str = ""


async def schedules(visit: Visit) -> Response:
    """The page of all schedules."""
    offset = visit.number("after")
    found = await visit.site.observer.schedules(limit=PAGE, offset=offset)
    on = [line for line in found.schedules if line.enabled]
    return await visit.page(
        "schedules.html",
        found=found,
        rows=[
            Row(line, _strip(line.ticks, LATELY), line.enabled and is_late(line, found.at))
            for line in found.schedules
        ],
        day=_day(on, datetime.fromisoformat(found.at), visit) if not offset else None,
        on=len(on),
        next=min([t for line in on if (t := line.next_tick) and t > found.at], default=None),
        late=len([line for line in on if is_late(line, found.at)]),
        after=offset + PAGE if found.more else None,
        said=_SAID.get(visit.reported.get("done", ""), ""),
    )


def is_late(line: ScheduleLine, now: str) -> bool:
    """Whether a tick is due for more than a minute: no runner that is up has the workflow."""
    if line.due_at is None:
        return False
    late = datetime.fromisoformat(now) - datetime.fromisoformat(line.due_at)
    return late.total_seconds() > _LATE


def _strip(ticks: Sequence[TickLine], most: int) -> Strip:
    """The strip of the newest ticks."""
    statuses = [None if each.run is None else each.run.status for each in ticks[-most:]]
    return strip(statuses, min(most, LATELY), "tick")


def _day(lines: Sequence[ScheduleLine], now: datetime, visit: Visit) -> Day | None:
    busy = sorted([line for line in lines if line.day], key=lambda line: line.day[0])
    if not busy:
        return None
    lanes = [
        (line, lane([datetime.fromisoformat(each) for each in line.day], now, line.in_day))
        for line in busy[:LANES]
    ]
    zone = visit.clock.local(now.isoformat()).tzinfo
    return Day(hours(now, zone), tuple(lanes), len(busy) - len(lanes))


async def schedule(visit: Visit) -> Response:
    """The page of one schedule."""
    view = await view_of(visit)
    ticks = view.line.ticks[::-1]
    before = visit.number("before")
    made = number_in(visit.reported, "made")
    return await visit.page(
        "schedule.html",
        view=view,
        line=view.line,
        strip=_strip(view.line.ticks, STRIP),
        ticks=ticks[before : before + SHOWN],
        older=before + SHOWN if len(ticks) > before + SHOWN else None,
        late=view.line.enabled and is_late(view.line, view.at),
        counts=_counts(ticks),
        params=_lines(view.line.params, visit.site.redact),
        made=made,
        said=_SAID.get(visit.reported.get("done", ""), ""),
    )


def _lines(params: Mapping[str, JsonValue], redact: Redact) -> list[str]:
    """The context of a schedule's runs as lines of JSON, without secrets; none of an empty one."""
    text = json.dumps(masked(params, redact), indent=2, ensure_ascii=False)
    return text.split("\n")[:_LINES] if params else []


def _counts(ticks: Sequence[TickLine]) -> dict[str, int]:
    """How many of these ticks came to which end."""
    counts = {"Completed": 0, "Failed": 0, "Skipped": 0, "Backfilled": 0}
    for each in ticks:
        if each.outcome in counts:
            counts[each.outcome] += 1
        if each.run is not None and each.run.status in counts:
            counts[each.run.status] += 1
    return counts


async def view_of(visit: Visit) -> ScheduleView:
    """The schedule that the address names; ``RefusedError`` 404 if there is none."""
    try:
        return await visit.site.observer.schedule(visit.request.path_params["schedule_id"])
    except ScheduleError as error:
        raise RefusedError(404, "There is no such schedule", str(error), "schedules") from error


# -- forms ---------------------------------------------------------------------------------------


async def new(visit: Visit) -> Response:
    """The form of a new schedule. Its times are explained as they are written."""
    given = dict(visit.request.query_params)
    if visit.wants == "explanation":
        return await explanation(visit, given)
    return await new_form(visit, given)


async def new_form(visit: Visit, given: Mapping[str, str], *, error: str = "") -> Response:
    """The form as it was filled in; with ``error`` it was refused."""
    return await _form_page(visit, {**NEW, **given}, error, None)


async def edit(visit: Visit) -> Response:
    """The form by which a schedule changes."""
    given = dict(visit.request.query_params)
    if visit.wants == "explanation":
        return await explanation(visit, given)
    return await edit_form(visit, given)


async def edit_form(visit: Visit, given: Mapping[str, str], *, error: str = "") -> Response:
    """The form as it was filled in; with ``error`` it was refused."""
    visit.must_act()
    line = (await view_of(visit)).line
    known = texts_of(line, visit.clock, visit.site.redact)
    return await _form_page(visit, {**known, **given}, error, line)


async def _form_page(
    visit: Visit, given: Mapping[str, str], error: str, line: ScheduleLine | None
) -> Response:
    """The form of a new schedule, or of ``line``."""
    visit.must_act()
    form = await visit.on_thread(form_of, given, error)
    known = await visit.site.observer.workflow_namespaces()
    return await visit.page(
        "schedule_form.html",
        422 if error else 200,
        line=line,
        form=form,
        workflows=choices(known, "" if line is None else line.workflow),
        still=True,
    )


async def explanation(visit: Visit, given: Mapping[str, str]) -> Response:
    """The explanation of the times of a form, alone."""
    return await visit.page("parts/explanation.html", form=await visit.on_thread(form_of, given))


def form_of(given: Mapping[str, str], error: str = "") -> Form:
    """A form with what its times mean, or why they mean nothing; takes its time. A refusal that
    says the same of its times is told once, at these.
    """
    given = {name: given.get(name, "") for name in FIELDS}
    cron, zone = given.get("cron", "").strip(), given.get("timezone", "").strip() or "UTC"
    if not cron:
        return Form(given, None, "", error)
    try:
        found = explain_schedule(cron, zone)
    except CronExpressionError as wrong:
        return Form(given, None, str(wrong), _NO_TIMES if str(wrong) in error else error)
    return Form(given, found, "", error)


async def delete(visit: Visit) -> Response:
    """The question before a schedule is deleted."""
    visit.must_act()
    view = await view_of(visit)
    return await visit.page("schedule_delete.html", line=view.line, still=True)


ROUTES: Final[tuple[Address, ...]] = (
    ("GET", "/schedules", schedules),
    ("GET", "/schedules/new", new),
    ("GET", "/schedules/{schedule_id}", schedule),
    ("GET", "/schedules/{schedule_id}/edit", edit),
    ("GET", "/schedules/{schedule_id}/delete", delete),
)
