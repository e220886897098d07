"""Reads with claimed runs how their maps were opened, and what their items have come to."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from cloaca_core.features.maps.open_maps import EarlierMap, open_maps
from cloaca_core.features.maps.openings import again_of, chosen_last, chosen_of, due_items, past_of
from cloaca_core.features.maps.records import ALL
from cloaca_core.run.counting import first_attempts
from cloaca_core.run.items.units import unit_of
from cloaca_core.values.states import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloaca_core.definition.maps.options import MapOptions
    from cloaca_core.engine.orchestrate.adoption import PastRows
    from cloaca_core.features.maps.part import MapStore
    from cloaca_core.features.maps.records import MapRow
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.rows import AttemptRow
    from cloaca_core.values.times.instants import Instant

AT_ONCE: Final = 10_000
"""Items whose attempts one statement reads."""


async def read_maps(store: MapStore, past: Mapping[str, PastRows]) -> None:
    """Add the maps of runs that had opened some, with their items. See ``ReadPast``."""
    found: dict[str, list[EarlierMap]] = {}
    if with_maps := [run_id for run_id, rows in past.items() if _may_have_some(rows)]:
        opened = await store.maps(with_maps)
        restarted = await store.restarted_items([row.run_id for row in opened]) if opened else []
        for row in opened:
            options = _options(past[row.run_id], row.task_id)
            if options is not None and not _is_over(past[row.run_id], row.task_id):
                items = await _items(store, row, options)
                restarts = past[row.run_id].restarts
                chosen = chosen_of(row, restarts, restarted)
                last = chosen_last(row, restarts, restarted)
                found.setdefault(row.run_id, []).append(EarlierMap(row, items, chosen, last))
    for run_id, maps in found.items():
        past[run_id].due.extend(_due(maps))
        past[run_id].adopt.append(partial(_hand_over, maps))


async def _items(store: MapStore, row: MapRow, options: MapOptions) -> list[AttemptRow]:
    """The attempts of the items, also of more items that the map has had earlier."""
    items: list[AttemptRow] = []
    firsts = list(range(0, max(row.items, 1), AT_ONCE))
    for first, last in pairwise([*firsts, ALL]):
        results = options.results == "list"
        items += await store.items(row.run_id, row.task_id, first, last, results=results)
    return items


def _may_have_some(rows: PastRows) -> bool:
    """Whether the run has begun or is a fork, and its workflow has a map."""
    return (
        bool(rows.attempts or rows.forks)
        and rows.workflow is not None
        and any(task.map is not None for task in rows.workflow.tasks)
    )


def _options(rows: PastRows, task_id: str) -> MapOptions | None:
    """The options of a map in the version that the run uses; None if that has no such map."""
    tasks = () if rows.workflow is None else rows.workflow.tasks
    return next((task.map for task in tasks if task.id == task_id), None)


def _is_over(rows: PastRows, task_id: str) -> bool:
    """Whether a map has completed, and does not run again."""
    first = first_attempts(rows.restarts).get(task_id, 0)
    return any(
        row.task_id == task_id and row.attempt >= first and row.status == TaskStatus.COMPLETED
        for row in rows.attempts
    )


def _due(maps: Sequence[EarlierMap]) -> list[Instant]:
    """The instants at which items are to be tried again; none if the row of a map is damaged. Then
    the run fails as its map is opened; an error here would keep all claimed runs from their work.
    """
    try:
        return [due for each in maps for due in due_items(each.row, each.items)]
    except (ValueError, AttributeError, TypeError):
        return []


def _hand_over(maps: Sequence[EarlierMap], run: ActiveRun, came: int | None) -> None:
    open_maps(run).came = came
    for each in maps:
        if (task := run.graph.position.get(each.row.task_id)) is not None:
            open_maps(run).recorded[task] = each
            # They are cut short with the run, if that is over before the map is open.
            for index, (row, _) in past_of(each.items, again_of(each.row)).begun.items():
                if row.status == TaskStatus.WAITING:
                    run.latest[unit_of(task, index)] = row
