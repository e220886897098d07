"""One workflow: its last runs by task, its graph, its versions, and what starts it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from cloaca_tools.ui.charts.choice import choice_of
from cloaca_tools.ui.charts.graph_groups import workflow_lines
from cloaca_tools.ui.charts.grid import chosen, grid
from cloaca_tools.ui.charts.spark import spark
from cloaca_tools.ui.pages.workflows import runs_of
from cloaca_tools.ui.runs.failing_runs import failing
from cloaca_tools.ui.visit import Address, Visit
from cloaca_tools.views.workflows.inputs import input_keys

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from starlette.responses import Response

    from cloaca_tools.ui.words.clock import Clock
    from cloaca_tools.views import Graph, GridRow, WorkflowStatistics

MOST: Final = 40
"""Tasks in the grid of a workflow that has more, unless all are asked for."""
FEW: Final = 15
"""Runs up to which the grid leaves room for the graph beside it."""


async def workflow(visit: Visit) -> Response:
    """The page of a workflow."""
    observer, name = visit.site.observer, visit.query("name")
    found, graph, starters = await asyncio.gather(
        observer.statistics(name, failures=False),
        observer.workflow_graph(name),
        observer.starters(name),
    )
    task, choice = (
        visit.query("task"),
        choice_of("", "", "", visit.request.query_params.getlist("open")),
    )

    def address(selected: str, opened: Collection[str]) -> str:
        rows = visit.query("rows")
        here = visit.paths.workflow(found.workflow, rows=rows, task=selected, open=list(opened))
        return f"{here}#workflow-graph"

    return await visit.page(
        "workflow.html",
        of=found,
        groups=await visit.on_thread(workflow_lines, graph, choice.opened, task),
        fold_link=lambda key: address(task, choice.unfolded(key).opened),
        graph=graph,
        starters=starters,
        is_few=0 < len(found.grid) <= FEW,
        selected=task,
        failing=failing([row.run for row in found.grid]),
        all_rows=visit.query("rows") == "all",
        asked=approval(found, graph),
        task_link=lambda task: address(task, choice.opened),
        runs_of=runs_of,
        input_keys=input_keys(found.input_schema),
        **await visit.on_thread(_drawn, found, visit.clock, visit.query("rows")),
    )


def _drawn(found: WorkflowStatistics, clock: Clock, rows: str) -> dict[str, Any]:
    """The grid, with the statistics of its rows; a large one takes its time."""
    names = [task.task for task in found.tasks]
    tasks = chosen(found.grid, names, len(names) if rows == "all" else MOST)
    return {
        "grid": grid(found.grid, tasks, parts_of(found.grid, clock)),
        "sparks": {name: spark([row.seconds[at] for row in found.grid]) for at, name in tasks},
        "tasks": {task.task: task for task in found.tasks},
    }


def parts_of(runs: Sequence[GridRow], clock: Clock) -> list[str]:
    """The part of the axis in which each run was made: a day, or an hour where all are of one."""
    made = [row.run.created_at for row in runs]
    days = [clock.day(at) for at in made]
    return days if len(set(days)) > 1 else [f"{clock.local(at):%H}:00" for at in made]


def approval(found: WorkflowStatistics, graph: Graph) -> float | None:
    """How long the first approval of a workflow takes in the middle, in seconds; None without."""
    asks = [node.task for node in graph.nodes if node.kind == "approval"]
    took: Mapping[str, float | None] = {task.task: task.p50 for task in found.tasks}
    return next((took[task] for task in asks if took.get(task) is not None), None)


ROUTES: Final[tuple[Address, ...]] = (("GET", "/workflow", workflow),)
