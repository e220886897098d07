"""One run: its state and why, and its tasks as timeline, graph or table with one selected."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote_plus

from starlette.responses import Response

from cloaca_tools.ui.charts.item_strip import ItemStrip, item_strip
from cloaca_tools.ui.charts.rows import (
    CHUNK,
    NO_STRIPS,
    apart,
    chunk_of,
    chunks,
    first_to_see,
    found,
)
from cloaca_tools.ui.charts.timeline import Chart, chart
from cloaca_tools.ui.pages import pane
from cloaca_tools.ui.pages.cause import cause
from cloaca_tools.ui.paths import Paths
from cloaca_tools.ui.runs.gone_runner import stopped
from cloaca_tools.ui.runs.history_rows import history_part
from cloaca_tools.ui.visit import Address, Visit
from cloaca_tools.views import Inspection, RunTree, Snapshot, TaskNode
from cloaca_tools.views.run.item_cells import SeenMap

VIEWS: Final = ("timeline", "graph", "table")
_MOST_CHUNKS: Final = 60
"""Chunks that one answer has with their rows at most."""
_MOST_STRIPS: Final = 50
"""Maps of which one answer draws the items."""
_DIGITS: Final = 9


@dataclass(frozen=True, slots=True)
class Place:
    """Where on the page of a run a visitor is; all of it is in the address. ``of`` is the run of
    the selected task if that is one below the run of the page.
    """

    paths: Paths
    run_id: str
    view: str
    task: str | None
    of: str
    fold: bool

    def address(self, *, rows: int | None = None, at: str = "") -> str:
        """The address of this place; ``rows`` is a chunk to be sent, ``at`` when the run was seen
        whose chunk it is.
        """
        return self.paths.run(
            self.run_id,
            view=self.view,
            task=self.task,
            of=self.of,
            fold="" if self.fold else "off",
            rows=None if rows is None else str(rows),
            at=at,
        )

    def of_task(self, run_id: str, task: str) -> str:
        """The address with another task selected."""
        return replace(self, task=task, of="" if run_id == self.run_id else run_id).address()

    def of_own_task(self, task: str) -> str:
        """The address with a task of the page's run selected."""
        return self.of_task(self.run_id, task)

    def to_own_tasks(self) -> Callable[[str], str]:
        """The same as ``of_own_task``, for thousands of tasks."""
        others = replace(self, task=None, of="").address()
        return lambda task: f"{others}&task={quote_plus(task)}"

    def of_view(self, view: str) -> str:
        """The address with another view."""
        return replace(self, view=view).address()

    def folded(self, *, fold: bool) -> str:
        """The address with long waits folded or not."""
        return replace(self, fold=fold).address()

    def is_at(self, run_id: str, task: str) -> bool:
        """Whether this task is the selected one."""
        return task == self.task and run_id == (self.of or self.run_id)


async def run(visit: Visit) -> Response:
    """The page of a run, or the part of it that a script asks for."""
    shown = await seen_run(visit, visit.request.path_params["run_id"])
    seen = shown.inspection
    tree, node = _selected(seen.tree, visit.query("of"), visit.query("task"))
    place = _place(visit, seen, tree, node)
    chunk = _chunk_asked_for(visit)
    if chunk is not None and chunk * CHUNK < len(seen.tree.tasks):
        parts = _parts(visit, shown, place, await _strips(visit, seen, place))
        return await visit.page("run/chunk.html", chunk=parts["chunks"][chunk], **parts)
    details = await _pane(visit, seen, tree, node)
    if visit.wants == "pane":
        return await visit.page("run/pane.html", pane=details)
    parts = _parts(visit, shown, place, await _strips(visit, seen, place))
    return await visit.page(
        "run.html",
        by=schedule_name(seen),
        cause=cause(seen, visit.clock),
        pane=details,
        work=_work(seen, parts["chart"]),
        wide=pane.is_wide(visit),
        history=history_part(seen.history, visit.site.redact),
        **parts,
    )


