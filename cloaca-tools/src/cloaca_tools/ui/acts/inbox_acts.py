"""Decides approvals, and resumes runs that a failure has paused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloaca_core.errors import (
    AlreadyDecidedError,
    ConfigError,
    ContextError,
    RunEndedError,
    RunStateError,
)
from cloaca_core.features.steering.operations import Resume
from cloaca_core.features.waits.operations import Approve
from cloaca_tools.ui.forms.entered_data import decision_data, rearranged
from cloaca_tools.ui.forms.form_texts import given_to, item_of, needed, object_of
from cloaca_tools.ui.pages.inbox import Late, Wrong, shown
from cloaca_tools.ui.visit import Address, Visit

if TYPE_CHECKING:
    from starlette.responses import Response

_NOT_RECORDED: Final = "Your choice was not recorded."


async def decide(visit: Visit) -> Response:
    """Send the decision of an approval."""
    given = await given_to(visit)
    run_id, task = needed(given, "run"), needed(given, "task")
    note, item = given.get("note", "").strip(), item_of(given)
    asked = await visit.site.observer.question(run_id, task, item)
    schema = None if asked is None else asked.schema
    if (fields := rearranged(schema, given)) is not None:
        return await shown(visit, wrong=Wrong(run_id, task, fields, note, item=item))
    choice = needed(given, "choice")
    data = decision_data(schema, choice, given)
    if not data.is_right:
        return await shown(
            visit, 422, wrong=Wrong(run_id, task, data.fields, note, error=data.error, item=item)
        )
    try:
        await visit.site.do(
            Approve(run_id, task, choice, data.value, note or None, visit.visitor.name, item)
        )
    except (AlreadyDecidedError, RunEndedError) as error:
        return await shown(visit, 409, late=_late(visit, error))
    except (ConfigError, ContextError) as error:
        return await shown(
            visit, 422, wrong=Wrong(run_id, task, data.fields, note, error=str(error), item=item)
        )
    return visit.back_to(visit.paths.page("inbox", run=run_id, task=task))


def _late(visit: Visit, error: AlreadyDecidedError | RunEndedError) -> Late:
    if isinstance(error, AlreadyDecidedError) and error.by is not None and error.at is not None:
        when = visit.clock.when(error.at)
        return Late(f"{error.by} was faster.", f"It was decided at {when}. {_NOT_RECORDED}")
    if isinstance(error, AlreadyDecidedError):
        return Late("It is decided already.", _NOT_RECORDED)
    return Late(f"The run is {error.status} already.", _NOT_RECORDED)


async def resume(visit: Visit) -> Response:
    """Give the task of a paused run fresh attempts, with other values of some keys."""
    given = await given_to(visit)
    run_id, text = needed(given, "run"), given.get("context", "").strip()
    try:
        context = object_of(text, "context") or None
        done = await visit.site.do(Resume(run_id, context, by=visit.visitor.name))
    except RunStateError as error:
        return await shown(
            visit, 409, late=Late(f"The run is {error.status} now.", "Nothing changed.")
        )
    except (ConfigError, ContextError) as error:
        return await shown(visit, 422, wrong=Wrong(run_id, context=text, error=str(error)))
    if not done.changed:
        gone = Late(f"The run is {done.status} already.", "It was resumed before.")
        return await shown(visit, 409, late=gone)
    return visit.back_to(visit.paths.page("inbox", run=run_id))


ROUTES: Final[tuple[Address, ...]] = (
    ("POST", "/inbox/decide", decide),
    ("POST", "/inbox/resume", resume),
)
