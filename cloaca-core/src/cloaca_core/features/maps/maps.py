"""Opens the maps of runs that are ours, begins their items, and ends them.

An item is an attempt like any other: the kernel sends it off, tries it again and records it. This
module lets the next items begin, and ends a map whose items have ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from cloaca_core.engine.execute.outcome import Raised, Succeeded
from cloaca_core.engine.orchestrate.launcher import LAUNCHES_PER_PASS
from cloaca_core.engine.orchestrate.orchestrator import tell_of_failure
from cloaca_core.engine.record import attempt_rows
from cloaca_core.engine.runtime import failpoints
from cloaca_core.errors import LimitKeyError, MapError, MapFailedError
from cloaca_core.features.maps.limited_maps import LimitedMaps, has_begun
from cloaca_core.features.maps.open_maps import EarlierMap, OpenMap, open_map, open_maps
from cloaca_core.features.maps.opener import MapOpener
from cloaca_core.features.maps.rows import MapOpened, map_row
from cloaca_core.run.items.units import BITS, TASK, item_of, unit_of
from cloaca_core.run.life import State
from cloaca_core.run.merge import Change
from cloaca_core.values.states import TaskStatus

if TYPE_CHECKING:
    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.engine.execute.outcome import Outcome
    from cloaca_core.engine.execute.work import Line
    from cloaca_core.engine.orchestrate.orchestrator import Orchestrator
    from cloaca_core.engine.record.run_entry import Beside
    from cloaca_core.features.maps.opener import Slots
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.items.units import Unit
    from cloaca_core.run.restore import Resume
    from cloaca_core.run.rows import AttemptRow
    from cloaca_core.values.map_items import Item
    from cloaca_core.values.times.clock import Clock


class Maps:
    """Belongs to the engine's loop."""

    def __init__(
        self, config: DefaultRunnerConfig, kernel: Orchestrator, slots: Slots, clock: Clock
    ) -> None:
        self._most_bytes = config.max_context_bytes
        self._kernel = kernel
        self._control = kernel.control
        self._records = kernel.control.records
        self._limits = LimitedMaps(kernel)
        self._opener = MapOpener(config, kernel.control.attempts.logs, slots, clock)
        self._clock = clock
        self._loop = asyncio.get_running_loop()

    # -- open --------------------------------------------------------------------------------

    def gate(self, run: ActiveRun, unit: Unit, resume: Resume) -> Callable[[], None] | None:
        """A ``Gate``: a map is opened in place of its start. An item that was to be tried again
        fails if its map has been stopped since.
        """
        if unit > TASK:
            opened = open_maps(run).of(unit)
            if opened.plan.stopped and resume.retry_at is not None:
                return partial(self._fail_as_before, run, opened, unit)
            return None
        if run.graph.tasks[unit].map is None:
            return None
        return partial(self._begin, run, unit, resume)

    def _begin(self, run: ActiveRun, task: int, resume: Resume) -> None:
        """Open a map; one that is open was held while its run was not to go on."""
        maps = open_maps(run)
        if (opened := maps.get(task)) is not None:
            self._feed(run, opened)
            return
        earlier = maps.recorded.get(task)
        try:
            opened = self._opener.open(run, task, resume)
            if run.graph.tasks[task].limits:
                self._limits.open(run, opened)
        except (MapError, LimitKeyError) as error:
            now = self._clock.wall()
            row = attempt_rows.of_node(run, task, resume.attempt, now, now, error=error)
            closed = () if earlier is None else self._waits_closed(run, task, earlier.items)
            self._kernel.fail(run, task, row, str(row.error), closed)
            return
        if opened.opening.is_new:
            begun = MapOpened(map_row(run, opened.mark, opened.items, opened.opening))
            self._records.note(run, [opened.mark], [begun], partial(self._begun, run, opened))
        else:
            self._start(run, opened)

    def _waits_closed(self, run: ActiveRun, task: int, items: list[AttemptRow]) -> list[Beside]:
        """Close the waits of items that are not gone on with."""
        waiting = {row.item for row in items if row.status == TaskStatus.WAITING}
        ended = self._control.ports.waits.ended
        return [each for item in sorted(waiting) for each in ended(run, unit_of(task, item))]

    def _start(self, run: ActiveRun, opened: OpenMap) -> None:
        """Its row is durable: go on with items that had begun, and begin others."""
        if failpoints.watches:
            failpoints.hit("map.after_open")
        if run.life.state is State.OVER:
            return
        if opened.plan.open:
            had_begun = [unit_of(opened.task, index) for index in sorted(opened.plan.open)]
            self._control.launcher.launch(run, had_begun)
        if opened.limited is not None:
            self._limits.adopt(run, opened, opened.limited)
        self._feed(run, opened)
        self._end_if_over(run, opened)

    def _begun(self, run: ActiveRun, opened: OpenMap) -> None:
        """Its row was written just now. This is not part of a launch, which would look at the waits
        of the run by itself.
        """
        self._start(run, opened)
        self._look(run)

    # -- items -------------------------------------------------------------------------------

    def item(self, run: ActiveRun, unit: Unit) -> tuple[Item, Line]:
        """As in ``MapPort``."""
        opened, index = open_map(run, unit), (unit >> BITS) - 1
        opened.here.add(index)
        return opened.item(index), opened.line

    def _feed(self, run: ActiveRun, opened: OpenMap) -> None:
        """Begin as many more items as may; of a large number, the rest in later passes of the loop.
        While the run is not to go on, the map is held.
        """
        if not opened.plan.has_more:
            return
        if not run.life.may_begin:
            if opened.task not in run.life.held:
                run.life.ready([opened.task])
            return
        units = []
        for index in opened.begin(LAUNCHES_PER_PASS):
            units.append(unit := unit_of(opened.task, index))
            if index in opened.opening.again:
                run.resume[unit] = opened.begins_anew(index)
        if units:
            self._control.launcher.launch(run, units)
        if len(units) == LAUNCHES_PER_PASS:
            self._loop.call_soon(self._kernel.guarded, run, self._feed, run, opened)
        if opened.limited is not None:
            self._limits.ask(run, opened, opened.limited)

    def concluded(self, attempt: Attempt, outcome: Outcome, beside: Sequence[Beside]) -> None:
        """As in ``MapPort``."""
        run, unit = attempt.owner, attempt.index
        opened, index = open_map(run, unit), (unit >> BITS) - 1
        opened.here.discard(index)
        if isinstance(outcome, Succeeded):
            row = attempt_rows.completed(attempt, outcome, self._clock.wall())
            opened.plan.complete(index)
            self._keep(run, opened, index, outcome.change, outcome.text)
        else:
            assert isinstance(outcome, Raised), "an item that is cut off ends with its run"
            if outcome.again and not opened.plan.stopped:
                self._kernel.retry(attempt, outcome, beside)
                self._feed(run, opened)
                return
            tell_of_failure(attempt, outcome)
            row = attempt_rows.failed(attempt, outcome, self._clock.wall(), retry_at=None)
            opened.plan.fail(index, str(outcome))
            opened.count_failure(index)
            opened.refuse_if_large(run.size_bound, self._most_bytes)
        run.latest.pop(unit, None)
        self._record(run, opened, row, beside)

    def away(self, attempt: Attempt) -> None:
        """As in ``MapPort``."""
        opened = open_maps(attempt.owner).get(attempt.index)
        if opened is not None:
            opened.here.discard(item_of(attempt.index))
            self._feed(attempt.owner, opened)

    def taken_back(self, attempt: Attempt) -> None:
        """As in ``MapPort``."""
        run, opened = attempt.owner, open_maps(attempt.owner).of(attempt.index)
        opened.put_back(item_of(attempt.index))
        if not opened.is_due:
            self._go_on_soon(run, opened)

    def ended_without_body(
        self,
        run: ActiveRun,
        unit: Unit,
        row: AttemptRow,
        change: Change | None = None,
        beside: Sequence[Beside] = (),
    ) -> None:
        """As in ``MapPort``."""
        opened, index = open_maps(run).of(unit), item_of(unit)
        if change is None:
            opened.plan.fail(index, str(row.error))
            opened.count_failure(index)
            opened.refuse_if_large(run.size_bound, self._most_bytes)
        else:
            opened.plan.complete(index)
            self._keep(run, opened, index, change, row.change or "")
        run.latest.pop(unit, None)
        self._record(run, opened, row, beside)

    def _record(
        self, run: ActiveRun, opened: OpenMap, row: AttemptRow, beside: Sequence[Beside]
    ) -> None:
        """Have the end of an item written, and take the next steps of its map: once for all items
        that end in this pass of the loop, unless nothing of the map is open any more.
        """
        if opened.ended is not None:
            opened.ended.append(row)
        if beside:
            self._records.write(run, [row], beside=beside)
        else:
            opened.entry = self._records.share(run, row, opened.entry)
        if opened.plan.stopped and not opened.has_stopped:
            self._stop(run, opened)
        if not opened.plan.open:
            self._go_on(run, opened)
        elif not opened.is_due:
            self._go_on_soon(run, opened)

    def _go_on_soon(self, run: ActiveRun, opened: OpenMap) -> None:
        opened.is_due = True
        self._loop.call_soon(self._kernel.guarded, run, self._go_on_later, run, opened)

    def _go_on_later(self, run: ActiveRun, opened: OpenMap) -> None:
        opened.is_due = False
        if run.life.state is not State.OVER and open_maps(run).get(opened.task) is opened:
            self._go_on(run, opened)

    def _go_on(self, run: ActiveRun, opened: OpenMap) -> None:
        opened.tell()
        opened.keep_up()
        self._feed(run, opened)
        self._end_if_over(run, opened)

    def _keep(self, run: ActiveRun, opened: OpenMap, index: int, change: Change, text: str) -> None:
        """Keep a result for the context, as long as they may all be handed on."""
        if opened.results is None:
            return
        task_id = opened.mark.task_id
        opened.results[index] = change.set[task_id]
        opened.count_result(index, text)
        if run.size_bound + opened.size > self._most_bytes:
            opened.refuse_if_large(run.size_bound, self._most_bytes)

    # -- end ---------------------------------------------------------------------------------

    def _stop(self, run: ActiveRun, opened: OpenMap) -> None:
        """No more items begin: take back those whose bodies never have, and let those fail that
        wait to be tried again. The start mark of an attempt that is taken back may be written.
        Once is enough: no item begins or is tried again afterwards.
        """
        opened.has_stopped = True
        now, withdrawn = self._clock.wall(), attempt_rows.item_withdrawn
        rows: list[AttemptRow] = []
        for attempt in self._kernel.runs.attempts(run):
            of = open_maps(run).get(attempt.index) if attempt.index > TASK else None
            if of is not opened or has_begun(run, attempt.index):
                continue
            if self._kernel.attempts.take_back(attempt):
                opened.here.discard(item_of(attempt.index))
                if attempt.marked:
                    rows.append(withdrawn(run, attempt.index, attempt.number, now))
                self._withdraw(run, opened, attempt.index)
        units = [unit_of(opened.task, index) for index in sorted(opened.plan.open)]
        waiting = self._control.launcher.back_offs.take_units(run, units)
        for unit in [*waiting, *self._limits.leave(run, opened, units)]:
            opened.here.discard(item_of(unit))
            self._withdraw(run, opened, unit)
        held = {
            unit
            for unit in run.life.held
            if unit > TASK and unit & TASK == opened.task and not has_begun(run, unit)
        }
        if held:
            run.life.held = [unit for unit in run.life.held if unit not in held]
            for unit in sorted(held):
                resume = run.resume.pop(unit, None)
                if resume is not None and run.recovered:
                    rows.append(withdrawn(run, unit, resume.attempt, now))
                self._withdraw(run, opened, unit)
        if rows:
            self._records.write(run, rows)

    def _withdraw(self, run: ActiveRun, opened: OpenMap, unit: Unit) -> None:
        before = run.latest.pop(unit, None)
        if before is None or before.error is None:
            opened.plan.withdraw(item_of(unit))
            return
        opened.plan.fail(item_of(unit), before.error)
        if opened.ended is not None:
            opened.ended.append(before)

    def _fail_as_before(self, run: ActiveRun, opened: OpenMap, unit: Unit) -> None:
        """An item that was to be tried again has failed with its last error."""
        self._withdraw(run, opened, unit)
        self._end_if_over(run, opened)

    def _end_if_over(self, run: ActiveRun, opened: OpenMap) -> None:
        plan, mark = opened.plan, opened.mark
        if not plan.is_over or run.life.state is State.OVER:
            return
        if failpoints.watches:
            failpoints.hit("map.before_end")
        maps = open_maps(run)
        maps.remove(opened)
        if opened.task in run.life.held:  # it was to go on with its other items
            run.life.held.remove(opened.task)
        opened.log.closed = True
        error = opened.flaw
        if error is None and plan.has_failed:
            error = _failure(opened)
        now, since = self._clock.wall(), mark.started_at
        assert since is not None, "an open map has begun"
        if error is None:
            change = Change({mark.task_id: opened.value()}, [])
            row = attempt_rows.of_node(run, opened.task, mark.attempt, since, now, change=change)
            run.size_bound += len((row.change or "").encode())
            step = run.plan.completed(opened.task, change)
            self._kernel.follow(run, step, [row])
            return
        if opened.ended is not None:
            as_opened = map_row(run, mark, opened.items, opened.opening)
            maps.recorded[opened.task] = EarlierMap(as_opened, opened.ended)
        failed = attempt_rows.of_node(run, opened.task, mark.attempt, since, now, error=error)
        self._kernel.fail(run, opened.task, failed, str(failed.error))

    def _look(self, run: ActiveRun) -> None:
        """Let the run go if nothing of it can go on: first, waits may be over by now."""
        if run.life.state is State.OVER:
            return
        if run.waits is not None:
            self._control.ports.waits.check(run)
        else:
            self._kernel.review(run)


def _failure(opened: OpenMap) -> MapFailedError:
    first, failed, items = opened.plan.first, opened.plan.failed, len(opened.plan)
    assert first is not None, "an item has failed"
    task_id, label = opened.mark.task_id, opened.items.label(first.index)
    noun = "item" if items == 1 else "items"
    return MapFailedError(
        f"{failed} of {items} {noun} failed, first {task_id}[{label}]: {first.error}",
        task_id=task_id,
        failed=failed,
        items=items,
        first=label,
        error=first.error,
    )
