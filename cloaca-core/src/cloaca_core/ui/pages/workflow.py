"""One workflow: its last runs by task, its graph, its versions, and what starts it."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from cloaca_core.ui.asking import Address, Ask


async def workflow(ask: Ask) -> Response:
    """The page of a workflow."""
    name = ask.query("name")
    task = ask.query("task")
    graph = await ask.desk.observer.workflow_graph(name)

    def link(each: str) -> str:
        return ask.paths.workflow(name, task=each)

    return await ask.page("workflow.html", name=name, graph=graph, task=task, link=link)


ROUTES: Final[tuple[Address, ...]] = (("GET", "/workflow", workflow),)
