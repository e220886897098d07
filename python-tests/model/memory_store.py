"""The store contract as plain Python over dicts: what the databases are compared with.

No third backend: nothing is durable, and no other process can use it. It is written to be read
beside the docstrings of ``Store``, so every operation is the obvious loop.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection
from typing import Any, Self

from model.memory_child_runs import MemoryChildRuns
from model.memory_definitions import MemoryDefinitions
from model.memory_follow_ups import MemoryFollowUps
from model.memory_limit_store import MemoryLimits
from model.memory_maps import MemoryMaps
from model.memory_memos import MemoryMemos
from model.memory_queues import MemoryQueues
from model.memory_schedules import MemorySchedules, run_of
from model.memory_singletons import MemorySingletons
from model.memory_steering import Marks
from model.memory_task_logs import MemoryTaskLogs
from model.memory_transactions import MemoryTransactions
from model.memory_triggers import MemoryTriggers, run_of_event
from model.memory_upkeep import MemoryUpkeep
from model.memory_waits import MemoryWaits, refuse_unstorable

from cloaca_core.errors import StoreOpenError, lost_parent
from cloaca_core.features.child_runs.records import NODE_CHILDREN, OPENED_NODES
from cloaca_core.features.steps.records import MEMOS
from cloaca_core.features.task_logs.records import LINES, PROGRESS
from cloaca_core.features.triggers.records import EVENTS
from cloaca_core.features.waits.records import CLOSED, TIMEOUTS, WAITS
from cloaca_core.run.rows import (
    THE_TASK,
    AttemptRow,
    NewRun,
    RunEnd,
    RunFilter,
    RunRow,
    Unserved,
    WaitingRow,
)
from cloaca_core.store.acts import ActRow
from cloaca_core.store.batch import NO_ROWS, Batch, Committed, Kind, Rows, Waiting
from cloaca_core.store.changes import Change
from cloaca_core.store.messages import MESSAGES
from cloaca_core.store.outbox import Outbox
from cloaca_core.store.runner_rows import LostRunner, RunnerName, RunnerRow
from cloaca_core.store.runs import OnCommit
from cloaca_core.store.transactions import Recording
from cloaca_core.values.queue_names import DEFAULT_QUEUE
from cloaca_core.values.states import SUSPECT_AFTER, ReasonCode, RunStatus, TaskStatus

FINAL = {TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.SKIPPED, TaskStatus.CANCELLED}
"""What never changes again."""


class MemoryStore(
    MemoryLimits,
    MemoryChildRuns,
    MemoryFollowUps,
    MemorySchedules,
    MemoryTriggers,
    MemoryQueues,
    MemoryDefinitions,
    MemoryUpkeep,
    MemoryMaps,
    MemorySingletons,
):
    """A store for property tests."""

    outbox: Outbox | None = None
    transactions: MemoryTransactions
    writable = True
    most_keys: int | None = None

    def __init__(self) -> None:
        MemoryUpkeep.__init__(self)
        MemoryFollowUps.__init__(self)
        MemoryQueues.__init__(self)
        MemorySchedules.__init__(self)
        MemoryTriggers.__init__(self)
        MemoryDefinitions.__init__(self)
        MemoryMemos.__init__(self)
        MemoryMaps.__init__(self)
        MemoryLimits.__init__(self)
        MemoryTaskLogs.__init__(self)
        MemoryWaits.__init__(self)
        self.keys: dict[tuple[str, str], str] = {}
        self.attempts: dict[tuple[str, str, int, int], AttemptRow] = {}
        self.is_watched: bool = False
        self.transactions = MemoryTransactions()

    def together(self) -> Self:
        return self

    async def close(self) -> None:
        pass

    # -- record ------------------------------------------------------------------------------

    async def commit(self, batch: Batch, on_commit: OnCommit | None = None) -> Committed:
        committed = self._write(batch)
        if on_commit is not None:
            on_commit(committed)
        return committed

    def recording(self, runner_id: str, row: AttemptRow) -> Recording:
        batch = Batch(runner_id, [], [row], [], {row.run_id: row.epoch})
        return Recording((), lambda _: row.run_id in self._write(batch).current)

    async def is_recorded(self, runner_id: str, row: AttemptRow) -> bool:  # noqa: ARG002 - no locks
        found = self.attempts.get((row.run_id, row.task_id, row.item, row.attempt))
        return found is not None and (found.epoch, found.status) == (row.epoch, row.status)

    async def insert_when_free(self, run: NewRun, rows: Rows = NO_ROWS) -> str:
        batch = Batch("", [run], [], [], {}, rows=rows)
        _refuse_unstorable(batch)
        if self.is_orphan(run):
            raise lost_parent(run.parent_id)
        holder = self.insert(run._replace(owner=None), joins_pause=False)
        self.bring(batch)
        return holder

    def holder_of(self, run: NewRun) -> str | None:
        return self.keys.get((run.workflow, run.idempotency_key or ""))

    def _write(self, batch: Batch) -> Committed:
        _refuse_unstorable(batch)
        self._fire(batch)
        existing = {}
        orphans: set[str] = set()
        refused: set[str] = set()
        for run in batch.new_runs:
            if self.is_orphan(run):
                orphans.add(run.id)
                continue
            if self._is_refused(run):
                refused.add(run.id)
                holder = self.keys.get((run.workflow, run.idempotency_key or ""), run.id)
            else:
                holder = self.insert(run)
            if holder != run.id:
                existing[run.id] = holder
        current = {i for i, epoch in batch.fences.items() if self._owns(batch.runner_id, i, epoch)}
        self.bring(batch)
        stop_requests = self.stop_requests_of(current)
        timed_out = self.note_waits(batch, current)
        may_have = [each for each in current if self._may_have(self.runs[each])]
        begun = self.start_children(batch, may_have, stop_requests, self.replaced_of(current))
        for attempt in batch.attempts:
            if attempt.run_id in current:
                self._record(attempt._replace(runner=self.numbers.get(batch.runner_id)))
        self.put_in_queues(batch, current)
        self.fill_inputs(batch, current)
        self.keep(batch, current)
        self.open_maps(batch, current)
        self.keep_lines(batch, current)
        self.pause_exhausted(batch, current)
        for end in batch.ends:
            run_row = self.runs.get(end.id)
            if run_row is not None and end.id in current and run_row.ended_at is None:
                self.runs[end.id] = self._ended(run_row, end)
        self.follow_ends(batch, current)
        self.tell_ends(batch)
        self.mark_failed_parents(batch)
        opened = self.open_nodes(batch, current)
        self.park(batch, current)
        self.make_way(batch)
        self.start_next()
        self.stay_in_line(batch)
        given = self.places_back(batch, current)
        owned = {
            run.id
            for run in batch.new_runs
            if run.owner == batch.runner_id and self.owns_from_insert(batch.runner_id, run.id)
        }
        decided: list[tuple[Kind[Any], frozenset[Any]]] = [
            (TIMEOUTS, timed_out),
            (NODE_CHILDREN, begun),
            (OPENED_NODES, opened),
        ]
        return Committed(
            frozenset(owned),
            existing,
            frozenset(current),
            stop_requests=stop_requests,
            replaced=self.replaced_of(current),
            orphans=frozenset(orphans),
            refused=frozenset(refused - existing.keys() - owned),
            messages=self.messages_to(current),
            decided={**{kind: rows for kind, rows in decided if rows}, **given},
        )

    def _may_have(self, run: RunRow) -> bool:
        """Whether nodes of a run may still start children."""
        return run.ended_at is None and not self.is_cancelled(run)

    def _is_refused(self, run: NewRun) -> bool:
        """Whether a new run is not inserted since its parent is being cancelled, or was, or was to
        wait for it and has ended.
        """
        parent = self.parent_of(run.parent_id, detached=bool(run.detached))
        if parent is None:
            return False
        is_over = run.child_kind is not None and parent.ended_at is not None
        return is_over or self.is_cancelled(parent)

    def _ended(self, run: RunRow, end: RunEnd) -> RunRow:
        """A run with its end, which is another one if the run is to be cancelled."""
        if self.marks_of(run).cancel_at is not None:
            return run._replace(
                status=RunStatus.CANCELLED,
                final_context=run.input,
                error_message=run.steer_reason,
                ended_at=end.ended_at,
                reason_code=ReasonCode.CANCELLED,
            )
        return run._replace(
            status=end.status,
            final_context=run.input if end.final_context is None else end.final_context,
            error_message=end.error_message,
            ended_at=end.ended_at,
            reason_code=end.reason_code,
            limit_seconds=end.limit_seconds,
            reason_tasks=end.reason_tasks,
            steer_reason=None,
        )

    def _fire(self, batch: Batch) -> None:
        """Insert the runs of ticks and events that count."""
        for tick in self.decide(batch):
            assert tick.run_id is not None
            if tick.run_id not in self.runs and tick.behind is not None:
                self.behind[tick.run_id] = tick.behind
            met = tick.generation is not None
            begun = self._begun_in_queue(run_of(tick, tick.run_id))
            if tick.queue is not None:
                begun = begun._replace(queue=tick.queue)
            self.insert(begun, tick.schedule_id if met else None)
        for event in batch.of(EVENTS):  # one by one: whether it counts depends on those before it
            if self.note_event(event):
                self.insert(self._begun_in_queue(run_of_event(event)), event.trigger_id)
        self.turn(batch)

    def insert(
        self, run: NewRun, schedule_id: str | None = None, *, joins_pause: bool = True
    ) -> str:
        """Insert a run unless it is there or its key is taken; the id of who has the key."""
        if run.idempotency_key is not None:
            holder = self.keys.setdefault((run.workflow, run.idempotency_key), run.id)
            if holder != run.id:
                return holder
        if run.id not in self.runs:
            may_begin = run.due_at is None and run.workflow not in self.workflow_pauses
            owned = run.owner is not None and self._is_live(run.owner) and may_begin
            claimable_at = run.created_at if run.due_at is None else run.due_at
            self.tag_rows[run.id] = len(json.loads(run.tags))
            self.note_act(_submission(run))
            self.marks[run.id] = Marks(
                claimable_at, bool(run.detached), start_by=run.start_by, trace=run.trace
            )
            row = RunRow(
                id=run.id,
                workflow=run.workflow,
                version=run.version,
                status=RunStatus.RUNNING if owned else RunStatus.PENDING,
                owner=run.owner if owned else None,
                epoch=1 if owned else 0,
                recoveries=0,
                input=run.input,
                tags=run.tags,
                parent_id=run.parent_id,
                final_context=None,
                error_message=None,
                created_at=run.created_at,
                started_at=run.created_at if owned else None,
                ended_at=None,
                schedule_id=schedule_id,
                priority=run.priority,
                due_at=run.due_at,
                time_limit=run.time_limit,
                deadline_at=run.deadline_at,
                child_kind=run.child_kind,
                queue=run.queue,
                asked_queue=run.asked_queue,
            )
            self.runs[run.id] = self.inherit_pause(row) if joins_pause else row
        return run.id

    def queue_again(self, run: RunRow) -> str:
        if run.asked_queue is not None:
            return run.asked_queue
        return self.queue_of(run.workflow) if run.workflow in self.newest else run.queue

    def _begun_in_queue(self, run: NewRun) -> NewRun:
        """A run that is made in the table begins in the queue of its workflow."""
        return run._replace(queue=self.queue_of(run.workflow))

    def _record(self, row: AttemptRow) -> None:
        key = (row.run_id, row.task_id, row.item, row.attempt)
        earlier = self.attempts.get(key)
        if earlier is None or earlier.status not in FINAL:
            self.attempts[key] = row

    def _owns(self, runner_id: str, run_id: str, epoch: int) -> bool:
        run = self.runs.get(run_id)
        return (run is not None and (run.owner, run.epoch) == (runner_id, epoch)) and self._is_live(
            runner_id
        )

    def owns_from_insert(self, runner_id: str, run_id: str) -> bool:
        """Whether a live runner owns a run that it has not claimed."""
        if not self._owns(runner_id, run_id, 1):
            return False
        run = self.runs[run_id]
        return run.started_at == run.created_at

    def _is_live(self, runner_id: str) -> bool:
        return runner_id in self.registered and not self.registered[runner_id].fenced

    # -- claim -------------------------------------------------------------------------------

    async def claim(
        self,
        runner_id: str,
        workflows: Collection[str],
        limit: int,
        now: int,
        aged: int = 0,
        queues: Collection[str] | None = None,
    ) -> list[RunRow]:
        if not self._is_live(runner_id):
            return []
        waiting = [
            run
            for _, run in sorted(self.runs.items())
            if self._may_claim(runner_id, run)
            and run.workflow in workflows
            and self._is_in(run, queues)
            and not self._is_late(run)
        ]
        waiting.sort(key=lambda run: self.marks_of(run).claimable_at)
        longest = waiting[: min(aged, limit)]
        others = sorted(waiting[len(longest) :], key=lambda run: -run.priority)
        claimed = [
            self.stood_still(run, self.rested(run))._replace(
                owner=runner_id,
                epoch=run.epoch + 1,
                status=RunStatus.RUNNING,
                started_at=now if run.started_at is None else run.started_at,
                came_due=2 if run.came_due == 1 else 0,
            )
            for run in sorted([*longest, *others][:limit])
        ]
        self.runs |= {run.id: run for run in claimed}
        marks = [(run, self.marks_of(run)) for run in claimed]
        return [run._replace(claimable_at=m.claimable_at, trace=m.trace) for run, m in marks]

    def _is_late(self, run: RunRow) -> bool:
        """Whether a run was to begin before now, and has not."""
        start_by = self.marks_of(run).start_by
        return start_by is not None and run.started_at is None and start_by <= self.wall_clock()

    def _may_claim(self, runner_id: str, run: RunRow) -> bool:
        return self.is_claimable(run) and (run.id, runner_id) not in self.unserved

    async def has_claimable(
        self,
        runner_id: str,
        workflows: Collection[str],
        queues: Collection[str] | None = None,
    ) -> bool:
        return any(
            self._may_claim(runner_id, run)
            and run.workflow in workflows
            and self._is_in(run, queues)
            for run in self.runs.values()
        )

    async def note_queue(self, workflow: str, name: str) -> None:
        self.queues.add((workflow, name))

    def _is_in(self, run: RunRow, queues: Collection[str] | None) -> bool:
        if queues is None:
            return run.queue == DEFAULT_QUEUE or (run.workflow, run.queue) in self.queues
        return run.queue in queues

    async def release_unserved(self, runner_id: str, runs: Collection[Unserved]) -> set[str]:
        known = self.runs | self.hidden.runs
        for run_id, by in list(self.unserved):
            if by == runner_id and run_id in known and known[run_id].ended_at is not None:
                del self.unserved[run_id, by]
        for each in runs:
            run = self.runs.get(each.run_id)
            if run is None or not self._owns(runner_id, each.run_id, each.epoch):
                continue
            marks = self.marks_of(run)
            if run.ended_at is None and marks.cancel_at is None:
                self.unserved[run.id, runner_id] = each.tasks
                waited = RunStatus.RUNNING if each.has_begun else RunStatus.PENDING
                status = RunStatus.WAITING if run.came_due == 2 else waited
                self.runs[run.id] = run._replace(
                    owner=None,
                    epoch=run.epoch + 1,
                    status=status if marks.paused_at is None else RunStatus.PAUSED,
                    started_at=run.started_at if each.has_begun else None,
                    came_due=1 if run.came_due == 2 else 0,
                )
        return {each.run_id for each in runs if (each.run_id, runner_id) in self.unserved}

    async def released_unserved(self, runner_id: str) -> list[WaitingRow]:
        found: dict[str, list[RunRow]] = {}
        for run_id, by in sorted(self.unserved):
            run = self.runs.get(run_id)
            if by != runner_id or run is None or not self.is_claimable(run):
                continue
            found.setdefault(run.workflow, []).append(run)
        return [
            WaitingRow(
                "task_unserved", name, rows[0].id, min(r.created_at for r in rows), len(rows)
            )
            for name, rows in sorted(found.items())
        ]

    async def forget_unserved(self, runner_id: str, workflows: Collection[str]) -> None:
        for run_id, by in list(self.unserved):
            run = self.runs.get(run_id) or self.hidden.runs.get(run_id)
            if by == runner_id and run is not None and run.workflow in workflows:
                del self.unserved[run_id, by]

    def _forget_runner(self, runner_id: str) -> None:
        self.numbers.pop(runner_id, None)
        for key in [key for key in self.unserved if key[1] == runner_id]:
            del self.unserved[key]

    async def set_ran_version(self, runner_id: str, run_ids: Collection[str], version: str) -> None:
        for run in [self.runs[run_id] for run_id in run_ids if run_id in self.runs]:
            if run.ended_at is None and self._owns(runner_id, run.id, run.epoch):
                ran = None if version == run.version else version
                self.runs[run.id] = run._replace(ran_version=ran)

    async def load_attempts(self, run_ids: Collection[str]) -> list[AttemptRow]:
        return [
            row
            for key, row in sorted(self.attempts.items())
            if key[0] in run_ids and row.item == THE_TASK
        ]

    async def outcomes(self, run_ids: Collection[str]) -> list[AttemptRow]:
        rows = await self.load_attempts(run_ids)
        return [row._replace(change=None, error_traceback=None) for row in rows]

    def mark_children(self, run: RunRow, deadline: int) -> None:
        """Note that the children of a run that was cancelled are to be."""
        self.marks_of(run).cancels_children, self.marks_of(run).children_at = True, deadline

    async def release(self, runner_id: str, held: Collection[str]) -> int:
        freed = 0
        for run in self._active(runner_id):
            if run.id not in held and not self.end_cancelled(run, self.wall_clock()):
                self.runs[run.id] = run._replace(owner=None, epoch=run.epoch + 1)
                freed += 1
        self.start_next()
        return freed

    def _active(self, runner_id: str) -> list[RunRow]:
        runs = [run for _, run in sorted(self.runs.items())]
        return [run for run in runs if run.owner == runner_id and run.ended_at is None]

    # -- lease -------------------------------------------------------------------------------

    def lease_clock(self) -> int:
        return 0

    @property
    def lease_ends_with_boot(self) -> bool:
        """False: its clock is the process's own, and so are all its runners."""
        return False

    async def register(self, runner: RunnerRow, name: RunnerName | None = None) -> None:
        fresh = runner._replace(
            beat=0, fenced=False, draining_since=None, idle_since=None, sharing=None, host=None
        )
        found = self.registered.setdefault(runner.id, fresh)
        as_fresh = found._replace(beat=0, fenced=False, lease_until=runner.lease_until, host=None)
        if as_fresh._replace(draining_since=None, idle_since=None, sharing=None) != fresh:
            raise StoreOpenError(f"runner_id {runner.id!r} is in use by another runner")
        if name is not None and runner.id not in self.numbers:
            self.numbers[runner.id] = name.number
            self.name_rows[name.number] = name
            self.registered[runner.id] = found._replace(host=name.host)

    async def runner_names(self, numbers: Collection[int]) -> list[RunnerName]:
        return [name for number, name in sorted(self.name_rows.items()) if number in numbers]

    async def beat(
        self,
        runner_id: str,
        lease_until: int,
        idle_since: int | None = None,
        sharing: str | None = None,
    ) -> bool:
        if not self._is_live(runner_id):
            return False
        runner = self.registered[runner_id]
        self.registered[runner_id] = runner._replace(
            beat=runner.beat + 1, lease_until=lease_until, idle_since=idle_since, sharing=sharing
        )
        return True

    async def drain(self, runner_id: str, act: ActRow | None = None) -> int | None:
        if not self._is_live(runner_id):
            return None
        runner = self.registered[runner_id]
        if runner.draining_since is None:
            self.note_act(act)
        since = self.wall_clock() if runner.draining_since is None else runner.draining_since
        self.registered[runner_id] = runner._replace(draining_since=since)
        return since

    async def unregister(self, runner_id: str) -> None:
        await self.release(runner_id, ())
        self.registered.pop(runner_id, None)
        self._forget_runner(runner_id)

    async def runners(self) -> list[RunnerRow]:
        return sorted(self.registered.values(), key=lambda row: (row.started_at, row.id))

    async def fence(self, runner_id: str, seen_beat: int) -> bool:
        runner = self.registered.get(runner_id)
        if runner is None or not (runner.fenced or runner.beat == seen_beat):
            return False
        self.registered[runner_id] = runner._replace(fenced=True)
        return True

    async def take_over(self, runner_id: str, limit: int) -> int:
        if runner_id not in self.registered or self._is_live(runner_id):
            return 0
        now, runs = self.wall_clock(), self._active(runner_id)
        ended = [run for run in runs if self.end_cancelled(run, now)]
        self.start_next()
        others = sorted(self._active(runner_id), key=lambda run: run.workflow)
        freed = others[:limit]
        self._note_lost(self.registered[runner_id], now, freed, len(ended))
        for run in freed:
            self._count_crashes(run)
            self.runs[run.id] = run._replace(
                owner=None, epoch=run.epoch + 1, recoveries=run.recoveries + 1
            )
        if not self._active(runner_id):
            del self.registered[runner_id]
            self._forget_runner(runner_id)
        return len(ended) + len(freed)

    def _note_lost(self, row: RunnerRow, now: int, freed: list[RunRow], cancelled: int) -> None:
        fresh = LostRunner(
            row.id, row.started_at, row.pid, row.host, row.queues, row.sharing, now, 0, 0, 0
        )
        known = self.lost_rows.get((row.id, row.started_at), fresh)
        self.lost_rows[row.id, row.started_at] = known._replace(
            taken_over=known.taken_over + len(freed),
            begun_again=known.begun_again + sum(map(self._has_running_body, freed)),
            cancelled=known.cancelled + cancelled,
        )

    def _has_running_body(self, run: RunRow) -> bool:
        own = [each for key, each in self.attempts.items() if key[0] == run.id]
        return any(each.status == TaskStatus.RUNNING and each.epoch == run.epoch for each in own)

    async def lost_runners(self, since: int, limit: int) -> list[LostRunner]:
        found = [each for each in self.lost_rows.values() if each.lost_at >= since]
        found.sort(key=lambda each: (-each.lost_at, each.id, each.started_at))
        return found[:limit]

    def _count_crashes(self, run: RunRow) -> None:
        for key, row in self.attempts.items():
            running = row.status == TaskStatus.RUNNING
            beside = row.reason_code is None and row.crashes < SUSPECT_AFTER
            counts = beside or row.reason_code == ReasonCode.ALONE
            if row.run_id == run.id and row.epoch == run.epoch and running and counts:
                self.attempts[key] = row._replace(crashes=row.crashes + 1)

    # -- observe -----------------------------------------------------------------------------

    async def get_run(self, run_id: str) -> RunRow | None:
        return self.runs.get(run_id)

    async def list_runs(self, wanted: RunFilter) -> list[RunRow]:
        found = [
            run._replace(input="", final_context="")
            for _, run in sorted(self.runs.items(), reverse=True)
            if _matches(run, wanted)
        ]
        return found[: wanted.limit]

    async def count_runs(self, wanted: RunFilter) -> int:
        return len(await self.list_runs(wanted))

    async def list_waiting(self, runner_id: str, most: int, gone: Collection[str] = ()) -> Waiting:
        rows_of = self.registered.values()
        live = [each for each in rows_of if not each.fenced and each.id not in gone]
        served = {run.workflow for each in live for run in self._active(each.id)}
        rows = []
        runs = [run for _, run in sorted(self.runs.items()) if self.is_claimable(run)]
        runs.sort(key=lambda run: (run.queue, -run.priority, self.marks_of(run).claimable_at))
        for workflow in {run.workflow for run in runs} - served:
            its = [run for run in runs if run.workflow == workflow]
            first, found = its[0], min(len(its), most)
            rows.append(
                WaitingRow("run", workflow, first.id, self.marks_of(first).claimable_at, found)
            )
        enabled = [each for each in self.schedules.values() if each.enabled]
        ticking = [(each.due_at, each) for each in enabled if each.due_at is not None]
        for workflow in {each.workflow for _, each in ticking} - served:
            due = [due_at for due_at, each in ticking if each.workflow == workflow]
            rows.append(WaitingRow("schedule", workflow, "", min(due), min(len(due), most)))
        return Waiting(rows, len([each for each in live if each.id != runner_id]))

    async def ended(self, run_ids: Collection[str]) -> list[RunRow]:
        runs = [run for _, run in sorted(self.runs.items())]
        return [run for run in runs if run.id in run_ids and run.ended_at is not None]

    # -- wake-ups ----------------------------------------------------------------------------

    async def wait_changed(self) -> Change:
        await asyncio.Event().wait()
        return Change.ANYTHING

    def set_watched(self, *, watched: bool) -> None:
        self.is_watched = watched

    def set_contended(self, *, contended: bool) -> None:
        pass

    def on_connected(self, connected: Callable[[], None]) -> None:
        """Do nothing: no connection opens."""


