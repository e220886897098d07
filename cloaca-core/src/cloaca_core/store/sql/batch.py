"""Makes the SQL statements of a journal's batch in their order, and reads their answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final

from cloaca_core.run.rows import AttemptRow, Exhausted, NewRun, Park, RunEnd
from cloaca_core.store.batch import NO_ROWS, NONE_DECIDED, Batch, Committed, Rows
from cloaca_core.store.sql.base import Queries, RunQueries, pair
from cloaca_core.store.sql.commit_part import (
    GUARD,
    Array,
    Ending,
    Stages,
    Steps,
    steps_at,
)
from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.payloads import Payloads
from cloaca_core.store.sql.queries import Row, Statement

_NO_TAGS = "{}"
_NONE: Final = frozenset[Any]()
_NOBODY: Final = Stages()
"""For a batch without rows of features: calls no part."""
_ID: Final[Callable[[NewRun], str]] = attrgetter("id")


class BatchSteps:
    """Makes the statements of batches, each under a name."""

    def __init__(
        self,
        queries: Queries,
        array: Array,
        stages: Stages,
    ) -> None:
        self._runs = q = queries.of(RunQueries)
        self._array = array
        self._stages = stages
        self._payloads = Payloads(queries.payloads)
        self._plain_row = q.insert_plain_run.binder(NewRun._fields)
        self._run_row = q.insert_run.binder(NewRun._fields)
        self._unowned_row = q.insert_unowned_run.binder(NewRun._fields)
        self._attempt_row = q.record_attempt.binder(AttemptRow._fields + GUARD)
        self._end_row = q.end_run.binder(RunEnd._fields + GUARD)
        self._park_row = q.park_run.binder(Park._fields + GUARD)
        self._pause_row = q.pause_exhausted.binder(Exhausted._fields + GUARD)
        self._note_row = q.note_exhausted.binder(Exhausted._fields + GUARD)
        self._owned_params = q.owned_runs.binder(("ids", "runner_id"))
        self._fence_params = q.fence_runs.binder(("ids", "runner_id"))
        self._submission_row = q.note_submission.binder(NewRun._fields)
        self._tag_row = q.insert_tag.binder(("run_id", "tag", "content"))

    def of(self, batch: Batch) -> Steps:
        """The statements of a batch in their order. Statements without rows are left out."""
        freeing = [end for end in batch.ends if end.schedule_id or end.singleton]
        parents = _parents_of(batch.new_runs) if batch.new_runs else set()
        if not batch.rows and not freeing and not parents:  # nearly all of them
            if not batch.new_runs:
                return self._record_steps(batch, _NOBODY)
            return self._new_run_steps(batch, parents, _NOBODY) | self._record_steps(batch, _NOBODY)
        asked = self._stages.asked(batch.rows, ends=bool(freeing))
        return (
            self._lock_steps(batch, parents, asked)
            | steps_at(asked.insert, batch)
            | self._new_run_steps(batch, parents, asked)
            | self._record_steps(batch, asked)
            | steps_at(asked.succession, batch)
        )

    def ending(self, batch: Batch, names: Sequence[str]) -> Ending | None:
        """The end of the transaction of a batch with rows of features, whose statements have these
        names. At most one feature decides about it.
        """
        found = [decide(batch, names) for decide in self._stages.asked(batch.rows).decide]
        return next((each for each in found if each is not None), None)

    def committed(self, batch: Batch, answers: Mapping[str, Sequence[Row]]) -> Committed:
        """The result of a batch, read from the answers of its statements."""
        current: list[str] = []
        stop_requests: dict[str, str] = {}
        replaced: dict[str, int] = {}
        messages: dict[str, int] = {}
        for run_id, epoch, stop_request, replacements, sent in answers.get("fence", ()):
            if batch.fences[run_id] == epoch:
                current.append(run_id)
                if stop_request is not None:
                    stop_requests[run_id] = stop_request
                if replacements:
                    replaced[run_id] = replacements
                if sent:
                    messages[run_id] = sent
        decided = NONE_DECIDED
        if batch.rows:
            decided = self._stages.asked(batch.rows).answers(batch, answers, current)
        known = frozenset(current)
        if not batch.new_runs:  # most commits record steps
            return Committed(
                _NONE, {}, known, _NONE, stop_requests, replaced, _NONE, _NONE, messages, decided
            )
        orphans = self.orphans(batch.new_runs, answers)
        refused = _refused(batch.new_runs, answers.get("parents"))
        owned = frozenset([run_id for (run_id,) in answers.get("owned", ())])
        existing, held = _other_holders(batch.new_runs, answers.get("keys"), orphans | refused)
        return Committed(
            owned=owned,
            existing=existing,
            held=held,
            current=known,
            stop_requests=stop_requests,
            replaced=replaced,
            orphans=orphans,
            refused=refused - existing.keys() - owned,
            messages=messages,
            decided=decided,
        )

    @staticmethod
    def orphans(runs: Sequence[NewRun], answers: Mapping[str, Sequence[Row]]) -> frozenset[str]:
        """The ids of new runs whose parents do not exist or are hidden."""
        if (parents := answers.get("parents")) is None:  # none of them has one
            return _NONE
        found = {parent_id for parent_id, _, _ in parents}
        return frozenset(
            [run.id for run in runs if run.belongs_to is not None and run.belongs_to not in found]
        )

    def of_one(self, run: NewRun, rows: Rows = NO_ROWS, after: Step | None = None) -> Steps:
        """The statements that insert one run that has a key and no owner, with these rows. The
        step ``after`` comes right after the insert of its row.
        """
        q = self._runs
        (in_row,), inputs = self._payloads.split_inputs([run], _ID)
        parents = _parents_of([run])
        steps = self._parent_steps(parents, q.lock_roots, "roots")
        steps["run"] = Step(q.insert_unowned_run, self._unowned_row(in_row))
        if after is not None:
            steps["after"] = after
        if inputs is not None:
            steps["input"] = inputs
        if tags := _tag_rows([run]):
            steps["tags"] = Step(q.insert_tag, rows=list(map(self._tag_row, tags)))
        steps |= self._submission_steps([run])
        if rows:
            batch = Batch("", [run], [], [], {}, rows=rows)
            steps |= steps_at(self._stages.asked(rows).begin, batch)
        wanted = self._array([pair(run.workflow, run.idempotency_key)])
        steps |= self._parent_steps(parents, q.find_parents, "parents")
        steps["keys"] = Step(q.find_keys, q.find_keys.bind(keys=wanted))
        return steps

    def _lock_steps(self, batch: Batch, parents: Collection[str], asked: Stages) -> Steps:
        """The locks by which two runners take turns: a runner that queues a run behind another, and
        a runner that ends that other run; a runner that pauses or resumes a run, and a runner whose
        body adds a child to it. All transactions lock in this order: rows of features (schedules,
        triggers), runs.
        """
        q, array = self._runs, self._array
        steps: Steps = {}
        runs: set[str] = set()
        for lock, locks in asked.locks:
            wanted = locks(batch)
            runs.update(wanted.runs)
            if lock is not None and wanted.own:
                steps[lock.name] = Step(lock, lock.bind(ids=array(sorted(wanted.own))))
        if runs or parents:
            runs |= batch.fences.keys() | set(parents)
            params = q.lock_runs.bind(ids=array(sorted(runs)), runner_id=batch.runner_id)
            steps["locks"] = Step(q.lock_runs, params)
        return steps

    def _new_run_steps(self, batch: Batch, parents: Collection[str], asked: Stages) -> Steps:
        q, runs = self._runs, batch.new_runs
        if not runs:
            return {}
        in_row, inputs = self._payloads.split_inputs(runs, _ID)
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
        if batch.rows:
            steps |= steps_at(asked.begin, batch)
        if parents:
            children = [run.id for run in runs if run.belongs_to is not None]
            params = q.pause_new_children.bind(ids=self._array(children), runner_id=batch.runner_id)
            steps["paused"] = Step(q.pause_new_children, params)
        if ids := [run.id for run in runs if run.owner == batch.runner_id]:
            params = self._owned_params((self._array(ids), batch.runner_id))
            steps["owned"] = Step(q.owned_runs, params)
        if keys := [
            pair(r.workflow, r.idempotency_key) for r in runs if r.idempotency_key is not None
        ]:
            steps["keys"] = Step(q.find_keys, q.find_keys.bind(keys=self._array(keys)))
        return steps | self._parent_steps(parents, q.find_parents, "parents")

    def _submission_steps(self, runs: Sequence[NewRun]) -> Steps:
        """The statement that records who submitted runs."""
        if rows := [self._submission_row(run) for run in runs if run.asked_by is not None]:
            return {"submissions": Step(self._runs.note_submission, rows=rows)}
        return {}

    def _parent_steps(self, ids: Collection[str], statement: Statement, name: str) -> Steps:
        """A statement about the parents of new runs, if there are any, as trees may be pruned."""
        return {name: Step(statement, (self._array(sorted(ids)),))} if ids else {}

    def _record_steps(self, batch: Batch, asked: Stages) -> Steps:
        q = self._runs
        steps: Steps = {}
        runner, fences = batch.runner_id, batch.fences
        if fences:
            params = self._fence_params((self._array(fences), runner))
            steps["fence"] = Step(q.fence_runs, params)
        if batch.rows:
            steps |= steps_at(asked.fence, batch)
        if batch.attempts:
            row = self._attempt_row
            rows = [row((*item, runner, fences[item.run_id])) for item in batch.attempts]
            steps["attempts"] = Step(q.record_attempt, rows=rows)
        if batch.rows:
            steps |= steps_at(asked.record, batch)
        if batch.ends:
            ends, contexts = self._payloads.split_ends(batch.ends, runner, fences)
            row = self._end_row
            rows = [row((*item, runner, fences[item.id])) for item in ends]
            steps["ends"] = Step(q.end_run, rows=rows)
            if contexts is not None:
                steps["final_contexts"] = contexts
        if batch.rows:
            steps |= steps_at(asked.end, batch)
        if batch.exhausted or batch.parks:
            steps |= self._park_steps(batch)
        return steps

    def _park_steps(self, batch: Batch) -> Steps:
        """Statements for runs that are given back, or paused since a task has used up its
        attempts.
        """
        q, runner, fences = self._runs, batch.runner_id, batch.fences
        steps: Steps = {}
        if batch.exhausted:
            guarded = [(*item, runner, fences[item.id]) for item in batch.exhausted]
            steps["pauses"] = Step(q.pause_exhausted, rows=list(map(self._pause_row, guarded)))
            steps["notes"] = Step(q.note_exhausted, rows=list(map(self._note_row, guarded)))
        if batch.parks:
            row = self._park_row
            rows = [row((*item, runner, fences[item.id])) for item in batch.parks]
            steps["parks"] = Step(q.park_run, rows=rows)
        return steps


def _refused(runs: Sequence[NewRun], parents: Sequence[Row] | None) -> frozenset[str]:
    """The ids of new runs whose parents are being cancelled, or were, or were to wait for them and
    have ended.
    """
    if parents is None:  # none of them has one
        return frozenset()
    cancelled = {parent_id for parent_id, is_cancelled, _ in parents if is_cancelled}
    over = {parent_id for parent_id, _, is_over in parents if is_over}
    if not over:  # an end is one, too
        return frozenset(
            [run.id for run in runs if run.belongs_to in cancelled] if cancelled else ()
        )
    return frozenset(
        [
            run.id
            for run in runs
            if run.belongs_to in cancelled or (run.child_kind and run.belongs_to in over)
        ]
    )


def _parents_of(runs: Sequence[NewRun]) -> set[str]:
    """The parents in whose trees these runs are."""
    return {run.parent_id for run in runs if run.parent_id is not None and not run.detached}


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
    """Sort new runs that were not inserted. First: those whose idempotency key another run has,
    with that run. Second: those for whose keys no run is known; they were passed over, or a hidden
    run has the key.
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
