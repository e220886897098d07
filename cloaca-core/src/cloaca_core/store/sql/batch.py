"""Makes the SQL statements of a journal's batch in their order, and reads their answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, TypeVar

from cloaca_core.features.follow_ups.records import NewFollowUp
from cloaca_core.features.schedules.records import Cancellation, Firing, NewTick
from cloaca_core.features.steps.records import MemoRow
from cloaca_core.features.task_logs.records import LogChunk, OldChunk, ProgressRow
from cloaca_core.features.triggers.records import NewEvent, TriggerRow
from cloaca_core.features.waits.records import ClosedWait, NewMessage, WaitRow, WaitTimeout
from cloaca_core.run.rows import AttemptRow, Exhausted, NewRun, Park, RunEnd
from cloaca_core.store.batch import Batch, Committed
from cloaca_core.store.sql.base import Queries, pair
from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.payloads import Payloads
from cloaca_core.store.sql.queries import Row, Statement
from cloaca_core.values.states import ReasonCode

_NO_TAGS = "{}"
_NONE: Final = frozenset[Any]()
_MESSAGE: Final = ClosedWait._fields.index("message")
_SEEN: Final = WaitTimeout._fields.index("seen")
_MEMO_KEY: Final = MemoRow._fields.index("number") + 1
_WAIT_KEY: Final = WaitRow._fields.index("number") + 1
_PROGRESS_KEY: Final = ProgressRow._fields.index("attempt") + 1
R = TypeVar("R", bound=Row)


class BatchSteps:
    """Makes the statements of batches, each under a name."""

    def __init__(self, queries: Queries, array: Callable[[Collection[str | int]], object]) -> None:
        self._queries = q = queries
        self._array = array
        self._payloads = Payloads(queries.payloads)
        guard = ("runner_id", "fence")
        self._plain_row = q.runs.insert_plain_run.binder(NewRun._fields)
        self._run_row = q.runs.insert_run.binder(NewRun._fields)
        self._unowned_row = q.runs.insert_unowned_run.binder(NewRun._fields)
        self._attempt_row = q.runs.record_attempt.binder(AttemptRow._fields + guard)
        self._end_row = q.runs.end_run.binder(RunEnd._fields + guard)
        self._park_row = q.runs.park_run.binder(Park._fields + guard)
        self._follow_up_row = q.follow_ups.insert_follow_up.binder(NewFollowUp._fields + guard)
        self._pause_row = q.runs.pause_exhausted.binder(Exhausted._fields + guard)
        self._note_row = q.runs.note_exhausted.binder(Exhausted._fields + guard)
        self._memo_row = q.memos.record_memo.binder(MemoRow._fields + guard)
        self._line_row = q.task_logs.record_lines.binder(LogChunk._fields + guard)
        self._old_line_row = q.task_logs.drop_lines.binder(OldChunk._fields + guard)
        self._progress_row = q.task_logs.record_progress.binder(ProgressRow._fields + guard)
        self._wait_row = q.waits.record_wait.binder(WaitRow._fields + guard)
        self._timeout_row = q.waits.time_out_wait.binder(WaitTimeout._fields + guard)
        self._taken_row = q.waits.take_message.binder(ClosedWait._fields + guard)
        self._closed_row = q.waits.close_wait.binder(ClosedWait._fields + guard)
        self._message_row = q.waits.insert_first_message.binder(NewMessage._fields)
        self._first_row = q.waits.count_first_message.binder(NewMessage._fields)
        self._owned_params = q.runs.owned_runs.binder(("ids", "runner_id"))
        self._fence_params = q.runs.fence_runs.binder(("ids", "runner_id"))
        self._submission_row = q.runs.note_submission.binder(NewRun._fields)
        self._tag_row = q.runs.insert_tag.binder(("run_id", "tag", "content"))
        self._tick_row = q.schedules.insert_tick.binder(NewTick._fields)
        self._dropped_row = q.schedules.take_dropped_tick.binder(NewTick._fields)
        self._tick_run_row = q.schedules.insert_tick_run.binder(NewTick._fields)
        self._cancelled_row = q.schedules.cancel_run.binder(Cancellation._fields)
        self._lost_row = q.schedules.insert_lost.binder(Firing._fields)
        self._advance_row = q.schedules.advance_schedule.binder(Firing._fields)
        self._outdated_row = q.schedules.outdate_schedule.binder(NewTick._fields)
        self._event_row = q.triggers.insert_event.binder(NewEvent._fields)
        self._event_run_row = q.triggers.insert_event_run.binder(NewEvent._fields)
        self._poll_row = q.triggers.take_poll.binder(TriggerRow._fields)

    def of(self, batch: Batch) -> dict[str, Step]:
        """The statements of a batch in their order; those without rows are left out."""
        scheduled = [end for end in batch.ends if end.schedule_id is not None] if batch.ends else []
        parents = _parents_of(batch.new_runs) if batch.new_runs else set()
        if not scheduled and not parents and not _decides(batch):  # nearly all of them
            if not batch.new_runs:
                return self._record_steps(batch)
            return self._new_run_steps(batch, parents) | self._record_steps(batch)
        return (
            self._lock_steps(batch, scheduled, parents)
            | self._firing_steps(batch)
            | self._event_steps(batch)
            | self._new_run_steps(batch, parents)
            | self._record_steps(batch)
            | self._succession_steps(batch, scheduled)
        )

    def of_one(self, run: NewRun, message: NewMessage | None = None) -> dict[str, Step]:
        """The statements that insert one run that has a key and no owner, with a first message."""
        q = self._queries.runs
        (in_row,), inputs = self._payloads.split_inputs([run])
        parents = _parents_of([run])
        steps = self._parent_steps(parents, q.lock_roots, "roots")
        steps["run"] = Step(q.insert_unowned_run, self._unowned_row(in_row))
        if inputs is not None:
            steps["input"] = inputs
        if tags := _tag_rows([run]):
            steps["tags"] = Step(q.insert_tag, rows=list(map(self._tag_row, tags)))
        steps |= self._submission_steps([run])
        if message is not None:
            steps |= self._message_steps([message])
        wanted = self._array([pair(run.workflow, run.idempotency_key)])
        steps |= self._parent_steps(parents, q.find_parents, "parents")
        steps["keys"] = Step(q.find_keys, q.find_keys.bind(keys=wanted))
        return steps

    def _lock_steps(
        self, batch: Batch, scheduled: Sequence[RunEnd], parents: Collection[str]
    ) -> dict[str, Step]:
        """The locks that make two runners take turns: one that queues a run behind another, and one
        that ends that other; one that pauses or resumes a run, and one whose body adds a child to
        it. All transactions lock in this order: schedules, triggers, runs.
        """
        q, array = self._queries, self._array
        steps: dict[str, Step] = {}
        ids = {each.schedule_id for each in batch.firings}
        ids |= {each.schedule_id for each in batch.ticks}
        ids |= {end.schedule_id for end in scheduled if end.schedule_id is not None}
        if ids:
            params = q.schedules.lock_schedules.bind(ids=array(sorted(ids)))
            steps["schedules"] = Step(q.schedules.lock_schedules, params)
        triggers = {each.trigger_id for each in batch.events} | {each.id for each in batch.turns}
        if triggers:
            params = q.triggers.lock_triggers.bind(ids=array(sorted(triggers)))
            steps["triggers"] = Step(q.triggers.lock_triggers, params)
        if batch.cancellations or parents:
            runs = {each.id for each in batch.cancellations} | batch.fences.keys() | set(parents)
            params = q.runs.lock_runs.bind(ids=array(sorted(runs)), runner_id=batch.runner_id)
            steps["locks"] = Step(q.runs.lock_runs, params)
        return steps

    def _firing_steps(self, batch: Batch) -> dict[str, Step]:
        q, firings, ticks = self._queries.schedules, batch.firings, batch.ticks
        steps: dict[str, Step] = {}
        if ticks:
            steps |= self._tick_steps(ticks)
        if lost := [firing for firing in firings if firing.lost]:
            steps["lost"] = Step(q.insert_lost, rows=list(map(self._lost_row, lost)))
        if firings:
            steps["advance"] = Step(q.advance_schedule, rows=list(map(self._advance_row, firings)))
        if newest := _newest_filled(ticks):
            rows = list(map(self._outdated_row, newest))
            steps["outdated"] = Step(q.outdate_schedule, rows=rows)
        return steps

    def _tick_steps(self, ticks: Sequence[NewTick]) -> dict[str, Step]:
        q = self._queries.schedules
        steps = {"ticks": Step(q.insert_tick, rows=list(map(self._tick_row, ticks)))}
        if filled := [tick for tick in ticks if tick.generation is None]:
            rows = list(map(self._dropped_row, filled))
            steps["dropped"] = Step(q.take_dropped_tick, rows=rows)
        if made := [tick for tick in ticks if tick.run_id is not None]:
            in_row, inputs = self._payloads.split_inputs(made)
            rows = list(map(self._tick_run_row, in_row))
            steps["tick_runs"] = Step(q.insert_tick_run, rows=rows)
            if inputs is not None:
                steps["tick_inputs"] = inputs
        return steps

    def _event_steps(self, batch: Batch) -> dict[str, Step]:
        """One step for each: whether an event counts depends on those before it."""
        q = self._queries.triggers
        steps: dict[str, Step] = {}
        events, inputs = self._payloads.split_inputs(batch.events)
        for event in events:
            steps[f"event {event.id}"] = Step(q.insert_event, self._event_row(event))
            run = self._event_run_row(event)
            steps[f"run of event {event.id}"] = Step(q.insert_event_run, run)
        if inputs is not None:
            steps["event_inputs"] = inputs
        for turn in batch.turns:
            steps[f"turn of {turn.id}"] = Step(q.take_poll, self._poll_row(turn))
        return steps

    def _new_run_steps(self, batch: Batch, parents: Collection[str]) -> dict[str, Step]:
        q, runs = self._queries.runs, batch.new_runs
        if not runs:
            return {}
        in_row, inputs = self._payloads.split_inputs(runs)
        steps = self._parent_steps(parents, q.lock_roots, "roots")
        if is_plain := not [run for run in runs if not run.is_plain]:
            steps["runs"] = Step(q.insert_plain_run, rows=list(map(self._plain_row, in_row)))
        else:
            steps["runs"] = Step(q.insert_run, rows=list(map(self._run_row, in_row)))
        if inputs is not None:
            steps["inputs"] = inputs
        if tags := _tag_rows(runs):
            steps["tags"] = Step(q.insert_tag, rows=list(map(self._tag_row, tags)))
        if not is_plain:
            steps |= self._submission_steps(runs)
        if batch.messages:
            steps |= self._message_steps(batch.messages)
        if parents:
            children = [run.id for run in runs if run.belongs_to is not None]
            pause = self._queries.children.pause_new_children
            params = pause.bind(ids=self._array(children), runner_id=batch.runner_id)
            steps["paused"] = Step(pause, params)
        if ids := [run.id for run in runs if run.owner == batch.runner_id]:
            params = self._owned_params((self._array(ids), batch.runner_id))
            steps["owned"] = Step(q.owned_runs, params)
        if keys := [
            pair(r.workflow, r.idempotency_key) for r in runs if r.idempotency_key is not None
        ]:
            steps["keys"] = Step(q.find_keys, q.find_keys.bind(keys=self._array(keys)))
        return steps | self._parent_steps(parents, q.find_parents, "parents")

    def _submission_steps(self, runs: Sequence[NewRun]) -> dict[str, Step]:
        """Who has submitted those of the runs of which that is to be noted."""
        if rows := [self._submission_row(run) for run in runs if run.asked_by is not None]:
            return {"submissions": Step(self._queries.runs.note_submission, rows=rows)}
        return {}

    def _message_steps(self, messages: Sequence[NewMessage]) -> dict[str, Step]:
        """The first messages of new runs."""
        q = self._queries.waits
        return {
            "messages": Step(q.insert_first_message, rows=list(map(self._message_row, messages))),
            "counts": Step(q.count_first_message, rows=list(map(self._first_row, messages))),
        }

    def _parent_steps(
        self, ids: Collection[str], statement: Statement, name: str
    ) -> dict[str, Step]:
        """A statement about the parents of new runs, if there are any, as trees may be pruned."""
        return {name: Step(statement, (self._array(sorted(ids)),))} if ids else {}

    def _record_steps(self, batch: Batch) -> dict[str, Step]:
        q = self._queries.runs
        steps: dict[str, Step] = {}
        runner, fences = batch.runner_id, batch.fences
        if fences:
            params = self._fence_params((self._array(fences), runner))
            steps["fence"] = Step(q.fence_runs, params)
        if batch.closed or batch.timeouts or batch.waits:
            steps |= self._wait_steps(batch)
        if batch.attempts:
            row = self._attempt_row
            rows = [row((*item, runner, fences[item.run_id])) for item in batch.attempts]
            steps["attempts"] = Step(q.record_attempt, rows=rows)
        if batch.memos:
            row = self._memo_row
            memos = _last_of_each(sorted(batch.memos, key=attrgetter("attempt")), _MEMO_KEY)
            rows = [row((*item, runner, fences[item.run_id])) for item in memos]
            steps["memos"] = Step(self._queries.memos.record_memo, rows=rows)
        if batch.lines or batch.old_lines or batch.progress:
            steps |= self._line_steps(batch)
        if batch.ends:
            ends, contexts = self._payloads.split_ends(batch.ends, runner, fences)
            row = self._end_row
            rows = [row((*item, runner, fences[item.id])) for item in ends]
            steps["ends"] = Step(q.end_run, rows=rows)
            if contexts is not None:
                steps["final_contexts"] = contexts
        if batch.follow_ups:
            row = self._follow_up_row
            rows = [row((*item, runner, fences[item.run_id])) for item in batch.follow_ups]
            steps["follow-ups"] = Step(self._queries.follow_ups.insert_follow_up, rows=rows)
        if batch.exhausted or batch.parks:
            steps |= self._park_steps(batch)
        return steps

    def _park_steps(self, batch: Batch) -> dict[str, Step]:
        """Runs that are paused since a task has used up its attempts, or are given back."""
        q, runner, fences = self._queries.runs, batch.runner_id, batch.fences
        steps: dict[str, Step] = {}
        if batch.exhausted:
            guarded = [(*item, runner, fences[item.id]) for item in batch.exhausted]
            steps["pauses"] = Step(q.pause_exhausted, rows=list(map(self._pause_row, guarded)))
            steps["notes"] = Step(q.note_exhausted, rows=list(map(self._note_row, guarded)))
        if batch.parks:
            row = self._park_row
            rows = [row((*item, runner, fences[item.id])) for item in batch.parks]
            steps["parks"] = Step(q.park_run, rows=rows)
        return steps

    def _line_steps(self, batch: Batch) -> dict[str, Step]:
        """Lines and progress of bodies; before ends and parks, after which others own the runs."""
        q, runner, fences = self._queries.task_logs, batch.runner_id, batch.fences
        steps: dict[str, Step] = {}
        if batch.lines:
            lines = [self._line_row((*row, runner, fences[row.run_id])) for row in batch.lines]
            steps["lines"] = Step(q.record_lines, rows=lines)
        if batch.old_lines:
            old = [
                self._old_line_row((*row, runner, fences[row.run_id])) for row in batch.old_lines
            ]
            steps["old_lines"] = Step(q.drop_lines, rows=old)
        if batch.progress:
            told = [
                self._progress_row((*row, runner, fences[row.run_id]))
                for row in _last_of_each(batch.progress, _PROGRESS_KEY)
            ]
            steps["progress"] = Step(q.record_progress, rows=told)
        return steps

    def _wait_steps(self, batch: Batch) -> dict[str, Step]:
        """Waits that end come before timeouts, and both before new waits."""
        q, runner, fences = self._queries.waits, batch.runner_id, batch.fences
        steps: dict[str, Step] = {}
        closed = [(*item, runner, fences[item.run_id]) for item in batch.closed]
        if taken := [self._taken_row(row) for row in closed if row[_MESSAGE] is not None]:
            steps["taken"] = Step(q.take_message, rows=taken)
        if closed:
            steps["closed"] = Step(q.close_wait, rows=list(map(self._closed_row, closed)))
        if batch.timeouts:
            row = self._timeout_row
            rows = [row((*item, runner, fences[item.run_id])) for item in batch.timeouts]
            steps["timeouts"] = Step(q.time_out_wait, rows=rows)
            ids = self._array(sorted({item.run_id for item in batch.timeouts}))
            steps["timed_out"] = Step(q.list_timed_out, q.list_timed_out.bind(ids=ids))
        if batch.waits:
            row = self._wait_row
            waits = _last_of_each(batch.waits, _WAIT_KEY)
            rows = [row((*item, runner, fences[item.run_id])) for item in waits]
            steps["waits"] = Step(q.record_wait, rows=rows)
        return steps

    def _succession_steps(self, batch: Batch, scheduled: Sequence[RunEnd]) -> dict[str, Step]:
        q = self._queries.schedules
        steps: dict[str, Step] = {}
        if batch.cancellations:
            rows = list(map(self._cancelled_row, batch.cancellations))
            steps["cancelled"] = Step(q.cancel_run, rows=rows)
            steps |= self._following_steps(batch.cancellations)
        before = [tick.behind for tick in batch.ticks if tick.behind is not None]
        if ids := [end.id for end in scheduled] + before:
            params = q.start_next.bind(ids=self._array(ids))
            steps["next"] = Step(q.start_next, params)
        return steps

    def _following_steps(self, cancellations: Sequence[Cancellation]) -> dict[str, Step]:
        """One step for each instant, of which there is nearly always one."""
        follow = self._queries.follow_ups.follow_ends
        steps: dict[str, Step] = {}
        for now in sorted({each.ended_at for each in cancellations}):
            ids = [each.id for each in cancellations if each.ended_at == now]
            code = ReasonCode.CANCELLED_BY_SCHEDULE.value
            params = follow.bind(ids=self._array(ids), now=now, reason_code=code)
            steps[f"following at {now}"] = Step(follow, params)
        return steps


def _last_of_each(rows: Iterable[R], key: int) -> Iterable[R]:
    """The last of the rows that begin with the same key: one statement writes a row but once."""
    return {row[:key]: row for row in rows}.values()


def committed(batch: Batch, answers: Mapping[str, Sequence[Row]]) -> Committed:
    """The result of a batch, read from the answers of its statements."""
    current: list[str] = []
    wishes: dict[str, str] = {}
    replaced: dict[str, int] = {}
    messages: dict[str, int] = {}
    for run_id, epoch, wish, replacements, sent in answers.get("fence", ()):
        if batch.fences[run_id] == epoch:
            current.append(run_id)
            if wish is not None:
                wishes[run_id] = wish
            if replacements:
                replaced[run_id] = replacements
            if sent:
                messages[run_id] = sent
    over = answers.get("timed_out", ())
    timed_out = _timed_out(batch.timeouts, over, current) if batch.timeouts else _NONE
    known = frozenset(current)
    if not batch.new_runs:  # most commits record steps
        return Committed(
            _NONE, {}, known, _NONE, wishes, replaced, _NONE, _NONE, messages, timed_out
        )
    orphans = orphans_of(batch.new_runs, answers.get("parents"))
    refused = _refused(batch.new_runs, answers.get("parents"))
    owned = frozenset([run_id for (run_id,) in answers.get("owned", ())])
    existing, held = _other_holders(batch.new_runs, answers.get("keys"), orphans | refused)
    return Committed(
        owned=owned,
        existing=existing,
        held=held,
        current=known,
        wishes=wishes,
        replaced=replaced,
        orphans=orphans,
        refused=refused - existing.keys() - owned,
        messages=messages,
        timed_out=timed_out,
    )


def _timed_out(
    timeouts: Sequence[WaitTimeout], over: Sequence[Row], current: Collection[str]
) -> frozenset[WaitTimeout]:
    """Those of these timeouts that were decided, now or before."""
    keys = set(over)
    return frozenset([each for each in timeouts if each.run_id in current and each[:_SEEN] in keys])


def orphans_of(runs: Sequence[NewRun], parents: Sequence[Row] | None) -> frozenset[str]:
    """The ids of new runs whose parents are not among those that are there and visible."""
    if parents is None:  # none of them has one
        return frozenset()
    found = {parent_id for parent_id, _ in parents}
    return frozenset(
        [run.id for run in runs if run.belongs_to is not None and run.belongs_to not in found]
    )


def _refused(runs: Sequence[NewRun], parents: Sequence[Row] | None) -> frozenset[str]:
    """The ids of new runs whose parents are being cancelled, or were."""
    if parents is None:  # none of them has one
        return frozenset()
    cancelled = {parent_id for parent_id, is_cancelled in parents if is_cancelled}
    return frozenset([run.id for run in runs if run.belongs_to in cancelled] if cancelled else ())


def _decides(batch: Batch) -> bool:
    """True when the batch has rows about schedules or triggers."""
    return bool(batch.firings or batch.ticks or batch.cancellations or batch.events or batch.turns)


def _parents_of(runs: Sequence[NewRun]) -> set[str]:
    """The parents in whose trees these runs are."""
    return {run.parent_id for run in runs if run.parent_id is not None and not run.detached}


def _newest_filled(ticks: Sequence[NewTick]) -> Sequence[NewTick]:
    """The newest tick of each schedule that is back-filled."""
    filled = [tick for tick in ticks if tick.generation is None]
    in_order = sorted(filled, key=lambda tick: tick.tick)
    return list({tick.schedule_id: tick for tick in in_order}.values())


def _tag_rows(runs: Sequence[NewRun]) -> list[tuple[str, str, str]]:
    return [
        (run.id, tag, content)
        for run in runs
        if run.tags != _NO_TAGS
        for tag, content in json.loads(run.tags).items()
    ]


def _other_holders(
    runs: Sequence[NewRun], holders: Sequence[Row] | None, without_parent: frozenset[str]
) -> tuple[dict[str, str], frozenset[str]]:
    """Sorts new runs that were not inserted: those whose idempotency key another run has, with that
    run, and those of whose keys no run is known: they were passed over, or a hidden run has the
    key.
    """
    if holders is None:  # none of them has a key
        return {}, frozenset()
    by_key: Mapping[tuple[str, str], str] = {(flow, key): run for flow, key, run in holders}
    existing: dict[str, str] = {}
    held: set[str] = set()
    for run in runs:
        if run.idempotency_key is None:
            continue
        holder = by_key.get((run.workflow, run.idempotency_key))
        if holder is None:
            if run.id not in without_parent:
                held.add(run.id)
        elif holder != run.id:
            existing[run.id] = holder
    return existing, frozenset(held)
