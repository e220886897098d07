"""Acts on a run. Each goes back to the run, a fork to the new one; the visitor's name is in the log
of actions.
"""

from __future__ import annotations

from typing import Any, Final

from starlette.datastructures import FormData
from starlette.responses import Response

from cloaca_core.errors import ConfigError, ContextValueError, RunStateError
from cloaca_core.features.reruns.operations import Fork, Retry
from cloaca_core.features.steering.operations import Cancel, Pause, Resume
from cloaca_core.features.waits.operations import Approve, Send
from cloaca_tools.ui.asking import Address, Ask
from cloaca_tools.ui.forms.form_texts import json_of, object_of
from cloaca_tools.ui.forms.schema_fields import decision_data
from cloaca_tools.ui.pages import pane, plans
from cloaca_tools.ui.refusals import RefusedError

_LONGEST: Final = 255
"""Characters of a reason or a note, as the log of actions takes them."""


async def cancel(ask: Ask) -> Response:
    """Cancel a run, with its children unless the form leaves them out; goes back to the inbox if
    the form was opened there.
    """
    form = await ask.form()
    run_id = await _run_id(ask)
    children = "children" in form or "asked" not in form
    await ask.desk.do(Cancel(run_id, _reason(form), children=children, by=ask.visitor.name))
    if _text(form, "from") == plans.INBOX:
        return ask.back_to(ask.paths.page(plans.INBOX, run=run_id))
    return _back(ask, run_id, form)


async def pause(ask: Ask) -> Response:
    """Pause a run, perhaps until an instant."""
    form = await ask.form()
    run_id = await _run_id(ask)
    until = _text(form, "until") or None
    await ask.desk.do(Pause(run_id, _reason(form), until, by=ask.visitor.name))
    return _back(ask, run_id, form)


async def resume(ask: Ask) -> Response:
    """Let a paused run go on, perhaps with other values of keys."""
    form = await ask.form()
    run_id = await _run_id(ask)
    context = object_of(_text(form, "context"), "context") or None
    await ask.desk.do(Resume(run_id, context, _reason(form), ask.visitor.name))
    return _back(ask, run_id, form)


async def retry(ask: Ask) -> Response:
    """Begin the next round, as the plan says that the form shows; show a new plan if other tasks
    are chosen than those that it is for.
    """
    form = await ask.form()
    tasks, planned = _texts(form, "task"), _texts(form, "planned")
    if "replan" in form or set(tasks) != set(planned):
        return await plans.retry_page(ask, tasks, _filled(form))
    run_id = await _run_id(ask)
    chosen = None if "default" in form or not tasks else tasks
    await ask.desk.do(Retry(run_id, chosen, reason=_reason(form), by=ask.visitor.name))
    return _back(ask, run_id, form)


async def fork(ask: Ask) -> Response:
    """Make a new run from a task on; goes to the new run."""
    form = await ask.form()
    task, planned = _text(form, "task"), _texts(form, "planned")
    if "replan" in form or (planned and planned != [task]) or not task:
        return await plans.fork_page(ask, task, _filled(form))
    run_id = await _run_id(ask)
    try:
        context = object_of(_text(form, "context"), "context") or None
        made, _ = await ask.desk.do(
            Fork(run_id, task, context, reason=_reason(form), by=ask.visitor.name)
        )
    except (ContextValueError, ConfigError) as error:
        return await plans.fork_page(ask, task, _filled(form), {"context": str(error)})
    return ask.back_to(ask.paths.run(made))


async def send(ask: Ask) -> Response:
    """Send an event to a run."""
    form = await ask.form()
    run_id = await _run_id(ask)
    event, text = _text(form, "event"), _text(form, "payload")
    try:
        payload = json_of(text, "payload")
        key = _text(form, "key") or None
        await ask.desk.do(Send(run_id, event, payload, key, ask.visitor.name))
    except RunStateError:
        raise
    except (ConfigError, ContextValueError) as error:
        return await _again(ask, form, "send", event=event, payload=text, error=str(error))
    return _back(ask, run_id, form)


async def approve(ask: Ask) -> Response:
    """Decide an approval that is open."""
    form = await ask.form()
    run_id = await _run_id(ask)
    task, choice, note = _text(form, "task"), _text(form, "choice"), _text(form, "note")
    details = await pane.task_of(ask, run_id, task)
    if details.question is None:
        raise RefusedError(404, "There is no such approval", f"{task} asks for no decision.")
    given = {name: text for name, text in form.items() if isinstance(text, str)}
    data = decision_data(details.question.schema, choice, given)
    if not data.is_right:
        return await _again(ask, form, "approve", fields=data.fields, note=note, error=data.error)
    try:
        await ask.desk.do(
            Approve(
                run_id,
                _text(form, "approval") or task,
                choice,
                data.value,
                _bounded("note", note) or None,
                ask.visitor.name,
            )
        )
    except RunStateError:
        raise
    except (ConfigError, ContextValueError) as error:
        return await _again(ask, form, "approve", fields=data.fields, note=note, error=str(error))
    return _back(ask, run_id, form)


# -- answers -------------------------------------------------------------------------------------


def _back(ask: Ask, run_id: str, form: FormData) -> Response:
    """The page of the run, at the task where the form stood."""
    tasks = _texts(form, "task")
    return ask.back_to(ask.paths.run(run_id, task=tasks[0] if len(tasks) == 1 else ""))


async def _again(ask: Ask, form: FormData, act: str, **facts: Any) -> Response:
    """The form once more, with what was filled in and what is wrong with it."""
    tree = await ask.desk.observer.tree(ask.request.path_params["run_id"], depth=0)
    shown = await pane.facts(ask, tree, _text(form, "task"))
    if shown is None or shown.task != _text(form, "task"):
        raise RefusedError(422, "This form cannot be read", facts["error"])
    heading = "Decision" if act == "approve" else f"Send {facts['event']}"
    return await ask.page(
        "run/plan.html",
        422,
        run=tree.run,
        body="run/answer_body.html",
        back=ask.paths.run(tree.run.id),
        heading=heading,
        lede=shown.task,
        act=act,
        pane=shown,
        **facts,
    )


def _filled(form: FormData) -> dict[str, str]:
    return {"context": _text(form, "context"), "reason": _text(form, "reason")}


# -- fields --------------------------------------------------------------------------------------


async def _run_id(ask: Ask) -> str:
    return await ask.desk.observer.resolve(ask.request.path_params["run_id"])


def _given(form: FormData, name: str) -> str | None:
    """The text of a field; None where it is not there. Files are not taken."""
    value = form.get(name)
    return value if isinstance(value, str) else None


def _text(form: FormData, name: str) -> str:
    return (_given(form, name) or "").strip()


def _texts(form: FormData, name: str) -> list[str]:
    return [each for each in form.getlist(name) if isinstance(each, str) and each]


def _reason(form: FormData) -> str | None:
    return _bounded("reason", _text(form, "reason")) or None


def _bounded(name: str, text: str) -> str:
    if len(text) > _LONGEST:
        raise RefusedError(422, f"This {name} is too long", f"It may have {_LONGEST:,} characters.")
    return text


ROUTES: Final[tuple[Address, ...]] = (
    ("POST", "/runs/{run_id}/cancel", cancel),
    ("POST", "/runs/{run_id}/pause", pause),
    ("POST", "/runs/{run_id}/resume", resume),
    ("POST", "/runs/{run_id}/retry", retry),
    ("POST", "/runs/{run_id}/fork", fork),
    ("POST", "/runs/{run_id}/send", send),
    ("POST", "/runs/{run_id}/approve", approve),
)
