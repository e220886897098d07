"""The part of the store contract that deletes runs, as plain Python over dicts.

A tree that is hidden is out of ``runs`` at once, and its keys are free; what is left of it waits in
``hidden``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from model.memory_steering import Marks

from cloaca_core.features.maps.records import MapRow
from cloaca_core.features.schedules.records import Firing, ScheduleRow, TickRow
from cloaca_core.features.steps.records import MemoRow
from cloaca_core.features.task_logs.records import LogChunk, ProgressRow
from cloaca_core.features.triggers.records import NewEvent
from cloaca_core.features.upkeep.records import DoomedRun, KeptWorkflow, Shift, Upkeep, Weight
from cloaca_core.features.waits.records import WaitRow
from cloaca_core.run.rows import AttemptRow, ForkRow, NewRun, ReplacementRow, RoundRow, RunRow
from cloaca_core.store.acts import ActRow
from cloaca_core.store.messages import MessageRow
from cloaca_core.store.runner_rows import KEPT_LOST, LostRunner, RunnerName
from cloaca_core.values.definition_rows import DefinitionName


@dataclass
class Noted:
    """The one row of ``cloaca_upkeep``."""

    keeps_all: bool = False
    holder: str | None = None
    held_until: int = 0
    due_at: int = 0


@dataclass
class Hidden:
    """Runs that no view shows, each with the root of its tree."""

    runs: dict[str, RunRow] = field(default_factory=dict)
    roots: dict[str, str] = field(default_factory=dict)


class MemoryUpkeep:
    """Part of ``MemoryStore``, which has the runs."""

    def __init__(self) -> None:
        self.noted_upkeep = Noted()
        self.hidden = Hidden()
        self.runs: dict[str, RunRow] = {}
        self.marks: dict[str, Marks] = {}
        self.keys: dict[tuple[str, str], str] = {}
        self.newest: dict[str, DefinitionName] = {}
        self.attempts: dict[tuple[str, str, int, int], AttemptRow] = {}
        self.numbers: dict[str, int] = {}
        self.name_rows: dict[int, RunnerName] = {}
        self.lost_rows: dict[tuple[str, int], LostRunner] = {}
        self.gone: dict[int, int] = {}
        self.noted: dict[tuple[str, str], ActRow] = {}
        self.past_rounds: dict[tuple[str, int], RoundRow] = {}
        self.restarted: dict[tuple[str, str, int], tuple[int, int]] = {}
        self.restarted_of_maps: dict[tuple[str, str, int, int], int] = {}
        self.forked: dict[str, list[ForkRow]] = {}
        self.replaced: dict[tuple[str, int], ReplacementRow] = {}
        self.unserved: dict[tuple[str, str], str] = {}
        self.kept_memos: dict[tuple[str, str, int, str, str, int], MemoRow] = {}
        self.opened_maps: dict[tuple[str, str], MapRow] = {}
        self.kept_lines: dict[tuple[str, int], LogChunk] = {}
        self.latest: dict[tuple[str, str, int, int], ProgressRow] = {}
        self.open_waits: dict[tuple[str, str, int, str, str, int], WaitRow] = {}
        self.mailbox: dict[tuple[str, str], MessageRow] = {}
        self.tag_rows: dict[str, int] = {}
        self.schedules: dict[str, ScheduleRow] = {}
        self.ticks: dict[tuple[str, int], TickRow] = {}
        self.lost: dict[tuple[str, int], Firing] = {}
        self.events: dict[str, NewEvent] = {}

    # -- trees -------------------------------------------------------------------------------

    def is_orphan(self, run: NewRun) -> bool:
        """Whether the parent of a new run is not there (any more)."""
        return run.belongs_to is not None and run.belongs_to not in self.runs

    def _root_of(self, run: RunRow) -> str:
        mark = self.marks.get(run.id)
        is_apart = run.parent_id is None or (mark is not None and mark.detached)
        parent = None if is_apart else self.runs.get(str(run.parent_id))
        return run.id if parent is None else self._root_of(parent)

    def _tree(self, root_id: str) -> list[RunRow]:
        return [run for run in self.runs.values() if self._root_of(run) == root_id]

    def _has_expired(self, root_id: str, before: int) -> bool:
        tree = self._tree(root_id)
        return bool(tree) and all(
            run.ended_at is not None and run.ended_at < before for run in tree
        )

    async def expired_trees(
        self, workflow: str, before: int, after: str, newest: str, limit: int
    ) -> list[str]:
        roots = [
            run.id
            for _, run in sorted(self.runs.items())
            if run.workflow == workflow and after < run.id < newest
        ]
        return [run_id for run_id in roots if self._has_expired(run_id, before)][:limit]

    async def weigh_trees(self, root_ids: Collection[str]) -> Weight:
        runs = [run for root_id in root_ids for run in self._tree(root_id)]
        return Weight(len(runs), sum(self._rows_of(run.id) for run in runs))

    def _rows_of(self, run_id: str) -> int:
        rows = len([key for table in self._tables() for key in table if key[0] == run_id])
        return 1 + rows + len(self.forked.get(run_id, ())) + self.tag_rows.get(run_id, 0)

    def _tables(self) -> tuple[dict[Any, Any], ...]:
        """The tables whose keys begin with the id of a run."""
        return (
            self.attempts,
            self.noted,
            self.past_rounds,
            self.restarted,
            self.restarted_of_maps,
            self.replaced,
            self.unserved,
            self.opened_maps,
            self.kept_memos,
            self.kept_lines,
            self.latest,
            self.open_waits,
            self.mailbox,
        )

    # -- shifts ------------------------------------------------------------------------------

    async def upkeep(self) -> Upkeep:
        return Upkeep(self.noted_upkeep.keeps_all, self.noted_upkeep.due_at)

    async def take_upkeep(self, shift: Shift, now: int, due: int, latest: int) -> bool:
        noted = self.noted_upkeep
        is_due = noted.due_at <= due or noted.due_at > latest
        is_free = noted.holder in (None, shift.holder) or not now < noted.held_until <= latest
        if is_due and is_free:
            noted.holder, noted.held_until = shift
        return is_due and is_free

    async def leave_upkeep(self, holder: str, due_at: int) -> None:
        if self.noted_upkeep.holder == holder:
            self.noted_upkeep.holder, self.noted_upkeep.held_until = None, 0
            self.noted_upkeep.due_at = due_at

    def _has_shift(self, shift: Shift) -> bool:
        is_mine = self.noted_upkeep.holder == shift.holder
        if is_mine:
            self.noted_upkeep.held_until = shift.until
        return is_mine

    async def kept_workflows(self) -> list[KeptWorkflow]:
        used = {run.workflow for run in (*self.runs.values(), *self.hidden.runs.values())}
        used |= {schedule.workflow for schedule in self.schedules.values()}
        return [KeptWorkflow(name, self._retention_of(name)) for name in sorted(used)]

    def _retention_of(self, workflow: str) -> int | None:
        known = self.newest.get(workflow)
        return None if known is None else known.retention

    # -- deletions ---------------------------------------------------------------------------

    async def hide_trees(
        self,
        shift: Shift,
        root_ids: Collection[str],
        before: int,
        now: int,  # noqa: ARG002 - the model does not note it
    ) -> int | None:
        if not self._has_shift(shift):
            return None
        expired = [root_id for root_id in root_ids if self._has_expired(root_id, before)]
        for root_id in expired:
            for run in self._tree(root_id):
                self.hidden.roots[run.id] = root_id
            for run in self._tree(root_id):
                self.hidden.runs[run.id] = run
            for run_id in [run_id for run_id, root in self.hidden.roots.items() if root == root_id]:
                del self.runs[run_id]
        for key in [key for key, run_id in self.keys.items() if run_id in self.hidden.runs]:
            del self.keys[key]
        return len(expired)

    async def doomed_runs(
        self,
        limit: int,
        most: int,  # noqa: ARG002 - it counts them all
    ) -> list[DoomedRun]:
        roots = list(self.hidden.roots.values())
        doomed = [
            DoomedRun(run_id, self._rows_of(run_id))
            for run_id, root_id in self.hidden.roots.items()
            if run_id != root_id or roots.count(root_id) == 1
        ]
        return doomed[:limit]

    async def erase_runs(self, shift: Shift, run_ids: Collection[str]) -> int | None:
        if not self._has_shift(shift):
            return None
        return sum(self._erase(run_id) for run_id in run_ids)

    def _erase(self, run_id: str) -> int:
        rows = self._rows_of(run_id) + self._forget_origin(self.hidden.runs[run_id])
        for table in self._tables():
            for key in [key for key in table if key[0] == run_id]:
                del table[key]
        self.forked.pop(run_id, None)
        self.tag_rows.pop(run_id, None)
        self.marks.pop(run_id, None)
        del self.hidden.runs[run_id], self.hidden.roots[run_id]
        return rows

    def _forget_origin(self, run: RunRow) -> int:
        """Forget the tick or the event that has made a run; how many rows that deletes."""
        ticks = [tick for tick in self.ticks.values() if tick.run_id == run.id]
        rows = sum(self._forget_tick(tick) for tick in ticks)
        events = [e.id for e in self.events.values() if e.run_id == run.id and e.event_key is None]
        for event_id in events:
            del self.events[event_id]
        return rows + len(events)

    def _forget_tick(self, tick: TickRow) -> int:
        schedule = self.schedules.get(tick.schedule_id)
        if schedule is not None:
            if tick.tick > max(schedule.decided_until, _mark(schedule)):
                return 0
            mark = max(tick.tick, _mark(schedule))
            self.schedules[schedule.id] = schedule._replace(pruned_until=mark)
        del self.ticks[tick.schedule_id, tick.tick]
        return 1

    async def trim_run(self, shift: Shift, run_id: str, limit: int) -> int | None:
        if not self._has_shift(shift):
            return None
        tables: tuple[dict[Any, Any], ...] = (
            self.attempts,
            self.noted,
            self.restarted,
            self.restarted_of_maps,
            self.replaced,
            self.kept_memos,
            self.kept_lines,
            self.latest,
            self.open_waits,
            self.mailbox,
        )
        return sum(_trim(table, run_id, limit) for table in tables)

    async def ticking_schedules(self, workflow: str) -> list[str]:
        return sorted(each.id for each in self.schedules.values() if each.workflow == workflow)

    async def deleted_schedules(self) -> list[str]:
        return sorted({schedule_id for schedule_id, _ in self.ticks} - self.schedules.keys())

    async def erase_names(self, shift: Shift, now: int, apart: int) -> int | None:
        if not self._has_shift(shift):
            return None
        for key in [key for key, each in self.lost_rows.items() if each.lost_at < now - KEPT_LOST]:
            del self.lost_rows[key]
        for number in self.name_rows.keys() - set(self.numbers.values()):
            self.gone.setdefault(number, now)
        oldest = min(
            [run.created_at for run in (*self.runs.values(), *self.hidden.runs.values())],
            default=now,
        )
        old = [number for number, at in self.gone.items() if at < oldest - apart]
        for number in old:
            del self.gone[number], self.name_rows[number]
        return len(old)

    async def erase_ticks(
        self, shift: Shift, schedule_id: str, before: int, limit: int
    ) -> int | None:
        if not self._has_shift(shift):
            return None
        old = [
            tick
            for tick in sorted(self.ticks.values(), key=lambda tick: tick.tick)
            if tick.schedule_id == schedule_id
            and max(tick.tick, tick.created_at) < before
            and tick.run_id not in self.runs
            and tick.run_id not in self.hidden.runs
        ]
        ticks = sum(self._forget_tick(tick) for tick in old[:limit])
        lost = [
            key
            for key, firing in sorted(self.lost.items())
            if key[0] == schedule_id and firing.decided_at < before
        ][:limit]
        for key in lost:
            del self.lost[key]
        return ticks + len(lost)

    async def give_back(self, limit: int) -> int | None:  # noqa: ARG002 - it has no pages
        return None


def _trim(table: dict[Any, Any], run_id: str, limit: int) -> int:
    """Delete up to so many rows of a run; how many."""
    keys = [key for key in table if key[0] == run_id][:limit]
    for key in keys:
        del table[key]
    return len(keys)


def _mark(schedule: ScheduleRow) -> int:
    return -1 if schedule.pruned_until is None else schedule.pruned_until
