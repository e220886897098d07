"""Opens maps: reads their items, and what these have come to under earlier owners.

What is decided about an opening is in ``openings``; its row is written by ``maps``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from cloaca_core.engine.execute.work import Line
from cloaca_core.engine.record import attempt_rows
from cloaca_core.features.maps.items import items_of
from cloaca_core.features.maps.open_maps import OpenMap, open_maps
from cloaca_core.features.maps.openings import opening, past_of
from cloaca_core.features.maps.plan import ItemPlan
from cloaca_core.run.items.units import TASK, unit_of
from cloaca_core.run.restore import change_from_json, shifted
from cloaca_core.values.map_items import SharedInput

if TYPE_CHECKING:
    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.definition.task import Task
    from cloaca_core.engine.execute.body_log import TaskLogs
    from cloaca_core.features.maps.items import Items
    from cloaca_core.features.maps.openings import ItemPast, Opening
    from cloaca_core.features.maps.records import MapRow
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.items.units import Unit
    from cloaca_core.run.restore import Resume
    from cloaca_core.run.rows import AttemptRow
    from cloaca_core.values.times.clock import Clock

PREPARED: Final = 2
"""Attempts that are prepared of a map, for each slot where its bodies run; more if they end sooner
than others can be prepared.
"""


class Slots(Protocol):
    """The places where bodies run."""

    def slots_of(self, task: Task) -> int:
        """How many bodies of this task can run at once."""


class MapOpener:
    """Belongs to the engine's loop."""

    def __init__(
        self, config: DefaultRunnerConfig, logs: TaskLogs, slots: Slots, clock: Clock
    ) -> None:
        self._most_items = config.max_map_items
        self._most_open = config.max_open_items
        self._most_bytes = config.max_context_bytes
        self._logs = logs
        self._slots = slots
        self._clock = clock

    def open(self, run: ActiveRun, task: int, resume: Resume) -> OpenMap:
        """The map of a task, which is open from now on; ``MapError`` if its data cannot be, or are
        not those of its first start.
        """
        maps = open_maps(run)
        own = run.graph.tasks[task]
        assert own.map is not None, "only a map is opened"
        given = run.plan.contexts.given(task)
        items = items_of(own.id, own.map, given, self._most_items)
        earlier = maps.recorded.get(task)
        rows = () if earlier is None else earlier.items
        found = opening(
            own.id,
            items,
            resume.attempt,
            run.row.runs_by,
            None if earlier is None else earlier.row,
            rows,
            above_ran=earlier is not None and _above_ran(run, task, earlier.row),
            chosen=None if earlier is None else earlier.chosen,
        )
        mark = self._mark(run, task, resume, found)
        opened = self._opened(run, own, mark, items, found)
        if own.wait is not None and resume.children_restarted:
            chosen = None if earlier is None else earlier.restarted
            opened.restarted = range(len(items.values)) if chosen is None else chosen
        self._go_on(run, opened, past_of(rows, found.again))
        maps.recorded.pop(task, None)
        maps.add(opened)
        return opened

    def _mark(self, run: ActiveRun, task: int, resume: Resume, found: Opening) -> AttemptRow:
        """The row of the map itself while it is open."""
        if not found.is_new:
            return run.latest[task]
        now = self._clock.wall()
        mark = attempt_rows.of_map(run, task, resume.attempt, now)
        run.latest[task] = mark
        return mark

    def _opened(
        self, run: ActiveRun, own: Task, mark: AttemptRow, items: Items, found: Opening
    ) -> OpenMap:
        assert own.map is not None, "only a map is opened"
        most_open = own.map.max_parallel or self._most_open
        slots = 0 if own.wait is not None else self._slots.slots_of(own)
        return OpenMap(
            run.graph.position[own.id],
            mark,
            items,
            found,
            ItemPlan(len(items.values), own.map.item_policy),
            {} if own.map.results == "list" else None,
            self._logs.open(run, own.id, mark.attempt),
            SharedInput(run.plan.contexts.given(run.graph.position[own.id])),
            most_open=most_open,
            most_here=most_open if own.wait is not None else PREPARED * slots,
            line=Line(self._clock.wall),
            slots=slots,
        )

    def _go_on(self, run: ActiveRun, opened: OpenMap, past: ItemPast) -> None:
        """Tell the plan of a map what its items have come to before."""
        plan, task_id = opened.plan, opened.mark.task_id
        for index, row in past.completed.items():
            plan.complete(index)
            if opened.results is not None:
                opened.results[index] = change_from_json(row.change or "{}").set[task_id]
                opened.count_result(index, row.change or "")
        for index, row in past.failed.items():
            plan.fail(index, str(row.error), is_earlier=row.epoch < opened.mark.epoch)
            opened.count_failure(index)
        opened.refuse_if_large(run.size_bound, self._most_bytes)
        came = open_maps(run).came
        late = 0 if came is None else self._clock.wall() - came
        resumes = shifted({index: resume for index, (_, resume) in past.begun.items()}, late)
        suspended: dict[Unit, Resume] = {}
        for index, resume in resumes.items():
            row = past.begun[index][0]
            if plan.stopped and resume.retry_at is not None:
                plan.fail(index, str(row.error))
                past.failed[index] = row
                continue
            unit = unit_of(opened.task, index)
            plan.resume(index)
            run.latest[unit], run.resume[unit] = row, resume
            if resume.was_suspended:
                suspended[unit] = resume
        if run.waits is not None and suspended:
            run.waits.suspended_before(suspended)
        if run.graph.pauses:
            opened.ended = [*past.completed.values(), *past.failed.values()]


def _above_ran(run: ActiveRun, task: int, row: MapRow) -> bool:
    """Whether a task above a map has run again since that was opened."""
    above = run.graph.ancestors[task]
    return any(
        each.epoch > row.epoch
        for unit, each in run.latest.items()
        if unit <= TASK and above >> unit & 1
    )
