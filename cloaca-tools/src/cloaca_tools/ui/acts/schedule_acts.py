"""Adds, changes, enables, disables, deletes and back-fills schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloaca_core.errors import CloacaError, RunnerClosedError, ScheduleError, StoreError
from cloaca_core.features.schedules.operations.backfill import RunBackfill
from cloaca_core.features.schedules.operations.schedules import (
    DeleteSchedule,
    EnableSchedule,
    PutSchedule,
    RetimeSchedule,
)
from cloaca_tools.ui.forms.form_texts import given_to, needed, object_of
from cloaca_tools.ui.pages import schedules as pages
from cloaca_tools.ui.pages.backfill import MOST
from cloaca_tools.ui.refusals import RefusedError
from cloaca_tools.ui.visit import Address, Visit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response


async def add(visit: Visit) -> Response:
    """Add a schedule. A name that is taken is refused: that would change the other one."""
    given = await given_to(visit)
    if _only_asks(given):
        return await pages.new_form(visit, given)
    try:
        schedule_id = await _added(visit, {name: text.strip() for name, text in given.items()})
    except (RunnerClosedError, StoreError):
        raise
    except (CloacaError, ValueError) as error:
        return await pages.new_form(visit, given, error=str(error))
    return visit.back_to(
        visit.paths.page(f"schedules/{schedule_id}", **visit.reporting(done="added"))
    )


def _only_asks(given: Mapping[str, str]) -> bool:
    """Whether the form asks, without a script, what its times mean. Its token stands in no address
    so.
    """
    return "explain" in given


async def _added(visit: Visit, given: Mapping[str, str]) -> str:
    name = given.get("name", "")
    if name and await visit.site.observer.schedule_id(name) is not None:
        raise ValueError(f"There is a schedule {name!r} already.")
    jitter = given.get("jitter", "")
    operation = PutSchedule(
        name,
        given.get("workflow", ""),
        given.get("cron", ""),
        given.get("timezone", "") or "UTC",
        object_of(given.get("params", ""), "context"),
        catchup_policy=given.get("catchup") or None,
        overlap_policy=given.get("overlap") or None,
        jitter_seconds=_seconds(jitter) if jitter else None,
        queue=given.get("queue") or None,
        by=visit.visitor.name,
    )
    return await visit.site.do(operation)


def _seconds(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    raise ValueError("The spread must be a number of seconds.")


async def change(visit: Visit) -> Response:
    """Change when a schedule ticks."""
    given = await given_to(visit)
    if _only_asks(given):
        return await pages.edit_form(visit, given)
    schedule_id = await _known(visit)
    cron, zone = given.get("cron", "").strip(), given.get("timezone", "").strip()
    try:
        await visit.site.do(RetimeSchedule(schedule_id, cron, zone, visit.visitor.name))
    except ScheduleError as error:
        return await pages.edit_form(visit, given, error=str(error))
    return visit.back_to(
        visit.paths.page(f"schedules/{schedule_id}", **visit.reporting(done="changed"))
    )


async def switch(visit: Visit) -> Response:
    """Enable or disable a schedule."""
    given = await given_to(visit)
    schedule_id = await _known(visit)
    enabled = needed(given, "enabled") == "yes"
    await visit.site.do(EnableSchedule(schedule_id, enabled, visit.visitor.name))
    return visit.back_to(_back(visit, given, schedule_id))


def _back(visit: Visit, given: Mapping[str, str], schedule_id: str) -> str:
    """The page that the form was on."""
    one = given.get("on") == "one"
    return visit.paths.page(f"schedules/{schedule_id}" if one else "schedules")


async def delete(visit: Visit) -> Response:
    """Delete a schedule."""
    await given_to(visit)
    await visit.site.do(DeleteSchedule(await _known(visit), visit.visitor.name))
    return visit.back_to(visit.paths.page("schedules", **visit.reporting(done="deleted")))


async def backfill(visit: Visit) -> Response:
    """Make the runs of a period that its preview has shown."""
    given = await given_to(visit)
    schedule_id = await _known(visit)
    start, end = needed(given, "start"), needed(given, "end")
    try:
        made = await visit.site.do(RunBackfill(schedule_id, start, end, MOST, visit.visitor.name))
    except ScheduleError as error:
        raise RefusedError(422, "This period cannot be back-filled", str(error)) from error
    told = visit.reporting(done="filled", made=len(made.run_ids))
    return visit.back_to(visit.paths.page(f"schedules/{schedule_id}", **told))


async def _known(visit: Visit) -> str:
    """The id of the schedule in the address; ``RefusedError`` 404 if there is none."""
    return (await pages.view_of(visit)).line.id


ROUTES: Final[tuple[Address, ...]] = (
    ("POST", "/schedules/new", add),
    ("POST", "/schedules/{schedule_id}/edit", change),
    ("POST", "/schedules/{schedule_id}/switch", switch),
    ("POST", "/schedules/{schedule_id}/delete", delete),
    ("POST", "/schedules/{schedule_id}/backfill", backfill),
)
