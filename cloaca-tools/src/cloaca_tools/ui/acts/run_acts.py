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
from cloaca_tools.ui.forms.edited_input import edits_of
from cloaca_tools.ui.forms.entered_data import decision_data, rearranged
from cloaca_tools.ui.forms.fork_input import typed_input
from cloaca_tools.ui.forms.form_texts import given_to, item_of, json_of, object_of
from cloaca_tools.ui.pages import pane, plans
from cloaca_tools.ui.refusals import RefusedError
from cloaca_tools.ui.visit import Address, Visit

_LONGEST: Final = 255
"""Characters of a reason or a note, as the log of actions takes them."""
_ASKS: Final = frozenset(["replan", "as", "add", "remove"])
"""What a form has that asks for other inputs, not for a fork."""


async def cancel(visit: Visit) -> Response:
    """Cancel a run, with its children unless the form leaves them out; goes back to the inbox if
    the form was opened there.
    """
    form = await visit.form()
    run_id = await _run_id(visit)
    children = "children" in form or "asked" not in form
    await visit.site.do(Cancel(run_id, _reason(form), children=children, by=visit.visitor.name))
    if _text(form, "from") == plans.INBOX:
        return visit.back_to(visit.paths.page(plans.INBOX, run=run_id))
    return _back(visit, run_id, form)


async def pause(visit: Visit) -> Response:
    """Pause a run, perhaps until an instant."""
    form = await visit.form()
    run_id = await _run_id(visit)
    until = _text(form, "until") or None
    await visit.site.do(Pause(run_id, _reason(form), until, by=visit.visitor.name))
    return _back(visit, run_id, form)


async def resume(visit: Visit) -> Response:
    """Let a paused run go on, perhaps with other values of keys."""
    form = await visit.form()
    run_id = await _run_id(visit)
    context = object_of(_text(form, "context"), "context") or None
    await visit.site.do(Resume(run_id, context, _reason(form), visit.visitor.name))
    return _back(visit, run_id, form)


async def retry(visit: Visit) -> Response:
    """Begin the next round, as the plan says that the form shows; show a new plan if other tasks
    are chosen than those that it is for.
    """
    form = await visit.form()
    tasks, planned = _texts(form, "task"), _texts(form, "planned")
    if "replan" in form or set(tasks) != set(planned):
        return await plans.retry_page(visit, tasks, {"reason": _text(form, "reason")})
    run_id = await _run_id(visit)
    chosen = None if "default" in form or not tasks else tasks
    await visit.site.do(Retry(run_id, chosen, reason=_reason(form), by=visit.visitor.name))
    return _back(visit, run_id, form)


async def fork(visit: Visit) -> Response:
    """Make a new run from a task on, with the keys that were edited in its input; goes to the new
    run.
    """
    form = await visit.form()
    task, planned, base = _text(form, "task"), _texts(form, "planned"), _text(form, "base")
    texts = await given_to(visit)
    is_other = (planned and planned != [task]) or (base and base != task) or not task
    if is_other or not _ASKS.isdisjoint(form):
        return await plans.fork_page(visit, task, texts)
    typed, run_id = await visit.on_thread(typed_input, texts), await _run_id(visit)
    if typed.error:
        return await plans.fork_page(visit, task, texts, typed.error)
    given = await plans.input_of(visit, run_id, task) or {}
    try:
        keys = edits_of(typed.text, given, visit.site.redact).keys
        made, _ = await visit.site.do(
            Fork(run_id, task, dict(keys) or None, reason=_reason(form), by=visit.visitor.name)
        )
    except (ContextValueError, ConfigError) as error:
        return await plans.fork_page(visit, task, texts, str(error))
    return visit.back_to(visit.paths.run(made))


async def send(visit: Visit) -> Response:
    """Send an event to a run."""
    form = await visit.form()
    run_id = await _run_id(visit)
    event, text = _text(form, "event"), _text(form, "payload")
    item = item_of({name: _text(form, name) for name in ("map", "item")})
    try:
        payload = json_of(text, "payload")
        key = _text(form, "key") or None
        await visit.site.do(Send(run_id, event, payload, key, visit.visitor.name, item))
    except RunStateError:
        raise
    except (ConfigError, ContextValueError) as error:
        of_item = {} if item is None else {"item": item[1]}
        return await _again(
            visit, form, "send", event=event, payload=text, error=str(error), **of_item
        )
    return _back(visit, run_id, form)


async def approve(visit: Visit) -> Response:
    """Decide an approval that is open."""
    form = await visit.form()
    run_id = await _run_id(visit)
    task, choice, note = _text(form, "task"), _text(form, "choice"), _text(form, "note")
    details = await pane.task_of(visit, run_id, task)
    if details.question is None:
        raise RefusedError(404, "There is no such approval", f"{task} asks for no decision.")
    given = {name: text for name, text in form.items() if isinstance(text, str)}
    if (fields := rearranged(details.question.schema, given)) is not None:
        return await _again(visit, form, "approve", fields=fields, note=note, error="")
    data = decision_data(details.question.schema, choice, given)
    if not data.is_right:
        return await _again(visit, form, "approve", fields=data.fields, note=note, error=data.error)
    try:
        await visit.site.do(
            Approve(
                run_id,
                _text(form, "approval") or task,
                choice,
                data.value,
                _bounded("note", note) or None,
                visit.visitor.name,
                item_of(given),
            )
        )
    except RunStateError:
        raise
    except (ConfigError, ContextValueError) as error:
        return await _again(visit, form, "approve", fields=data.fields, note=note, error=str(error))
    return _back(visit, run_id, form)


# -- answers -------------------------------------------------------------------------------------


def _back(visit: Visit, run_id: str, form: FormData) -> Response:
    """The page of the run, at the task where the form stood."""
    tasks = _texts(form, "task")
    return visit.back_to(visit.paths.run(run_id, task=tasks[0] if len(tasks) == 1 else ""))


async def _again(visit: Visit, form: FormData, act: str, **facts: Any) -> Response:
    """The form once more, with what was filled in and what is wrong with it."""
    tree = await visit.site.observer.tree(visit.request.path_params["run_id"], depth=0)
    shown = await pane.facts(visit, tree, _text(form, "task"))
    if shown is None or shown.task != _text(form, "task"):
        raise RefusedError(422, "This form cannot be read", facts["error"])
    heading = "Decision" if act == "approve" else f"Send {facts['event']}"
    return await visit.page(
        "run/plan.html",
        422,
        run=tree.run,
        body="run/answer_body.html",
        back=visit.paths.run(tree.run.id),
        heading=heading,
        lede=shown.task,
        act=act,
        pane=shown,
        **facts,
    )


# -- fields --------------------------------------------------------------------------------------


async def _run_id(visit: Visit) -> str:
    return await visit.site.observer.resolve(visit.request.path_params["run_id"])


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
