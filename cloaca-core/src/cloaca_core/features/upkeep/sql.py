"""Upkeep in SQL: trees of runs are hidden, and their rows deleted."""

from __future__ import annotations

from collections.abc import Collection

from cloaca_core.features.upkeep.records import DoomedRun, KeptWorkflow, Shift, Upkeep, Weight
from cloaca_core.store.runner_rows import KEPT_LOST
from cloaca_core.store.sql.base import Queries, SqlPart, Statements
from cloaca_core.store.sql.dialect import Answers, Dialect, Step
from cloaca_core.store.sql.payloads import Payloads
from cloaca_core.store.sql.queries import Statement


class UpkeepQueries(Statements, file="upkeep.sql"):
    """Runs that are too old, and their deletion."""

    get_upkeep: Statement
    take_upkeep: Statement
    hold_upkeep: Statement
    leave_upkeep: Statement
    list_kept_workflows: Statement
    list_expired: Statement
    lock_expired: Statement
    hide_trees: Statement
    weigh_trees: Statement
    list_doomed: Statement
    lock_ticked_schedules: Statement
    raise_marks: Statement
    erase_ticks_of: Statement
    erase_events_of: Statement
    erase_attempts: Statement
    erase_tags: Statement
    erase_acts: Statement
    erase_rounds: Statement
    erase_restarts: Statement
    erase_maps: Statement
    erase_forks: Statement
    erase_replacements: Statement
    erase_unserved: Statement
    erase_memos: Statement
    erase_lines: Statement
    erase_progress: Statement
    erase_waits: Statement
    erase_messages: Statement
    erase_runs: Statement
    erase_tombstones: Statement
    trim_attempts: Statement
    trim_acts: Statement
    trim_restarts: Statement
    trim_replacements: Statement
    trim_memos: Statement
    trim_lines: Statement
    trim_progress: Statement
    trim_waits: Statement
    trim_messages: Statement
    list_ticking: Statement
    list_deleted_schedules: Statement
    lock_mark: Statement
    raise_mark: Statement
    note_gone: Statement
    erase_names: Statement
    erase_lost_runners: Statement
    erase_ticks: Statement
    erase_lost: Statement
    list_idle_limit_keys: Statement
    erase_limit_keys: Statement


