"""Files to keep: graphs as Mermaid, the case of a run, inputs and results of its tasks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from starlette.responses import Response

from cloaca_tools.ui.pages.pane import task_of
from cloaca_tools.ui.payloads import json_lines
from cloaca_tools.ui.refusals import RefusedError
from cloaca_tools.ui.visit import Address, Visit

if TYPE_CHECKING:
    from cloaca_tools.views import Graph

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_-]+")
_LONGEST: Final = 60
"""Characters of a name within the name of a file."""


def file_name(*parts: str, ending: str) -> str:
    """A name of a file that every system takes, of names that users chose."""
    safe = [_UNSAFE.sub("_", part)[:_LONGEST].strip("_") for part in parts]
    return f"{'-'.join([part for part in safe if part]) or 'cloaca'}.{ending}"


def attachment(content: str, name: str, media_type: str) -> Response:
    """A file to be saved. ``name`` is one of ``file_name``."""
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=media_type, headers=headers)


async def graph_of_workflow(visit: Visit) -> Response:
    """The graph of a workflow, as Mermaid."""
    return _mermaid(await visit.site.observer.workflow_graph(visit.query("name")))


async def graph_of_run(visit: Visit) -> Response:
    """The graph of a run with its states, as Mermaid."""
    return _mermaid(await visit.site.observer.graph(visit.request.path_params["run_id"]))


def _mermaid(graph: Graph) -> Response:
    name = graph.workflow_name if graph.run_id is None else f"{graph.workflow_name}-{graph.run_id}"
    return Response(
        f"{graph.mermaid()}\n",
        media_type="text/plain; charset=utf-8",
        headers={"content-disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}.mmd"},
    )


async def case(visit: Visit) -> Response:
    """A run as a document for ``harness.load``."""
    run = await visit.site.observer.run(visit.request.path_params["run_id"])
    with visit.site.exports.one(visit.visitor.name):
        found = await visit.site.case(run.id)
        return await _json(
            visit, found, file_name(run.workflow_name, run.id, "case", ending="json")
        )


async def task_input(visit: Visit) -> Response:
    """All of the input of a task's attempt."""
    return await _of_task(visit, "input")


async def task_result(visit: Visit) -> Response:
    """All of the result of a task's attempt."""
    return await _of_task(visit, "result")


async def _of_task(visit: Visit, part: str) -> Response:
    run_id = await visit.site.observer.resolve(visit.request.path_params["run_id"])
    details = await task_of(visit, run_id, visit.query("task"))
    value = None if details.change is None else getattr(details.change, part)
    if value is None:
        raise RefusedError(404, f"This {part} is not known", "The task has not begun.")
    return await _json(visit, value, file_name(details.task, run_id, part, ending="json"))


async def _json(visit: Visit, value: object, name: str) -> Response:
    content = await visit.on_thread(json_lines.document, value, visit.site.redact)
    return attachment(content, name, "application/json")


ROUTES: Final[tuple[Address, ...]] = (
    ("GET", "/workflow/mermaid", graph_of_workflow),
    ("GET", "/runs/{run_id}/mermaid", graph_of_run),
    ("GET", "/runs/{run_id}/case", case),
    ("GET", "/runs/{run_id}/input", task_input),
    ("GET", "/runs/{run_id}/result", task_result),
)
