"""Searches, as plain Python over dicts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Sequence
from itertools import groupby, pairwise

from model.memory_recorded_run import MemoryRecordedRun

from cloaca_core.features.search.records import (
    Claimable,
    Condition,
    Counted,
    Failure,
    Found,
    Kin,
    Link,
    RunSearch,
    WorkflowCounts,
)
from cloaca_core.run.rows import AttemptRow, RunRow
from cloaca_core.values.states import RunStatus


class MemorySearches(MemoryRecordedRun):
    """Part of ``MemoryStore``. It looks at all runs at once, however many it is to look at."""

    attempts: dict[tuple[str, str, int, int], AttemptRow]

    async def search(self, wanted: RunSearch) -> Found:
        return Found([run for run in self._newest() if self._meets(run, wanted)], None)

    async def count_found(self, wanted: RunSearch) -> Counted:
        return Counted(len((await self.search(wanted)).rows), None)

    async def runs_of(self, run_ids: Collection[str]) -> list[RunRow]:
        return [run for run in self._newest() if run.id in run_ids]

    async def family(self, run_id: str, depth: int, most: int, counted: int) -> Kin:
        rows = await self.runs_of([run_id])
        level = rows
        for _ in range(depth):
            below = await self.children([run.id for run in level])
            level = (await self.runs_of([each.id for each in below]))[::-1]
            rows += level
        children = await self.children([run.id for run in rows[:most]])
        by_parent = groupby(children, key=lambda each: each.parent_id)
        return Kin(rows[:most], [each for _, own in by_parent for each in list(own)[:counted]])

    async def runs_below(self, run_id: str, depth: int, most: int) -> list[RunRow]:
        return list((await self.family(run_id, depth, most, 0)).rows)

    async def links(self, run_ids: Collection[str], most: int) -> list[Link]:
        known = [run.id for run in self._newest()[::-1] if run.id in run_ids]
        numbers = Counter([each.parent_id for each in await self.children(known)])
        keys = {run_id: key for (_, key), run_id in self.keys.items()}
        return [Link(each, keys.get(each), min(numbers[each], most)) for each in known]

    async def actors(self, names: Collection[str]) -> list[str]:
        known = {row.asked_by for row in self.noted.values()}
        return sorted({who for who in known if who in names or who.partition("@")[0] in names})

    async def count_under_way(self, most: int) -> dict[str, int]:
        states = Counter([str(run.status) for run in self.runs.values() if run.ended_at is None])
        return {status: min(number, most) for status, number in states.items()}

    async def count_of_workflows(self, workflows: Sequence[str], most: int) -> list[WorkflowCounts]:
        return [self._counted_in(workflow, most) for workflow in workflows]

    def _counted_in(self, workflow: str, most: int) -> WorkflowCounts:
        newest = [run for run in self._newest() if run.workflow == workflow][:most]
        counts = dict(Counter([str(run.status) for run in newest]))
        return WorkflowCounts(workflow, counts, newest[0].id if newest else None)

    async def count_made(
        self, workflows: Sequence[str], edges: Sequence[str], most: int
    ) -> list[list[int]]:
        return [
            [min(most, self._made(each, low, high)) for low, high in pairwise(edges)]
            for each in workflows
        ]

    def _made(self, workflow: str, low: str, high: str) -> int:
        made = [run.id for run in self.runs.values() if run.workflow == workflow]
        return len([run_id for run_id in made if low <= run_id < high])

    async def count_owned(self, runner_ids: Sequence[str], most: int) -> list[int]:
        owners = [run.owner for run in self.runs.values() if run.ended_at is None]
        return [min(most, owners.count(runner_id)) for runner_id in runner_ids]

    async def failed_since(self, since: int, most: int) -> list[str]:
        failed = [
            (run.ended_at, run.id)
            for run in self.runs.values()
            if run.status == RunStatus.FAILED and run.ended_at is not None
        ]
        newest = sorted([each for each in failed if each[0] >= since], reverse=True)
        return [run_id for _, run_id in newest][:most]

    async def failures_since(self, since: int, most: int) -> list[Failure]:
        ids = await self.failed_since(since, most)
        rows = [self.runs[run_id] for run_id in ids]
        return [Failure(row.id, row.workflow, row.ended_at or 0) for row in rows]

    async def longest_claimable(self) -> Claimable | None:
        free = [run for run in self.runs.values() if self.is_claimable(run)]
        waits = [(self.marks_of(run).claimable_at, run.id) for run in free]
        since, run_id = min(waits, default=(0, None))
        return None if run_id is None else Claimable(run_id, since)

    def _newest(self) -> list[RunRow]:
        return [
            run._replace(input="", final_context="")
            for _, run in sorted(self.runs.items(), reverse=True)
        ]

    def _meets(self, run: RunRow, wanted: RunSearch) -> bool:
        return (
            (wanted.before is None or run.id < wanted.before)
            and (wanted.after is None or run.id >= wanted.after)
            and (wanted.since is None or run.created_at >= wanted.since)
            and (wanted.until is None or run.created_at < wanted.until)
            and (wanted.ended_since is None or (run.ended_at or 0) >= wanted.ended_since)
            and all(self._is_met(run, each) != each.negated for each in wanted.conditions)
        )

    def _is_met(self, run: RunRow, condition: Condition) -> bool:
        return any(self._matches(run, condition, value) for value in condition.values)

    def _is_history(self, row: AttemptRow) -> bool:
        """Whether a retry has the task begin anew after this attempt."""
        of_tasks = [(*key[:2], -1, key[2]) for key in self.restarted]
        own = (row.run_id, row.task_id, row.item)
        return any(
            key[:3] == own and key[3] > row.attempt for key in [*of_tasks, *self.restarted_of_maps]
        )

    def _matches(self, run: RunRow, condition: Condition, value: str) -> bool:
        match condition.kind:
            case "status" | "workflow" | "queue":
                return bool(getattr(run, condition.kind) == value)
            case "parent":
                is_top = run.parent_id is None or self.marks_of(run).detached
                return is_top if value == "" else run.parent_id == value
            case "id":
                return run.id.startswith(value)
            case "tag":
                return bool(json.loads(run.tags).get(condition.key) == value)
            case "error":
                return value.lower() in (run.error_message or "").lower()
            case "task":
                return any(k[:2] == (run.id, value) and k[3] for k in self.attempts)
            case "reason":
                of_run = [row for row in self.attempts.values() if row.run_id == run.id]
                in_order = sorted(of_run, key=lambda row: row.attempt)
                latest = {(row.task_id, row.item): row for row in in_order}
                return any(
                    row.reason_code == value and not self._is_history(row)
                    for row in latest.values()
                )
            case "act":
                own = self.noted.get((run.id, value))
                return own is not None and bool(own.changed)
            case "by":
                return any(
                    row.run_id == run.id and row.asked_by == value for row in self.noted.values()
                )
