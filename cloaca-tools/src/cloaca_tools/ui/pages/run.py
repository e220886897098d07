"""One run: its state and why, and its tasks as timeline, graph or table with one selected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from starlette.responses import Response

from cloaca_tools.ui.charts.choice import choice_of, chosen, counts
from cloaca_tools.ui.charts.fan_outs import ALL, Entry, with_folds
from cloaca_tools.ui.charts.graph_groups import MOST, GraphLine, graph_lines
from cloaca_tools.ui.charts.item_strip import ItemStrip, item_strip
from cloaca_tools.ui.charts.rows import (
    CHUNK,
    NO_STRIPS,
    apart,
    chunk_of,
    chunks,
    first_to_see,
    found,
    hidden_apart,
    one_each,
)
from cloaca_tools.ui.charts.timeline import Chart, chart
from cloaca_tools.ui.pages import pane
from cloaca_tools.ui.pages.cause import cause
from cloaca_tools.ui.runs.gone_runner import stopped
from cloaca_tools.ui.runs.history_rows import history_part
from cloaca_tools.ui.runs.place import VIEWS, Place
from cloaca_tools.ui.visit import Address, Visit
from cloaca_tools.views import Inspection, RunTree, Snapshot, TaskNode
from cloaca_tools.views.run.item_cells import SeenMap

_MOST_CHUNKS: Final = 60
"""Chunks that one answer has with their rows at most."""
_MOST_STRIPS: Final = 50
"""Maps of which one answer draws the items."""
_FEW: Final = 20
"""Tasks up to which nobody has to look for one."""
_DIGITS: Final = 9


class Listing(NamedTuple):
    """The lines of a view, and the chunks of them that are sent with their rows."""

    entries: Sequence[Entry]
    wanted: set[int]

    def places(self) -> Iterator[int]:
        """The tasks that have rows of their own."""
        for number in sorted(self.wanted):
            for entry in self.entries[number * CHUNK : (number + 1) * CHUNK]:
                if not entry.fold:
                    yield entry.place


async def run(visit: Visit) -> Response:
    """The page of a run, or the part of it that a script asks for."""
    shown = await seen_run(visit, visit.request.path_params["run_id"])
    seen = shown.inspection
    tree, node = _selected(seen.tree, visit.query("of"), visit.query("task"))
    place = _place(visit, seen, tree, node)
    chunk = _chunk_asked_for(visit)
    if visit.wants == "pane":
        return await visit.page("run/pane.html", pane=await _pane(visit, seen, tree, node))
    listing = await visit.on_thread(_listing, visit, seen, place)
    strips = await _strips(visit, seen, place, listing)
    parts = await visit.on_thread(_parts, visit, shown, place, listing, strips)
    if chunk is not None and chunk < len(parts["chunks"]):
        return await visit.page("run/chunk.html", chunk=parts["chunks"][chunk], **parts)
    details = await _pane(visit, seen, tree, node)
    return await visit.page(
        "run.html",
        by=schedule_name(seen),
        cause=await visit.on_thread(cause, seen, visit.clock),
        pane=details,
        work=_work(seen, parts["chart"]),
        wide=pane.is_wide(visit),
        history=history_part(seen.history, visit.site.redact),
        **parts,
    )


async def seen_run(visit: Visit, ref: str) -> Snapshot:
    """The run. A page that asks for a part of a large run, or for other rows, gets the run that it
    shows.
    """
    at = visit.query("at") if visit.wants else ""
    kept = visit.site.seen_runs.find(ref, at) if at else None
    if kept is not None:
        return kept
    known, drawn = visit.site.seen_runs.latest(ref), MOST if visit.query("view") == "graph" else 0
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


def _listing(visit: Visit, seen: Inspection, place: Place) -> Listing:
    """The lines of the view; takes its time, as the run may be large."""
    entries = () if place.view == "graph" else _listed(seen, place)
    return Listing(entries, _wanted(visit, seen.tree, place, entries))


async def _strips(
    visit: Visit, seen: Inspection, place: Place, listing: Listing
) -> Mapping[str, ItemStrip]:
    """The items of the maps that have rows in the timeline."""
    if place.view != "timeline":
        return NO_STRIPS
    tasks, run = seen.tree.tasks, seen.tree.run
    maps = [
        SeenMap(node.task_id, node.attempts, run.round, node.status != "Running")
        for node in (tasks[number] for number in listing.places())
        if node.is_map and node.started_at is not None
    ]
    if not maps:
        return NO_STRIPS
    site = visit.site
    cells = await site.observer.item_cells(run.id, maps[:_MOST_STRIPS], site.item_cells)
    return {task: item_strip(of, fewest=1) for task, of in cells.items() if of}


def _parts(
    visit: Visit, shown: Snapshot, place: Place, listing: Listing, strips: Mapping[str, ItemStrip]
) -> dict[str, Any]:
    """The content of the views of the tasks; takes its time."""
    seen = shown.inspection
    listed = listing.entries
    return {
        "seen": seen,
        "tree": seen.tree,
        "run": seen.tree.run,
        "place": place,
        "counts": counts(seen.tree.tasks),
        "listed": len(listed),
        "can_fold": ALL in place.choice.opened or any(each.fold for each in listed),
        "few": _FEW,
        "chunks": chunks(seen.tree, seen.timeline, listing.wanted, listed, strips),
        "apart": apart(seen.tree, seen.timeline),
        "hidden": hidden_apart(seen.tree),
        "chart": chart(seen, visit.clock, visit.clock.zone, fold=place.fold),
        "redact": visit.site.redact,
        "graph": shown.graph,
        "groups": _groups(shown, place),
    }


def _listed(seen: Inspection, place: Place) -> Sequence[Entry]:
    """The lines of the timeline or the table. Tasks that were chosen are not folded."""
    tasks, choice = seen.tree.tasks, place.choice
    if place.view == "timeline" and not choice.narrows:
        return with_folds(tasks, choice.opened, None if place.of else place.task)
    return one_each(chosen(tasks, seen.timeline.bars, choice))


def _groups(shown: Snapshot, place: Place) -> Sequence[GraphLine]:
    """The graph by groups, of a run that has too many tasks to be drawn one by one."""
    if place.view != "graph" or shown.graph is not None:
        return ()
    tasks = shown.inspection.tree.tasks
    return graph_lines(tasks, place.choice.opened, None if place.of else place.task)


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
        choice=choice_of(
            visit.query("only"),
            visit.query("q"),
            visit.query("sort"),
            visit.request.query_params.getlist("open"),
        ),
    )


def _wanted(visit: Visit, tree: RunTree, place: Place, listed: Sequence[Entry]) -> set[int]:
    """The chunks to be sent with their rows: those that the address names, else the one of the
    selected task and the first.
    """
    parts = [_number(part) for part in visit.query("rows").split(",")]
    named = {each for each in parts if each is not None and each * CHUNK < len(listed)}
    if named:
        return set(sorted(named)[:_MOST_CHUNKS])
    return {0} if place.of or place.task is None else {0, chunk_of(tree, place.task, listed)}


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
