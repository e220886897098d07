"""The part of the store contract that steers runs, as plain Python over dicts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from model.memory_memos import MemoryMemos
from model.memory_task_logs import MemoryTaskLogs
from model.memory_waits import MemoryWaits

from cloaca_core.features.child_runs.records import FAILED_PARENTS
from cloaca_core.features.inputs.records import FILLED_INPUTS
from cloaca_core.features.maps.records import MapRow
from cloaca_core.features.steering.records import (
    Act,
    ActSearch,
    ChildRow,
    NewFork,
    News,
    OwnedParent,
    Parent,
    PauseRow,
    Reopening,
    StoppedWithParent,
    StopRequest,
)
from cloaca_core.run.rows import AttemptRow, ForkRow, ReplacementRow, RestartRow, RoundRow, RunRow
from cloaca_core.store.acts import Acted, ActRow
from cloaca_core.store.batch import Batch
from cloaca_core.store.messages import NewMessage
from cloaca_core.values.queue_names import PlannedQueue
from cloaca_core.values.states import ReasonCode, RunStatus, TaskStatus
from cloaca_core.values.waits import APPROVAL, NEVER


@dataclass
class Marks:
    """Columns of a run that its row does not show."""

    claimable_at: int
    detached: bool = False
    cancel_at: int | None = None
    paused_at: int | None = None
    paused_until: int | None = None
    children_at: int | None = None
    cancels_children: bool = False
    cancels_awaited: bool = False
    descends: bool = False
    replacements: int = 0
    start_by: int | None = None
    pause_id: str | None = None
    paused_with: str | None = None
    pause_follows: bool = False
    pause_descends: bool = False
    rests_since: int | None = None
    overdue_at: int | None = None
    trace: str | None = None

    @property
    def stop_request(self) -> RunStatus | None:
        """The state to which an owner is to bring the run."""
        if self.cancel_at is not None:
            return RunStatus.CANCELLED
        return None if self.paused_at is None else RunStatus.PAUSED


class MemorySteering(MemoryMemos, MemoryTaskLogs, MemoryWaits):
    """Part of ``MemoryStore``, which has the runs and knows what waits behind them."""

    opened_maps: dict[tuple[str, str], MapRow]

    def __init__(self) -> None:
        self.runs: dict[str, RunRow] = {}
        self.behind: dict[str, str] = {}
        self.marks: dict[str, Marks] = {}
        self.noted: dict[tuple[str, str], ActRow] = {}
        self.workflow_pauses: dict[str, int | None] = {}
        self.workflows_paused_at: dict[str, int] = {}
        self.past_rounds: dict[tuple[str, int], RoundRow] = {}
        self.forked: dict[str, list[ForkRow]] = {}
        self.attempts: dict[tuple[str, str, int, int], AttemptRow] = {}
        self.replaced: dict[tuple[str, int], ReplacementRow] = {}
        self.restarted: dict[tuple[str, str, int], tuple[int, int]] = {}
        self.restarted_of_maps: dict[tuple[str, str, int, int], int] = {}
        self.keys: dict[tuple[str, str], str] = {}
        self.unserved: dict[tuple[str, str], str] = {}

    def _planned_queue(self, run: RunRow, planned: PlannedQueue | None) -> str:
        if planned is None:
            return self.queue_again(run)
        return planned.own or run.asked_queue or planned.usual or self.queue_again(run)

    def queue_again(self, run: RunRow) -> str:
        """The queue in which a run begins again, or a fork of it begins."""
        raise NotImplementedError

    def start_next(self) -> None:
        """Let go of runs that wait behind runs that have ended."""
        raise NotImplementedError

    def follow_recorded(self, run_id: str) -> None:
        """Insert what follows a run that has ended."""
        raise NotImplementedError

    def leave_lines_of(self, run_id: str) -> None:
        """Nothing of a run that has ended waits for places of limits."""
        raise NotImplementedError

    def tell_parent(self, run_id: str) -> None:
        """Tell the parent of a run that it has ended, if the parent may wait for that."""
        raise NotImplementedError

    def marks_of(self, run: RunRow) -> Marks:
        """The marks of a run, also of one that a test has put among the runs."""
        return self.marks.setdefault(run.id, Marks(run.created_at))

    def is_claimable(self, run: RunRow) -> bool:
        """Whether a claim may take this run."""
        is_free = run.owner is None and run.ended_at is None
        is_held = (
            run.id in self.behind
            or run.due_at is not None
            or self.marks_of(run).paused_at is not None
            or run.workflow in self.workflow_pauses
        )
        return is_free and not is_held

    # -- owners ------------------------------------------------------------------------------

    def stop_requests_of(self, run_ids: Collection[str]) -> dict[str, str]:
        """What is asked of these runs, as a commit answers it."""
        asked = {run_id: self.marks_of(self.runs[run_id]).stop_request for run_id in run_ids}
        return {
            run_id: str(stop_request)
            for run_id, stop_request in asked.items()
            if stop_request is not None
        }

    def replaced_of(self, run_ids: Collection[str]) -> dict[str, int]:
        """How often keys of these runs were replaced, as a commit answers it."""
        counts = {run_id: self.marks_of(self.runs[run_id]).replacements for run_id in run_ids}
        return {run_id: count for run_id, count in counts.items() if count}

    def pause_exhausted(self, batch: Batch, current: Collection[str]) -> None:
        """Pause runs of which a task has used up its attempts, once for each act."""
        for item in batch.exhausted:
            run = self.runs.get(item.id)
            if run is None or item.id not in current or run.ended_at is not None:
                continue
            marks = self.marks_of(run)
            act = Act(item.act_id, "cloaca", item.reason, item.reason, item.noted_at)
            if marks.cancel_at is None and self._note(run, act, "pause", changes=True):
                if marks.paused_at is None:
                    marks.paused_at = item.noted_at
                marks.paused_until = None
                self.runs[run.id] = run._replace(status=RunStatus.PAUSED, steer_reason=item.reason)

    def park(self, batch: Batch, current: Collection[str]) -> None:
        """Give back runs that can do nothing for now."""
        for park in batch.parks:
            run = self.runs.get(park.id)
            if run is None or park.id not in current or run.ended_at is not None:
                continue
            marks = self.marks_of(run)
            if marks.cancel_at is not None:
                continue
            if park.due_at is not None or park.begun:
                marks.claimable_at = park.parked_at
            due_at = park.due_at if run.messages <= park.seen else None
            freed = run._replace(owner=None, epoch=run.epoch + 1, due_at=due_at, came_due=0)
            freed = self.stood_still(freed, park.rested)
            status = self._status_without_owner(freed)
            if not park.begun:
                paused = status == RunStatus.PAUSED
                status = RunStatus.PAUSED if paused else RunStatus.PENDING
                freed = freed._replace(started_at=None)
            queue = run.queue if park.queue is None else park.queue
            self.runs[run.id] = freed._replace(status=status, queue=queue)
            marks.overdue_at = park.overdue_at
            if park.rests and run.messages <= park.seen and marks.paused_at is None:
                marks.rests_since = park.parked_at

    @staticmethod
    def stood_still(run: RunRow, time: int) -> RunRow:
        """A run whose time limit has stood still for so many µs more."""
        return run._replace(
            stood_still=run.stood_still + time,
            deadline_at=None if run.deadline_at is None else run.deadline_at + time,
        )

    def rested(self, run: RunRow) -> int:
        """For how many µs a run has rested that is claimed now."""
        marks = self.marks_of(run)
        since, marks.rests_since = marks.rests_since, None
        return 0 if since is None else max(0, marks.claimable_at - since)

    def make_claimable(self, run: RunRow, now: int) -> None:
        if run.owner is None and run.ended_at is None and run.due_at is not None:
            self.marks_of(run).claimable_at = now
            freed = run._replace(due_at=None, came_due=0)
            self.runs[run.id] = freed._replace(status=self._status_without_owner(freed))

    def _status_without_owner(self, run: RunRow) -> RunStatus:
        """The state of a run that has begun and is not to be cancelled."""
        if self.marks_of(run).paused_at is not None:
            return RunStatus.PAUSED
        return RunStatus.RUNNING if run.due_at is None else RunStatus.WAITING

    def end_cancelled(self, run: RunRow, now: int) -> bool:
        """End a run whose owner gives it up, if it is to be cancelled; whether that was so."""
        if self.marks_of(run).cancel_at is None:
            return False
        self._end(run, run.steer_reason, now)
        self.forget_waits(run.id)
        return True

    def _end(
        self,
        run: RunRow,
        because: str | None,
        now: int,
        code: ReasonCode = ReasonCode.CANCELLED,
    ) -> None:
        self.behind.pop(run.id, None)
        self.leave_lines_of(run.id)
        self.runs[run.id] = run._replace(
            status=RunStatus.CANCELLED,
            owner=None,
            epoch=run.epoch + 1,
            due_at=None,
            final_context=run.input,
            error_message=because,
            steer_reason=because,
            reason_code=code,
            ended_at=now,
        )
        self.follow_recorded(run.id)
        self.tell_parent(run.id)

    def _stop_requests(self, runner_id: str) -> list[StopRequest]:
        found = []
        for run in self._in_order(self.runs):
            marks = self.marks_of(run)
            if run.owner == runner_id and run.ended_at is None and marks.stop_request is not None:
                because = run.steer_reason or ""
                found.append(
                    StopRequest(run.id, run.epoch, marks.stop_request, because, marks.cancel_at)
                )
        return found

    # -- time --------------------------------------------------------------------------------

    async def next_due_run(self, workflows: Collection[str]) -> int | None:
        return min((due_at for due_at, _ in self._waiting_for_time(workflows)), default=None)

    async def make_due_claimable(self, workflows: Collection[str], now: int, limit: int) -> int:
        due = sorted((at, run.id) for at, run in self._waiting_for_time(workflows) if at <= now)
        for due_at, run_id in due[:limit]:
            self.marks_of(self.runs[run_id]).claimable_at = due_at
            self.runs[run_id] = self.runs[run_id]._replace(due_at=None, came_due=1)
        return len(due[:limit])

    async def make_claimable_after_set_back(
        self, workflows: Collection[str], now: int, limit: int
    ) -> int:
        parked = [
            (-self.marks_of(run).claimable_at, run.id)
            for _, run in self._waiting_for_time(workflows)
            if run.started_at is not None and self.marks_of(run).claimable_at > now
        ]
        for _, run_id in sorted(parked)[:limit]:
            self.marks_of(self.runs[run_id]).claimable_at = now
            self.runs[run_id] = self.runs[run_id]._replace(due_at=None)
        return len(parked[:limit])

    def _waiting_for_time(self, workflows: Collection[str]) -> list[tuple[int, RunRow]]:
        return [
            (run.due_at, run)
            for run in self.runs.values()
            if run.due_at is not None
            and run.due_at < NEVER
            and run.workflow in workflows
            and run.owner is None
            and run.ended_at is None
        ]

    # -- acts --------------------------------------------------------------------------------

    async def cancel(
        self,
        run_ids: Collection[str],
        act: Act,
        deadline: int,
        *,
        children: bool,
        parent_id: str | None = None,
    ) -> dict[str, Acted]:
        known = None if parent_id is None else self.runs.get(parent_id)
        marked = self.marks_of(known) if known is not None else None
        is_over = marked is None or not (marked.cancels_children or marked.cancels_awaited)
        if parent_id is not None and is_over:
            return self._acted([each for each in run_ids if (each, act.id) in self.noted], act)
        for run in self._in_order(run_ids):
            marks = self.marks_of(run)
            is_new = run.ended_at is None and marks.cancel_at is None
            self._note(run, act, "cancel", changes=is_new)
            if run.ended_at is not None or self.noted[run.id, act.id].round != run.round:
                continue
            if run.owner is None:
                self._end(run, act.because, act.now)
                marks.paused_at = marks.paused_until = None
                marks.cancels_children = children
                if children and self._has_children(run):
                    marks.children_at = deadline
                continue
            reason = act.because if marks.cancel_at is None else run.steer_reason
            self.runs[run.id] = run._replace(status=RunStatus.CANCELLING, steer_reason=reason)
            marks.cancel_at, marks.paused_until = _earlier(marks.cancel_at, deadline), None
            if children:
                marks.cancels_children = True
                marks.descends = self._has_children(run)
                marks.children_at = _earlier(marks.children_at, deadline)
        for run in self._in_order(run_ids):
            if run.ended_at is not None:
                self.forget_waits(run.id)
        self.start_next()
        return self._acted(run_ids, act)

    async def not_begun(self, now: int, limit: int) -> list[str]:
        late = [(start_by, run.id) for start_by, run in self._to_begin() if start_by <= now]
        return [run_id for _, run_id in sorted(late)[:limit]]

    async def expire(self, run_ids: Collection[str], act: Act) -> dict[str, Acted]:
        late = [run for start_by, run in self._to_begin() if start_by <= act.now]
        expired = {run.id: run for run in late if run.id in run_ids and run.owner is None}
        for run in expired.values():
            if self._note(run, act, "expire", changes=True):
                marks = self.marks_of(run)
                marks.paused_at = marks.paused_until = None
                self._end(run, act.because, act.now, ReasonCode.EXPIRED)
        self.start_next()
        return self._acted([run_id for run_id in run_ids if (run_id, act.id) in self.noted], act)

    def _to_begin(self) -> list[tuple[int, RunRow]]:
        """Runs that have not begun, and by when they are to."""
        instants = [(self.marks_of(run).start_by, run) for run in self._in_order(self.runs)]
        return [
            (start_by, run)
            for start_by, run in instants
            if start_by is not None and run.started_at is None and run.ended_at is None
        ]

    async def pause(
        self, run_ids: Collection[str], act: Act, until: int | None, *, children: bool
    ) -> dict[str, Acted]:
        def pause(run: RunRow) -> RunRow:
            return self._paused(run, act, until, None, children=children)

        return self._carry_out(run_ids, act, "pause", pause, lambda marks: marks.paused_at is None)

    def _paused(
        self, run: RunRow, act: Act, until: int | None, paused_with: str | None, *, children: bool
    ) -> RunRow:
        marks = self.marks_of(run)
        marks.paused_at = act.now if marks.paused_at is None else marks.paused_at
        marks.paused_until, marks.paused_with = until, paused_with
        marks.pause_id = act.id if children else None
        if children:
            marks.pause_descends = self._has_children(run)
            follows = run.owner is not None or marks.pause_descends
            marks.pause_follows = marks.pause_follows or follows
        return run._replace(status=RunStatus.PAUSED, steer_reason=act.because)

    async def resume(
        self, run_ids: Collection[str], act: Act, content: str | None = None
    ) -> dict[str, Acted]:
        return self._resume(run_ids, act, content, None)

    async def end_pauses(self, run_ids: Collection[str], act: Act) -> dict[str, Acted]:
        acted = self._resume(run_ids, act, None, act.now)
        for run_id in acted:
            self._forget_unchanged(run_id, act)
        return acted

    def _resume(
        self, run_ids: Collection[str], act: Act, content: str | None, over: int | None
    ) -> dict[str, Acted]:
        def resume(run: RunRow) -> RunRow:
            if content is not None:
                run = self._replace(run, content, act.now)
            return self._resumed(run, act, run_ids)

        def applies(marks: Marks) -> bool:
            until = marks.paused_until
            is_over = over is None or (until is not None and until <= over)
            return marks.paused_at is not None and is_over

        return self._carry_out(run_ids, act, "resume", resume, applies)

    def _resumed(self, run: RunRow, act: Act, run_ids: Collection[str]) -> RunRow:
        marks, stood_still, deadline_at = self.marks_of(run), run.stood_still, run.deadline_at
        assert marks.paused_at is not None
        pause = max(0, act.now - marks.paused_at) if marks.rests_since is None else 0
        if run.started_at is not None:
            stood_still += pause
        if deadline_at is not None:
            deadline_at += pause
        marks.paused_at = marks.paused_until = None
        self._let_children_go(run, run_ids)
        if run.due_at is None:
            marks.claimable_at = act.now
        begun = self._status_without_owner(run)
        status = RunStatus.PENDING if run.started_at is None else begun
        return run._replace(
            status=status,
            steer_reason=None,
            stood_still=stood_still,
            deadline_at=deadline_at,
        )

    def _let_children_go(self, run: RunRow, run_ids: Collection[str]) -> None:
        """Note that a run, one of several, is not paused any more, nor by the present pause of its
        parent again.
        """
        marks = self.marks_of(run)
        direct = above = self.runs.get(run.parent_id or "")
        while above is not None and above.ended_at is not None:
            goes_on = self.marks_of(above).detached
            above = self.parent_of(above.parent_id, detached=goes_on)
        marks.pause_follows = marks.pause_follows or marks.pause_id is not None
        marks.pause_id = None
        pauses = [
            self.marks_of(each).pause_id
            for each in (above, direct)
            if each is not None and each.id not in run_ids
        ]
        marks.paused_with = next((pause_id for pause_id in pauses if pause_id is not None), None)

    def inherit_pause(self, run: RunRow) -> RunRow:
        """A new run, Paused if it is a child of a run that is paused with its children."""
        parent, marks = self.runs.get(run.parent_id or ""), self.marks_of(run)
        if parent is None or parent.ended_at is not None or marks.detached:
            return run
        above = self.marks_of(parent)
        if above.pause_id is None:
            return run
        marks.paused_at, marks.paused_until = above.paused_at, above.paused_until
        marks.paused_with = above.pause_id
        because = f"{parent.steer_reason} (with its parent, run {parent.id})"
        return run._replace(
            status=RunStatus.PAUSED,
            owner=None,
            epoch=0 if run.owner is None else 2,
            started_at=None,
            steer_reason=because,
        )

    async def children_out_of_step(
        self, parent_ids: Collection[str], limit: int
    ) -> list[tuple[str, str]]:
        found = [
            (parent.id, child)
            for parent in self._in_order(parent_ids)
            for child in self._out_of_step(parent, self._children_under_way(parent.id))
        ]
        return found[:limit]

    async def descendants_out_of_step(
        self, parent_ids: Collection[str], limit: int
    ) -> list[tuple[str, str]]:
        found = [
            (parent.id, child)
            for parent in self._in_order(parent_ids)
            for child in self._out_of_step(parent, self._descendants(parent.id, parent_ids))
        ]
        return found[:limit]

    def _out_of_step(self, parent: RunRow, children: Collection[str]) -> list[str]:
        """Those of these that are to be paused with a run, or to go on with it."""
        pause_id, found = self.marks_of(parent).pause_id, []
        for child in children:
            marks = self.marks_of(self.runs[child])
            is_paused, its_own = marks.paused_at is not None, marks.paused_with is None
            if pause_id is None:
                follows = is_paused and not its_own
            else:
                follows = marks.paused_with != pause_id and not (is_paused and its_own)
            if follows:
                found.append(child)
        return found

    async def bring_into_step(self, parent_id: str, child_ids: Collection[str], act: Act) -> None:
        parent = self.runs.get(parent_id)
        late = [] if parent is None else self._out_of_step(parent, self._followers(parent.id))
        for child in self._in_order([run_id for run_id in late if run_id in child_ids]):
            assert parent is not None
            above = self.marks_of(parent)
            kind = "resume" if above.pause_id is None else "pause"
            if not self._note(child, act, kind, changes=True):
                continue
            if above.pause_id is None:
                self.runs[child.id] = self._resumed(child, act, child_ids)
            else:
                until, paused_with = above.paused_until, above.pause_id
                self.runs[child.id] = self._paused(child, act, until, paused_with, children=True)

    def _replace(self, run: RunRow, content: str, now: int) -> RunRow:
        """Keep keys that are replaced; the epoch of a run without an owner is 1 higher."""
        marks = self.marks_of(run)
        marks.replacements += 1
        number = marks.replacements
        self.replaced[run.id, number] = ReplacementRow(run.id, number, content, now)
        return run if run.owner is not None else run._replace(epoch=run.epoch + 1)

    def fill_inputs(self, batch: Batch, current: Collection[str]) -> None:
        """Keep the defaults of inputs of runs that the runner still owns; the first ones stay. Of
        several in one batch the last counts.
        """
        filled = {each.run_id: each for each in batch.of(FILLED_INPUTS)}
        for each in filled.values():
            if each.run_id in current:
                row = ReplacementRow(each.run_id, 0, each.content, each.created_at)
                self.replaced.setdefault((each.run_id, 0), row)

    async def replacements(self, run_ids: Collection[str]) -> list[ReplacementRow]:
        return [row for key, row in sorted(self.replaced.items()) if key[0] in run_ids]

    def _carry_out(
        self,
        run_ids: Collection[str],
        act: Act,
        kind: str,
        change: Callable[[RunRow], RunRow],
        applies: Callable[[Marks], bool],
    ) -> dict[str, Acted]:
        """Change those of these runs that are in the state that an act is about, once."""
        for run in self._in_order(run_ids):
            marks = self.marks_of(run)
            is_open = run.ended_at is None and marks.cancel_at is None
            changes = is_open and applies(marks)
            if self._note(run, act, kind, changes=changes) and changes:
                self.runs[run.id] = change(run)
        return self._acted(run_ids, act)

    def _note(self, run: RunRow, act: Act, kind: str, *, changes: bool) -> bool:
        """Write an act down unless it is there; whether it was new."""
        if (run.id, act.id) in self.noted:
            return False
        self.noted[run.id, act.id] = ActRow(
            id=act.id,
            run_id=run.id,
            workflow=run.workflow,
            round=run.round,
            kind=kind,
            asked_by=act.asked_by,
            reason=act.reason,
            changed=int(changes),
            created_at=act.now,
        )
        return True

    def note_message(self, message: NewMessage) -> None:
        reason = message.name if message.reason is None else message.reason
        act = Act(message.id, message.sent_by or "", reason, "", message.sent_at)
        kind = "approve" if message.kind == APPROVAL else "send"
        self._note(self.runs[message.run_id], act, kind, changes=True)

    def _acted(self, run_ids: Collection[str], act: Act) -> dict[str, Acted]:
        return {
            run.id: Acted(run.status, bool(self.noted[run.id, act.id].changed))
            for run in self._in_order(run_ids)
        }

    def _in_order(self, run_ids: Collection[str]) -> list[RunRow]:
        """Those of these runs that are there, by id."""
        return [self.runs[run_id] for run_id in sorted(set(run_ids)) if run_id in self.runs]

    async def acts(self, run_id: str | None, limit: int) -> list[ActRow]:
        found = await self.search_acts(ActSearch(), len(self.noted))
        if run_id is not None:
            found = [
                row for row in found if row.run_id == run_id and row.kind not in ("send", "approve")
            ]
        return found[:limit]

    async def search_acts(self, search: ActSearch, limit: int) -> list[ActRow]:
        by, before = search.by, search.before
        found = {
            (row.created_at, row.id, row.run_id): row
            for row in self.noted.values()
            if by in (None, row.asked_by)
            and search.has(row.kind)
            and search.run_id in (None, row.run_id)
            and (not row.run_id or row.run_id in self.runs)
        }
        newest_first = sorted(found, reverse=True)
        return [found[mark] for mark in newest_first if before is None or mark < before][:limit]

    # -- rounds ------------------------------------------------------------------------------

    async def retry(
        self,
        runs: Collection[Reopening],
        act: Act,
        *,
        children: bool = False,
        time_limit: int | None = None,
        parent: OwnedParent | None = None,
    ) -> dict[str, Acted]:
        if parent is not None:
            above = self.runs.get(parent.run_id)
            if above is None or above.epoch != parent.epoch or above.ended_at is not None:
                noted = [seen.run_id for seen in runs if (seen.run_id, act.id) in self.noted]
                return self._acted(noted, act)
        for seen in runs:
            if (run := self.runs.get(seen.run_id)) is not None:
                self._retry(run, seen, act, children=children, time_limit=time_limit)
        return self._acted([seen.run_id for seen in runs], act)

    def _is_key_held(self, run: RunRow) -> bool:
        """Whether another run with the singleton key of this one has not ended."""
        return run.singleton_key is not None and any(
            (other.workflow, other.singleton_key) == (run.workflow, run.singleton_key)
            for other in self.runs.values()
            if other.ended_at is None and other.id != run.id
        )

    def _retry(
        self, run: RunRow, seen: Reopening, act: Act, *, children: bool, time_limit: int | None
    ) -> None:
        can_be = run.status in (RunStatus.FAILED, RunStatus.CANCELLED)
        changes = can_be and run.ended_at is not None and run.round == seen.round
        is_parent = self.marks_of(run).children_at is not None
        changes = changes and not (is_parent and self._has_children(run))
        changes = changes and not self._is_key_held(run)
        if self._note(run, act, "retry", changes=changes) and changes:
            assert run.ended_at is not None
            self.past_rounds[run.id, run.round] = RoundRow(
                run_id=run.id,
                round=run.round,
                status=run.status,
                error_message=run.error_message,
                reason_code=run.reason_code,
                limit_seconds=run.limit_seconds,
                final_context=run.final_context,
                started_at=run.started_at,
                ended_at=run.ended_at,
            )
            for task_id, first in seen.first_attempts.items():
                told = (2 if task_id in seen.later else 1) if children else 0
                self.restarted[run.id, task_id, first] = (run.round + 1, told)
            for task_id, items in seen.items.items():
                for item in items:
                    first = seen.first_attempts.get(task_id, 1)
                    self.restarted_of_maps[run.id, task_id, item, first] = run.round + 1
            marks = self.marks_of(run)
            marks.claimable_at = act.now
            marks.cancel_at = marks.paused_at = marks.paused_until = marks.children_at = None
            marks.start_by = marks.rests_since = marks.overdue_at = None
            marks.cancels_children = marks.cancels_awaited = False
            self._let_children_go(run, [run.id])
            self.forget_waits(run.id)
            for key in [key for key in self.unserved if key[0] == run.id]:
                del self.unserved[key]
            self.runs[run.id] = run._replace(
                version=run.version if seen.version is None else seen.version,
                ran_version=run.ran_version if seen.version is None else None,
                status=RunStatus.PENDING,
                round=run.round + 1,
                owner=None,
                epoch=run.epoch + 1,
                recoveries=0,
                due_at=None,
                started_at=None,
                ended_at=None,
                error_message=None,
                reason_code=None,
                limit_seconds=None,
                reason_tasks=None,
                final_context=None,
                steer_reason=None,
                stood_still=0,
                deadline_at=None,
                time_limit=run.time_limit if time_limit is None else time_limit,
                queue=self._planned_queue(run, seen.queue),
            )

    async def fork(self, new: NewFork, act: Act) -> str | None:
        source = self.runs.get(new.source_id)
        if source is None:
            return None
        if (holder := self._stands_for(new, source)) is not None:
            return holder
        if source.round != new.round:
            return None
        if new.idempotency_key is not None:
            self.keys[source.workflow, new.idempotency_key] = new.id
        self.marks[new.id] = Marks(new.created_at, trace=new.trace)
        self.runs[new.id] = RunRow(
            id=new.id,
            workflow=source.workflow,
            version=new.version,
            status=RunStatus.PENDING,
            owner=None,
            epoch=1,
            recoveries=0,
            input=source.input,
            tags=new.tags,
            parent_id=None,
            final_context=None,
            error_message=None,
            created_at=new.created_at,
            started_at=None,
            ended_at=None,
            priority=source.priority,
            time_limit=source.time_limit,
            messages=source.messages,
            queue=self._planned_queue(source, new.queue),
            asked_queue=source.asked_queue,
        )
        copied = self.marks_of(source).replacements
        self.marks[new.id] = Marks(new.created_at, replacements=copied, trace=new.trace)
        for number in range(copied + 1):  # 0 are the defaults of the input, if there are any
            if (row_of_source := self.replaced.get((source.id, number))) is not None:
                self.replaced[new.id, number] = row_of_source._replace(run_id=new.id)
        own = ForkRow(new.id, new.source_id, new.from_task, new.content, new.created_at)
        kept = [
            row._replace(run_id=new.id)
            for row in self.forked.get(source.id, ())
            if row.content is not None and row.from_task in new.kept
        ]
        self.forked[new.id] = [*kept, own]
        self._copy_results(new)
        self.copy_memos(new)
        self.copy_messages(new)
        self.noted[source.id, act.id] = ActRow(
            id=act.id,
            run_id=source.id,
            workflow=source.workflow,
            round=source.round,
            kind="fork",
            asked_by=act.asked_by,
            reason=act.reason,
            changed=1,
            created_at=act.now,
        )
        return new.id

    def _copy_results(self, new: NewFork) -> None:
        """Give a fork the results of the tasks that it keeps, and the ends of items of maps."""
        latest: dict[tuple[str, int], AttemptRow] = {}
        for _, row in sorted(self.attempts.items()):
            if row.run_id == new.source_id:
                latest[row.task_id, row.item] = row
        for row in latest.values():
            has_failed = row.status == TaskStatus.FAILED and row.retry_at is None
            if row.task_id in new.kept and (
                row.status == TaskStatus.COMPLETED or (has_failed and row.item >= 0)
            ):
                self.attempts[new.id, row.task_id, row.item, row.attempt] = row._replace(
                    run_id=new.id, epoch=0, crashes=0, error_traceback=None
                )
        for (run_id, task_id), opened in list(self.opened_maps.items()):
            if run_id == new.source_id and task_id in new.kept:
                self.opened_maps[new.id, task_id] = opened._replace(run_id=new.id, epoch=0)
        if new.items is not None:
            self._copy_items(new, latest.values(), new.items)

    def _copy_items(
        self, new: NewFork, latest: Iterable[AttemptRow], chosen: Collection[int]
    ) -> None:
        """Give a fork the map from which on it runs, and the ends of its items."""
        task_id = new.from_task
        for row in latest:
            has_ended = row.status in (TaskStatus.COMPLETED, TaskStatus.FAILED)
            is_of_map = row.task_id == task_id and row.item >= 0
            if is_of_map and has_ended and row.retry_at is None:
                self.attempts[new.id, task_id, row.item, row.attempt] = row._replace(
                    run_id=new.id, epoch=0, crashes=0, error_traceback=None
                )
        if (opened := self.opened_maps.get((new.source_id, task_id))) is not None:
            copied = opened._replace(run_id=new.id, epoch=0, attempt=0)
            self.opened_maps[new.id, task_id] = copied
        for item in chosen:
            self.restarted_of_maps[new.id, task_id, item, 1] = 1

    def _stands_for(self, new: NewFork, source: RunRow) -> str | None:
        """The run that stands for a fork already."""
        if new.idempotency_key is not None:
            holder = self.keys.get((source.workflow, new.idempotency_key))
            if holder is not None:
                return holder
        return new.id if new.id in self.runs else None

    async def forks(self, run_ids: Collection[str]) -> list[ForkRow]:
        known = sorted(self.forked.items())
        return [row for run_id, rows in known if run_id in run_ids for row in rows]

    async def restarts(self, run_ids: Collection[str]) -> list[RestartRow]:
        return [
            RestartRow(*key, *about)
            for key, about in sorted(self.restarted.items())
            if key[0] in run_ids
        ]

    async def rounds(self, run_id: str) -> list[RoundRow]:
        return [row for key, row in sorted(self.past_rounds.items()) if key[0] == run_id]

    async def children(self, parent_ids: Collection[str]) -> list[ChildRow]:
        keys = {run_id: key for (_, key), run_id in self.keys.items()}
        return sorted(
            ChildRow(run.parent_id, run.id, run.status, keys.get(run.id), run.workflow, run.round)
            for run in self._in_order(self.runs)
            if run.parent_id is not None
            and run.parent_id in parent_ids
            and not self.marks_of(run).detached
        )

    # -- workflows ---------------------------------------------------------------------------

    async def pause_workflow(self, workflow: str, act: Act, until: int | None) -> bool:
        if self._note_on_workflow(workflow, act, "pause", workflow not in self.workflow_pauses):
            self.workflow_pauses[workflow] = until
            self.workflows_paused_at[workflow] = act.now
        return bool(self.noted["", act.id].changed)

    async def resume_workflow(self, workflow: str, act: Act) -> bool:
        if self._note_on_workflow(workflow, act, "resume", workflow in self.workflow_pauses):
            del self.workflow_pauses[workflow]
        return bool(self.noted["", act.id].changed)

    async def end_pause_of_workflow(self, workflow: str, act: Act) -> bool:
        until = self.workflow_pauses.get(workflow)
        is_over = until is not None and until <= act.now
        if self._note_on_workflow(workflow, act, "resume", is_over):
            del self.workflow_pauses[workflow]
        changed = bool(self.noted["", act.id].changed)
        self._forget_unchanged("", act)
        return changed

    async def paused_workflows(self) -> dict[str, int | None]:
        return dict(self.workflow_pauses)

    async def pauses(self) -> list[PauseRow]:
        return [self.pause_of(workflow) for workflow in sorted(self.workflow_pauses)]

    def pause_of(self, workflow: str) -> PauseRow:
        """The pause of a workflow that is paused."""
        since, until = self.workflows_paused_at[workflow], self.workflow_pauses[workflow]
        about = ("", workflow, "pause", 1, since)
        acts = [
            act
            for act in self.noted.values()
            if (act.run_id, act.workflow, act.kind, act.changed, act.created_at) == about
        ]
        act = max(acts, key=lambda act: act.id)
        return PauseRow(workflow, since, until, act.asked_by, act.reason)

    def _forget_unchanged(self, run_id: str, act: Act) -> None:
        """An act of a runner's own that has changed nothing is noted nowhere."""
        if not self.noted[run_id, act.id].changed:
            del self.noted[run_id, act.id]

    def _note_on_workflow(self, workflow: str, act: Act, kind: str, changes: bool) -> bool:
        """Write an act down unless it is there; whether it is new and changes the workflow."""
        if ("", act.id) in self.noted:
            return False
        self.noted["", act.id] = ActRow(
            id=act.id,
            run_id="",
            workflow=workflow,
            round=0,
            kind=kind,
            asked_by=act.asked_by,
            reason=act.reason,
            changed=int(changes),
            created_at=act.now,
        )
        return changes

    # -- news --------------------------------------------------------------------------------

    async def news(self, runner_id: str, workflows: Collection[str], limit: int) -> News:
        timers = [at for at, _ in [*self._waiting_for_time(workflows), *self._pauses_with_end()]]
        timers += [start_by for start_by, _ in self._to_begin()]
        timers += [until for until in self.workflow_pauses.values() if until is not None]
        next_timer = min(timers, default=None)
        replaced = {
            run.id: count
            for run in self._in_order(self.runs)
            if (count := self.marks_of(run).replacements)
            and run.owner == runner_id
            and run.ended_at is None
        }
        return News(
            self._stop_requests(runner_id),
            self._parents()[:limit],
            next_timer,
            replaced,
            self.mail_of(runner_id),
            self.unnumbered()[:limit],
        )

    def _pauses_with_end(self) -> list[tuple[int, str]]:
        pauses = [(self.marks_of(run).paused_until, run) for run in self.runs.values()]
        return [(at, run.id) for at, run in pauses if at is not None and run.ended_at is None]

    async def pauses_over(self, now: int, limit: int) -> list[str]:
        over = [(until, run_id) for until, run_id in self._pauses_with_end() if until <= now]
        return [run_id for _, run_id in sorted(over)[:limit]]

    def _parents(self) -> list[Parent]:
        parents = []
        for run in self.runs.values():
            children_at = self.marks_of(run).children_at
            is_over = run.ended_at is not None or self.marks_of(run).descends
            if children_at is not None and (is_over or self._to_cancel(run)):
                parents.append((children_at, self._parent(run, children_at)))
        return [parent for _, parent in sorted(parents)] + self._paused_parents()

    def _paused_parents(self) -> list[Parent]:
        return [
            Parent(run.id, run.steer_reason or "", None)
            for run in self._in_order(self.runs)
            if self.marks_of(run).pause_follows
            and (
                not self._may_submit(run)
                or self.marks_of(run).pause_descends
                or self._out_of_step(run, self._children_under_way(run.id))
            )
        ]

    def _may_submit(self, run: RunRow) -> bool:
        """Whether bodies of a paused run may still submit runs."""
        is_paused = self.marks_of(run).pause_id is not None
        return is_paused and run.owner is not None and run.ended_at is None

    def _parent(self, run: RunRow, children_at: int) -> Parent:
        """A run whose children are to be cancelled."""
        if self.marks_of(run).cancels_awaited:
            return Parent(run.id, "", children_at, 1)
        return Parent(run.id, run.steer_reason or "", children_at)

    async def ended_parents(self, run_ids: Collection[str]) -> list[Parent]:
        marked = [(run, self.marks_of(run).children_at) for run in self._in_order(run_ids)]
        return [
            self._parent(run, children_at)
            for run, children_at in marked
            if children_at is not None and run.ended_at is not None
        ]

    async def children_under_way(
        self, parent_ids: Collection[str], limit: int
    ) -> list[tuple[str, str]]:
        found = [
            (parent.id, child)
            for parent in self._in_order(parent_ids)
            for child in self._to_cancel(parent)
        ]
        return found[:limit]

    async def descendants_under_way(
        self, parent_ids: Collection[str], limit: int
    ) -> list[tuple[str, str]]:
        found = [
            (parent.id, child)
            for parent in self._in_order(parent_ids)
            if not self.marks_of(parent).cancels_awaited
            for child in self._descendants(parent.id, parent_ids)
        ]
        return found[:limit]

    async def stopped_with_parents(self, run_ids: Collection[str]) -> list[StoppedWithParent]:
        found = []
        for run in self._in_order(run_ids):
            parent = self.parent_of(run.parent_id, detached=self.marks_of(run).detached)
            while parent is not None and not self._cancels(parent, run):
                goes_on = parent.ended_at is None or parent.round > 1
                detached = goes_on or self.marks_of(parent).detached
                parent = self.parent_of(parent.parent_id, detached=detached)
            if parent is not None:
                told = self._parent(parent, 0)
                found.append(StoppedWithParent(run.id, parent.id, told.because, told.has_failed))
        return found

    async def paused_with_parents(self, run_ids: Collection[str]) -> list[StoppedWithParent]:
        found = []
        for run in self._in_order(run_ids):
            parent, marks = self.runs.get(run.parent_id or ""), self.marks_of(run)
            if parent is None:
                continue
            pause_id = None if marks.detached else self.marks_of(parent).pause_id
            if marks.paused_at is not None or pause_id not in (None, marks.paused_with):
                found.append(StoppedWithParent(run.id, parent.id, parent.steer_reason or ""))
        return found

    def parent_of(self, parent_id: str | None, *, detached: bool) -> RunRow | None:
        """The run with which a run is steered that has this parent."""
        return None if parent_id is None or detached else self.runs.get(parent_id)

    def is_cancelled(self, run: RunRow) -> bool:
        """Whether a run is to be cancelled, or was."""
        return self.marks_of(run).cancel_at is not None or run.status == RunStatus.CANCELLED

    async def forget_children(self, parent_ids: Collection[str]) -> None:
        for parent in self._in_order(parent_ids):
            marks, followers = self.marks_of(parent), self._followers(parent.id, parent_ids)
            if not (self._to_cancel(parent) if marks.cancels_awaited else followers):
                marks.descends = False
                if parent.ended_at is not None:
                    marks.children_at = None
            if not self._out_of_step(parent, followers):
                marks.pause_descends = False
                if not self._may_submit(parent):
                    marks.pause_follows = False

    def _cancels(self, parent: RunRow, child: RunRow) -> bool:
        """Whether a run cancels one of its tree: all of them, or a child for which it waited."""
        marks = self.marks_of(parent)
        awaited = child.parent_id == parent.id and child.child_kind is not None
        return marks.cancels_children or (marks.cancels_awaited and awaited)

    def _to_cancel(self, parent: RunRow) -> list[str]:
        """The children of a run that are to be cancelled with it and are not yet."""
        under_way = self._children_under_way(parent.id)
        if not self.marks_of(parent).cancels_awaited:
            return under_way
        return [each for each in under_way if self.runs[each].child_kind is not None]

    def mark_failed_parents(self, batch: Batch) -> None:
        """Note of runs that have failed that they cancel the children for which they waited."""
        for run in self._in_order([each.run_id for each in batch.of(FAILED_PARENTS)]):
            under_way = [self.runs[each] for each in self._children_under_way(run.id)]
            awaits = any(child.child_kind is not None for child in under_way)
            if awaits and run.status == RunStatus.FAILED and run.owner == batch.runner_id:
                marks = self.marks_of(run)
                marks.cancels_awaited, marks.children_at = True, run.ended_at

    def _children_under_way(self, parent_id: str) -> list[str]:
        """Children that are to be cancelled with their parent and are not yet."""
        return [
            run.id
            for run in self._in_order(self.runs)
            if run.parent_id == parent_id
            and run.ended_at is None
            and not self.marks_of(run).detached
            and self.marks_of(run).cancel_at is None
        ]

    def _has_children(self, run: RunRow) -> bool:
        return any(
            each.parent_id == run.id and not self.marks_of(each).detached
            for each in self.runs.values()
        )

    def _descendants(self, run_id: str, but_not_below: Collection[str] = ()) -> list[str]:
        """Runs under way that follow this one as their own parents have ended."""
        found: list[str] = []
        for run in self._in_order(self.runs):
            is_over = run.ended_at is not None and run.id not in but_not_below
            if run.parent_id == run_id and is_over and not self.marks_of(run).detached:
                found += self._followers(run.id, but_not_below)
        return sorted(found)

    def _followers(self, run_id: str, but_not_below: Collection[str] = ()) -> list[str]:
        children = self._children_under_way(run_id)
        return sorted([*children, *self._descendants(run_id, but_not_below)])


def _earlier(known: int | None, given: int) -> int:
    return given if known is None else min(known, given)
