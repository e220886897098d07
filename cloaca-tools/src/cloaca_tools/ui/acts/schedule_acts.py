"""Adds, changes, runs, enables, disables, deletes and back-fills schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloaca_core.errors import CloacaError, RunnerClosedError, ScheduleError, StoreError
from cloaca_core.features.schedules.operations.backfill import RunBackfill, RunSchedule
from cloaca_core.features.schedules.operations.schedules import (
    ChangeSchedule,
    DeleteSchedule,
    EnableSchedule,
    PutSchedule,
)
from cloaca_core.values.error_prefixes import SCHEDULE, UPDATE
from cloaca_tools.ui.forms.form_texts import given_to, needed
from cloaca_tools.ui.forms.schedule_form import Settings, settings_of
from cloaca_tools.ui.pages import schedules as pages
from cloaca_tools.ui.pages.backfill import MOST
from cloaca_tools.ui.refusals import RefusedError
from cloaca_tools.ui.visit import Address, Visit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

    from cloaca_tools.views.schedules import ScheduleLine


async def add(visit: Visit) -> Response:
    """Add a schedule. A name that is taken is refused: that would change the other one."""
    given = await given_to(visit)
    if _only_asks(given):
        return await pages.new_form(visit, given)
    try:
        schedule_id = await _added(visit, given)
    except (RunnerClosedError, StoreError):
        raise
    except (CloacaError, ValueError) as error:
        return await pages.new_form(visit, given, error=_told(error))
    return visit.back_to(
        visit.paths.page(f"schedules/{schedule_id}", **visit.reporting(done="added"))
    )


def _only_asks(given: Mapping[str, str]) -> bool:
    """Whether the form asks, without a script, what its times mean. Its token stands in no address
    so.
    """
    return "explain" in given


async def _added(visit: Visit, given: Mapping[str, str]) -> str:
    name = given.get("name", "").strip()
    if name and await visit.site.observer.schedule_id(name) is not None:
        raise ValueError(f"There is a schedule {name!r} already.")
    return await visit.site.do(PutSchedule(name, *await _settings(visit, given)))


async def _settings(
    visit: Visit, given: Mapping[str, str], line: ScheduleLine | None = None
) -> Settings:
    known = await visit.site.observer.workflow_namespaces()
    return settings_of(given, known, visit.clock, visit.site.redact, visit.visitor.name, line)


def _told(error: Exception) -> str:
    """Why a form was refused, without the name of the call that refused it."""
    told = str(error)
    for prefix in (SCHEDULE, UPDATE):
        told = told.removeprefix(prefix)
    return told[:1].upper() + told[1:]


async def change(visit: Visit) -> Response:
    """Change the settings of a schedule."""
    given = await given_to(visit)
    if _only_asks(given):
        return await pages.edit_form(visit, given)
    line = (await pages.view_of(visit)).line
    try:
        await visit.site.do(ChangeSchedule(line.id, *await _settings(visit, given, line)))
    except (RunnerClosedError, StoreError):
        raise
    except (CloacaError, ValueError) as error:
        return await pages.edit_form(visit, given, error=_told(error))
    return visit.back_to(
        visit.paths.page(f"schedules/{line.id}", **visit.reporting(done="changed"))
    )


async def run(visit: Visit) -> Response:
    """Make a run of a schedule at once, and go on to it."""
    await given_to(visit)
    run_id = await visit.site.do(RunSchedule(await _known(visit), visit.visitor.name))
    return visit.back_to(visit.paths.run(run_id))


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
    ("POST", "/schedules/{schedule_id}/run", run),
    ("POST", "/schedules/{schedule_id}/switch", switch),
    ("POST", "/schedules/{schedule_id}/delete", delete),
    ("POST", "/schedules/{schedule_id}/backfill", backfill),
)
