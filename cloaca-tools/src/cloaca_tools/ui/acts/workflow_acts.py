"""Pauses and resumes workflows, and starts their runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from cloaca_core.definition.submission import StartOptions
from cloaca_core.errors import (
    CloacaError,
    ConfigError,
    RunnerClosedError,
    StoreError,
    WorkflowNotFoundError,
)
from cloaca_core.features.steering.operations import PauseWorkflow, ResumeWorkflow
from cloaca_core.operations.submissions import Submit
from cloaca_core.values.namespace import short_name
from cloaca_tools.duration_texts import seconds_of
from cloaca_tools.masking import unmasked
from cloaca_tools.ui.forms.context_input import (
    ContextInput,
    context_input,
    entered_context,
    other_inputs,
)
from cloaca_tools.ui.forms.form_texts import given_to
from cloaca_tools.ui.forms.start_texts import start_texts
from cloaca_tools.ui.refusals import RefusedError
from cloaca_tools.ui.visit import Address, Visit

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.responses import Response

    from cloaca_core.values.payloads.json_schema import Schema
    from cloaca_tools.views.run.graph import Graph
    from cloaca_tools.views.run.starts import RunStart


async def pause_form(visit: Visit) -> Response:
    """Ask until when and why, as a page of its own."""
    visit.must_act()
    return await _pause_page(visit, visit.query("name"), {})


async def pause(visit: Visit) -> Response:
    """Have no run of a workflow claimed."""
    given = await given_to(visit)
    name, reason = given.get("name", ""), given.get("reason", "").strip() or None
    try:
        until = _instant(visit, given.get("until", "").strip())
        await _known(visit, name)
        await visit.site.do(PauseWorkflow(name, until, reason, visit.visitor.name))
    except ConfigError as error:
        return await _pause_page(visit, name, given, str(error))
    return visit.back_to(visit.paths.workflow(name))


async def resume(visit: Visit) -> Response:
    """Let runs of a workflow be claimed again."""
    given = await given_to(visit)
    name, reason = given.get("name", ""), given.get("reason", "").strip() or None
    await _known(visit, name)
    await visit.site.do(ResumeWorkflow(name, reason, visit.visitor.name))
    return visit.back_to(visit.paths.workflow(name))


async def start_form(visit: Visit) -> Response:
    """Ask for what a run needs, as a page of its own."""
    visit.must_act()
    name, like = visit.query("name"), visit.query("like")
    graph = await visit.site.observer.workflow_graph(name)
    observer = visit.site.observer
    if like:
        found: RunStart | None = await _same_workflow(visit, like, graph.workflow)
    else:
        found = await observer.last_start(graph.workflow)
    given = {} if found is None else start_texts(found, visit.site.redact, whole=bool(like))
    declared = _schema_of(graph)
    box = context_input(given.get("context", ""), declared=declared)
    return await _start_page(visit, name, given, box)


async def _same_workflow(visit: Visit, run_id: str, name: str) -> RunStart:
    """The start of a run. A run of another workflow is refused: its hidden values would go to the
    tasks of this workflow.
    """
    found = await visit.site.observer.start_of(run_id)
    if name not in (found.workflow, short_name(found.workflow)):
        own = short_name(found.workflow)
        raise RefusedError(422, "This is a run of another workflow", f"It is a run of {own}.")
    return found


async def start(visit: Visit) -> Response:
    """Start a run, and go on to it; or show its context in other inputs, as the form asks."""
    given = await given_to(visit)
    name, like = given.get("name", ""), given.get("like", "")
    declared = None
    if given.get("declared") or given.get("as"):
        declared = _schema_of(await visit.site.observer.workflow_graph(name))
    if (other := other_inputs(given, declared)) is not None:
        return await _start_page(visit, name, given, other, other.error)
    box = entered_context(given, declared)
    if not box.is_right:
        return await _start_page(visit, name, given, box, box.error)
    try:
        context = box.value
        if like and context:
            kept = (await _same_workflow(visit, like, name)).context
            context = unmasked(context, kept, visit.site.redact)
        operation = Submit(
            name,
            context,
            given.get("key", "").strip() or None,
            tags=tags_of(given.get("tags", "")),
            start=StartOptions(
                priority=_whole("priority", given.get("priority", "")),
                delay=_delay(given.get("delay", "")),
            ),
            by=visit.visitor.name,
        )
        run_id, _ = await visit.site.do(operation)
    except (WorkflowNotFoundError, RunnerClosedError, StoreError):
        raise
    except (CloacaError, ValueError) as error:
        return await _start_page(visit, name, given, box, visit.site.redact(str(error)))
    return visit.back_to(visit.paths.run(run_id))


def _schema_of(graph: Graph) -> Schema | None:
    """The schema of the input that a workflow declares."""
    return None if graph.input_schema is None else dict(graph.input_schema)


async def _known(visit: Visit, name: str) -> None:
    """Refuse a name that no runner has recorded: programs may pause a workflow before its first
    runner starts, but a form has its name from a page.
    """
    await visit.site.observer.workflow_graph(name)


async def _pause_page(
    visit: Visit, name: str, given: Mapping[str, str], error: str = ""
) -> Response:
    graph = await visit.site.observer.workflow_graph(name)
    return await visit.page(
        "workflow_pause.html", 422 if error else 200, of=graph, given=given, error=error, still=True
    )


async def _start_page(
    visit: Visit, name: str, given: Mapping[str, str], box: ContextInput, error: str = ""
) -> Response:
    graph = await visit.site.observer.workflow_graph(name)
    return await visit.page(
        "workflow_start.html",
        422 if error or not box.is_right else 200,
        of=graph,
        given=given,
        box=box,
        error=error,
        still=True,
    )


# -- what was written ----------------------------------------------------------------------------


def _instant(visit: Visit, text: str) -> datetime | None:
    if not text:
        return None
    if (instant := visit.clock.instant(text)) is None:
        raise ConfigError(f"until cannot be read: {text!r:.80}")
    return instant


def tags_of(text: str) -> dict[str, str]:
    """Tags as they are written: ``key=value``, each in a line of its own."""
    tags: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        key, sign, value = line.partition("=")
        if not sign or not key.strip():
            raise ConfigError(f"a tag is written key=value, not {line!r:.80}")
        tags[key.strip()] = value.strip()
    return tags


def _whole(name: str, text: str) -> int | None:
    text = text.strip()
    if not text:
        return None
    if not text.removeprefix("-").isdecimal() or len(text) > 4:
        raise ConfigError(f"{name} must be a whole number, not {text!r:.80}")
    return int(text)


def _delay(text: str) -> float | None:
    text = text.strip()
    if not text:
        return None
    if (seconds := seconds_of(text)) is None:
        raise ConfigError(f"delay is written 90, 15m, 2h or 1d, not {text!r:.80}")
    return seconds


ROUTES: Final[tuple[Address, ...]] = (
    ("GET", "/workflow/pause", pause_form),
    ("POST", "/workflow/pause", pause),
    ("POST", "/workflow/resume", resume),
    ("GET", "/workflow/start", start_form),
    ("POST", "/workflow/start", start),
)
