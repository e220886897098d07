"""Graphs as Mermaid, to be kept as files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from starlette.responses import Response

from cloaca_tools.ui.visit import Address, Visit

if TYPE_CHECKING:
    from cloaca_tools.views import Graph


async def of_workflow(visit: Visit) -> Response:
    """The graph of a workflow."""
    return _file(await visit.site.observer.workflow_graph(visit.query("name")))


async def of_run(visit: Visit) -> Response:
    """The graph of a run, with its states."""
    return _file(await visit.site.observer.graph(visit.request.path_params["run_id"]))


def _file(graph: Graph) -> Response:
    name = graph.workflow_name if graph.run_id is None else f"{graph.workflow_name}-{graph.run_id}"
    return Response(
        f"{graph.mermaid()}\n",
        media_type="text/plain; charset=utf-8",
        headers={"content-disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}.mmd"},
    )


ROUTES: Final[tuple[Address, ...]] = (
    ("GET", "/workflow/mermaid", of_workflow),
    ("GET", "/runs/{run_id}/mermaid", of_run),
)