class SqlUpkeep(SqlPart):
    """The operations of upkeep. Contracts: see ``UpkeepStore``."""

    def __init__(self, dialect: Dialect, queries: Queries) -> None:
        super().__init__(dialect, queries)
        self._upkeep = queries.of(UpkeepQueries)

    async def upkeep(self) -> Upkeep:
        ((keeps_all, due_at),) = await self._read(self._upkeep.get_upkeep)
        return Upkeep(bool(keeps_all), int(due_at))

    async def take_upkeep(self, shift: Shift, now: int, due: int, latest: int) -> bool:
        taken = await self._write(
            self._upkeep.take_upkeep,
            holder=shift.holder,
            until=shift.until,
            now=now,
            due=due,
            latest=latest,
        )
        return bool(taken)

    async def leave_upkeep(self, holder: str, due_at: int) -> None:
        await self._write(self._upkeep.leave_upkeep, holder=holder, due_at=due_at)

    async def kept_workflows(self) -> list[KeptWorkflow]:
        rows = await self._read(self._upkeep.list_kept_workflows)
        return list(map(KeptWorkflow._make, rows))

    async def expired_trees(
        self, workflow: str, before: int, after: str, newest: str, limit: int
    ) -> list[str]:
        rows = await self._read(
            self._upkeep.list_expired,
            workflow=workflow,
            before=before,
            after=after,
            newest=newest,
            limit=limit,
        )
        return [run_id for (run_id,) in rows]

    async def weigh_trees(self, root_ids: Collection[str]) -> Weight:
        ids = self._dialect.array(root_ids)
        ((runs, rows),) = await self._read(self._upkeep.weigh_trees, ids=ids)
        return Weight(int(runs), int(rows))

    async def hide_trees(
        self, shift: Shift, root_ids: Collection[str], before: int, now: int
    ) -> int | None:
        q, ids = self._upkeep, self._dialect.array(root_ids)
        lock = Step(q.lock_expired, q.lock_expired.bind(ids=ids))
        hide = q.hide_trees.bind(ids=ids, before=before, now=now, holder=shift.holder)
        held, _, hidden = await self._dialect.write(
            [self._renewed(shift), lock, Step(q.hide_trees, hide)]
        )
        return len(hidden) if held else None

    async def doomed_runs(self, limit: int, most: int) -> list[DoomedRun]:
        rows = await self._read(self._upkeep.list_doomed, limit=limit, most=most)
        return list(map(DoomedRun._make, rows))

    async def erase_runs(self, shift: Shift, run_ids: Collection[str]) -> int | None:
        q, ids = self._upkeep, self._dialect.array(run_ids)
        schedules = Step(q.lock_ticked_schedules, q.lock_ticked_schedules.bind(ids=ids))
        lock = Step(q.lock_expired, q.lock_expired.bind(ids=ids))
        deletions = (
            q.raise_marks,
            q.erase_ticks_of,
            q.erase_events_of,
            q.erase_attempts,
            q.erase_tags,
            q.erase_acts,
            q.erase_rounds,
            q.erase_restarts,
            q.erase_maps,
            q.erase_forks,
            q.erase_replacements,
            q.erase_unserved,
            q.erase_memos,
            q.erase_lines,
            q.erase_progress,
            q.erase_waits,
            q.erase_messages,
            q.erase_runs,
            q.erase_tombstones,
        )
        steps = [
            *[Step.of(each, {"ids": ids, "holder": shift.holder}) for each in deletions],
            *Payloads(self._queries.payloads).erase(ids, shift.holder),
        ]
        held, _, _, *erased = await self._dialect.write(
            [self._renewed(shift), schedules, lock, *steps]
        )
        return _rows(erased) if held else None

    async def trim_run(self, shift: Shift, run_id: str, limit: int) -> int | None:
        q = self._upkeep
        lock = Step(q.lock_expired, q.lock_expired.bind(ids=self._dialect.array([run_id])))
        trimmed = (
            q.trim_attempts,
            q.trim_acts,
            q.trim_restarts,
            q.trim_replacements,
            q.trim_memos,
            q.trim_lines,
            q.trim_progress,
            q.trim_waits,
            q.trim_messages,
        )
        known = {"run_id": run_id, "limit": limit, "holder": shift.holder}
        steps = [Step.of(each, known) for each in trimmed]
        held, _, *erased = await self._dialect.write([self._renewed(shift), lock, *steps])
        return _rows(erased) if held else None

    async def erase_names(self, shift: Shift, now: int, apart: int) -> int | None:
        q, known = self._upkeep, {"now": now, "apart": apart, "holder": shift.holder}
        known["lost_before"] = now - KEPT_LOST
        steps = [
            Step.of(each, known) for each in (q.erase_lost_runners, q.note_gone, q.erase_names)
        ]
        held, *_, erased = await self._dialect.write([self._renewed(shift), *steps])
        return len(erased) if held else None

    async def ticking_schedules(self, workflow: str) -> list[str]:
        rows = await self._read(self._upkeep.list_ticking, workflow=workflow)
        return [schedule_id for (schedule_id,) in rows]

    async def deleted_schedules(self) -> list[str]:
        rows = await self._read(self._upkeep.list_deleted_schedules)
        return [schedule_id for (schedule_id,) in rows]

    async def erase_ticks(
        self, shift: Shift, schedule_id: str, before: int, limit: int
    ) -> int | None:
        q = self._upkeep
        known = {
            "schedule_id": schedule_id,
            "before": before,
            "limit": limit,
            "holder": shift.holder,
        }
        lock = Step(q.lock_mark, q.lock_mark.bind(schedule_id=schedule_id))
        steps = [Step.of(each, known) for each in (q.raise_mark, q.erase_ticks, q.erase_lost)]
        held, _, *erased = await self._dialect.write([self._renewed(shift), lock, *steps])
        return _rows(erased) if held else None

    async def idle_limit_keys(self, before: int, after: str, limit: int) -> list[str]:
        listing = self._upkeep.list_idle_limit_keys
        rows = await self._read(listing, before=before, after=after, limit=limit)
        return [line_id for (line_id,) in rows]

    async def erase_limit_keys(self, shift: Shift, ids: Collection[str], before: int) -> int | None:
        known = {"ids": self._dialect.array(ids), "before": before, "holder": shift.holder}
        erase = Step.of(self._upkeep.erase_limit_keys, known)
        held, erased = await self._dialect.write([self._renewed(shift), erase])
        return len(erased) if held else None

    async def give_back(self, limit: int) -> int | None:
        return await self._dialect.give_back(limit)

    def _renewed(self, shift: Shift) -> Step:
        """The first step of each transaction of a holder: none of another comes in between."""
        hold = self._upkeep.hold_upkeep
        return Step(hold, hold.bind(holder=shift.holder, until=shift.until))


def _rows(answers: Answers) -> int:
    """How many rows statements have deleted, which answer one for each."""
    return sum(map(len, answers))