async def seen_run(visit: Visit, ref: str) -> Snapshot:
    """The run; for a part of a large one that is on a page, as that page shows it."""
    is_part = visit.wants == "pane" or _chunk_asked_for(visit) is not None
    kept = visit.site.seen_runs.find(ref, visit.query("at")) if is_part else None
    if kept is not None:
        return kept
    known, drawn = visit.site.seen_runs.latest(ref), visit.query("view") == "graph"
    # On another thread: a run of 10,000 tasks takes a while to be shaped.
    found = await visit.on_thread(visit.site.observer.snapshot(ref, known, drawn=drawn).wait)
    found = found._replace(inspection=stopped(found.inspection))
    if len(found.inspection.tree.tasks) > CHUNK:
        visit.site.seen_runs.keep(found)
    return found


async def _pane(
    visit: Visit, seen: Inspection, tree: RunTree, node: TaskNode | None
) -> pane.Pane | None:
    """The details of the selected task."""
    if node is None:
        return None
    is_own = tree.run.id == seen.tree.run.id
    return await pane.facts(visit, tree, node.task_id, seen.explanation if is_own else None)


async def _strips(visit: Visit, seen: Inspection, place: Place) -> Mapping[str, ItemStrip]:
    """The items of the maps that have rows in the timeline."""
    tasks, run = seen.tree.tasks, seen.tree.run
    maps = [
        SeenMap(node.task_id, node.attempts, run.round, node.status != "Running")
        for number in sorted(_wanted(visit, seen.tree, place))
        for node in tasks[number * CHUNK : (number + 1) * CHUNK]
        if node.is_map and node.started_at is not None
    ]
    if place.view != "timeline" or not maps:
        return NO_STRIPS
    site = visit.site
    cells = await site.observer.item_cells(run.id, maps[:_MOST_STRIPS], site.item_cells)
    return {task: item_strip(of, fewest=1) for task, of in cells.items() if of}


def _parts(
    visit: Visit, shown: Snapshot, place: Place, strips: Mapping[str, ItemStrip]
) -> dict[str, Any]:
    """The content of the views of the tasks."""
    seen = shown.inspection
    return {
        "seen": seen,
        "tree": seen.tree,
        "run": seen.tree.run,
        "place": place,
        "chunks": chunks(seen.tree, seen.timeline, _wanted(visit, seen.tree, place), strips),
        "apart": apart(seen.tree, seen.timeline),
        "chart": chart(seen, visit.clock, visit.clock.zone, fold=place.fold),
        "redact": visit.site.redact,
        "graph": shown.graph,
    }


def _selected(top: RunTree, of: str, task: str) -> tuple[RunTree, TaskNode | None]:
    """The task that the address names and its run; else the one to begin with."""
    tree = (found(top, of) if of else top) or top
    named = next((node for node in tree.tasks if node.task_id == task), None)
    return (tree, named) if named is not None else (top, first_to_see(top))


def _place(visit: Visit, seen: Inspection, tree: RunTree, node: TaskNode | None) -> Place:
    run_id, view = seen.tree.run.id, visit.query("view")
    return Place(
        paths=visit.paths,
        run_id=run_id,
        view=view if view in VIEWS else VIEWS[0],
        task=None if node is None else node.task_id,
        of="" if tree.run.id == run_id else tree.run.id,
        fold=visit.query("fold") != "off",
    )


def _wanted(visit: Visit, tree: RunTree, place: Place) -> set[int]:
    """The chunks to be sent with their rows: those that the address names, else the one of the
    selected task and the first.
    """
    parts = [_number(part) for part in visit.query("rows").split(",")]
    named = {each for each in parts if each is not None and each * CHUNK < len(tree.tasks)}
    if named:
        return set(sorted(named)[:_MOST_CHUNKS])
    return {0} if place.of or place.task is None else {0, chunk_of(tree, place.task)}


def _chunk_asked_for(visit: Visit) -> int | None:
    """The chunk that a script wants alone."""
    name, _, number = visit.wants.partition("-")
    return _number(number) if name == "chunk" else None


def _number(text: str) -> int | None:
    """The number of a chunk; None for any other text."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < _DIGITS else None


def _work(seen: Inspection, drawn: Chart) -> float | None:
    """Seconds in which bodies ran, where that is much less than the run took."""
    took, done = seen.tree.run.seconds, drawn.work
    return done if took is not None and 0 < done < took * 0.9 else None


def schedule_name(seen: Inspection) -> str | None:
    """The name of the schedule that made the run, if one did."""
    return None if seen.tree.run.schedule_id is None else seen.schedule_name or "that is gone"


ROUTES: Final[tuple[Address, ...]] = (("GET", "/runs/{run_id}", run),)