def _matches(run: RunRow, wanted: RunFilter) -> bool:
    tags = json.loads(run.tags)
    return (
        (not wanted.statuses or run.status in wanted.statuses)
        and wanted.workflow in (None, run.workflow)
        and (wanted.before is None or run.id < wanted.before)
        and (wanted.after is None or run.id >= wanted.after)
        and (wanted.since is None or run.created_at >= wanted.since)
        and (wanted.until is None or run.created_at < wanted.until)
        and wanted.parent_id in (None, run.parent_id)
        and (wanted.error or "").lower() in (run.error_message or "").lower()
        and (wanted.error is None or run.error_message is not None)
        and all(tags.get(tag) == content for tag, content in wanted.tags)
    )


def _submission(run: NewRun) -> ActRow | None:
    """The act that a submission is, if it is to be noted."""
    if run.asked_by is None:
        return None
    return ActRow(run.id, run.id, run.workflow, 1, "submit", run.asked_by, None, 1, run.created_at)


def _refuse_unstorable(batch: Batch) -> None:
    recorded = (*batch.new_runs, *batch.attempts, *batch.ends, *batch.of(MEMOS))
    refuse_unstorable(*recorded, *batch.of(WAITS), *batch.of(CLOSED), *batch.of(MESSAGES))
    refuse_unstorable(*batch.of(LINES), *batch.of(PROGRESS))
