"""``Store`` over any SQL database: builds the steps of each operation and shapes the answers.

All rules about who may write what are guards in the SQL itself; there is no decision in Python
between the statements of a transaction, and no question which database it is.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from importlib.resources import files
from typing import NamedTuple

from cloaca_core.errors import StoreOpenError
from cloaca_core.store.changes import Change
from cloaca_core.store.dialect import Dialect, Step
from cloaca_core.store.outbox import Outbox
from cloaca_core.store.queries import Row, Statement, load_statements
from cloaca_core.store.records import (
    AttemptRow,
    Batch,
    Cancellation,
    Committed,
    EventRow,
    Firing,
    NewEvent,
    NewRun,
    NewTick,
    RunEnd,
    RunFilter,
    RunnerRow,
    RunRow,
    ScheduleRow,
    TickRow,
    TriggerRow,
)
from cloaca_core.store.states import RunStatus

_AFTER_EVERY_ID = "\U0010ffff"
_ACTIVE = frozenset((RunStatus.PENDING, RunStatus.RUNNING))
"""The states of runs that have not ended."""
_NO_TAGS = "{}"


class _Queries(NamedTuple):
    """The statements that must exist, in ``queries.sql`` or in the dialect's overrides."""

    insert_run: Statement
    insert_tag: Statement
    owned_runs: Statement
    find_keys: Statement
    fence_runs: Statement
    record_attempt: Statement
    end_run: Statement
    start_next: Statement
    claim: Statement
    has_claimable: Statement
    load_attempts: Statement
    shut_out: Statement
    release: Statement
    register: Statement
    get_runner: Statement
    beat: Statement
    unregister: Statement
    list_runners: Statement
    fence: Statement
    count_crashes: Statement
    take_over_runs: Statement
    remove_emptied_runner: Statement
    get_run: Statement
    list_runs: Statement
    list_active_runs: Statement
    list_ended_runs: Statement
    list_runs_of_workflow: Statement
    list_runs_of_tag: Statement
    ended_runs: Statement
    lock_schedules: Statement
    lock_runs: Statement
    insert_tick: Statement
    take_dropped_tick: Statement
    insert_tick_run: Statement
    insert_lost: Statement
    cancel_run: Statement
    advance_schedule: Statement
    outdate_schedule: Statement
    put_schedule: Statement
    get_schedule: Statement
    get_schedule_named: Statement
    list_schedules: Statement
    retime_schedule: Statement
    delete_schedule: Statement
    next_due: Statement
    due_schedules: Statement
    list_under_way: Statement
    list_ticks: Statement
    find_ticks: Statement
    count_ticks: Statement
    lock_triggers: Statement
    insert_event: Statement
    insert_event_run: Statement
    take_poll: Statement
    add_trigger: Statement
    change_trigger: Statement
    triggers_named: Statement
    list_triggers: Statement
    known_events: Statement
    list_events: Statement


class SqlStore:
    """The store of every backend that has a ``Dialect``. Contracts: see ``Store``."""

    def __init__(self, dialect: Dialect, outbox: Outbox | None = None) -> None:
        self.outbox = outbox
        self._dialect = dialect
        self._queries = q = _load(dialect)
        guard = ("runner_id", "fence")
        self._run_row = q.insert_run.binder(NewRun._fields)
        self._attempt_row = q.record_attempt.binder(AttemptRow._fields + guard)
        self._end_row = q.end_run.binder(RunEnd._fields + guard)
        self._tag_row = q.insert_tag.binder(("run_id", "tag", "content"))
        self._tick_row = q.insert_tick.binder(NewTick._fields)
        self._dropped_row = q.take_dropped_tick.binder(NewTick._fields)
        self._tick_run_row = q.insert_tick_run.binder(NewTick._fields)
        self._cancelled_row = q.cancel_run.binder(Cancellation._fields)
        self._lost_row = q.insert_lost.binder(Firing._fields)
        self._advance_row = q.advance_schedule.binder(Firing._fields)
        self._outdated_row = q.outdate_schedule.binder(NewTick._fields)
        self._event_row = q.insert_event.binder(NewEvent._fields)
        self._event_run_row = q.insert_event_run.binder(NewEvent._fields)
        self._poll_row = q.take_poll.binder(TriggerRow._fields)

    async def close(self) -> None:
        await self._dialect.close()

    # -- record ------------------------------------------------------------------------------

    async def commit(self, batch: Batch) -> Committed:
        steps = self._commit_steps(batch)
        if not steps:
            return Committed(frozenset(), {}, frozenset())
        answers = dict(zip(steps, await self._dialect.write(list(steps.values())), strict=True))
        return Committed(
            owned=frozenset([run_id for (run_id,) in answers.get("owned", ())]),
            existing=_other_holders(batch.new_runs, answers.get("keys", ())),
            current=frozenset(
                [i for i, epoch in answers.get("fence", ()) if batch.fences[i] == epoch]
            ),
        )

    def _commit_steps(self, batch: Batch) -> dict[str, Step]:
        """The statements of a batch in their order; those without rows are left out."""
        scheduled = [end for end in batch.ends if end.schedule_id is not None]
        return (
            self._lock_steps(batch, scheduled)
            | self._firing_steps(batch)
            | self._event_steps(batch)
            | self._new_run_steps(batch)
            | self._record_steps(batch)
            | self._succession_steps(batch, scheduled)
        )

    def _lock_steps(self, batch: Batch, scheduled: Sequence[RunEnd]) -> dict[str, Step]:
        """Whoever puts a run behind another one, and whoever ends that one, come one by one. All
        transactions lock in this order: schedules, triggers, runs.
        """
        q, steps, array = self._queries, dict[str, Step](), self._dialect.array
        ids = {each.schedule_id for each in batch.firings}
        ids |= {each.schedule_id for each in batch.ticks}
        ids |= {end.schedule_id for end in scheduled if end.schedule_id is not None}
        if ids:
            params = q.lock_schedules.bind(ids=array(sorted(ids)))
            steps["schedules"] = Step(q.lock_schedules, params)
        triggers = {each.trigger_id for each in batch.events} | {each.id for each in batch.turns}
        if triggers:
            params = q.lock_triggers.bind(ids=array(sorted(triggers)))
            steps["triggers"] = Step(q.lock_triggers, params)
        if batch.cancellations:
            runs = {each.id for each in batch.cancellations} | batch.fences.keys()
            params = q.lock_runs.bind(ids=array(sorted(runs)), runner_id=batch.runner_id)
            steps["locks"] = Step(q.lock_runs, params)
        return steps

    def _firing_steps(self, batch: Batch) -> dict[str, Step]:
        q, steps, firings, ticks = self._queries, dict[str, Step](), batch.firings, batch.ticks
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
        q = self._queries
        steps = {"ticks": Step(q.insert_tick, rows=list(map(self._tick_row, ticks)))}
        if filled := [tick for tick in ticks if tick.generation is None]:
            rows = list(map(self._dropped_row, filled))
            steps["dropped"] = Step(q.take_dropped_tick, rows=rows)
        if made := [tick for tick in ticks if tick.run_id is not None]:
            steps["tick_runs"] = Step(q.insert_tick_run, rows=list(map(self._tick_run_row, made)))
        return steps

    def _event_steps(self, batch: Batch) -> dict[str, Step]:
        """One step for each: whether an event counts depends on those before it."""
        q, steps = self._queries, dict[str, Step]()
        for event in batch.events:
            steps[f"event {event.id}"] = Step(q.insert_event, self._event_row(event))
            run = self._event_run_row(event)
            steps[f"run of event {event.id}"] = Step(q.insert_event_run, run)
        for turn in batch.turns:
            steps[f"turn of {turn.id}"] = Step(q.take_poll, self._poll_row(turn))
        return steps

    def _new_run_steps(self, batch: Batch) -> dict[str, Step]:
        q, steps, runs = self._queries, dict[str, Step](), batch.new_runs
        if runs:
            steps["runs"] = Step(q.insert_run, rows=list(map(self._run_row, runs)))
        if tags := _tag_rows(runs):
            steps["tags"] = Step(q.insert_tag, rows=list(map(self._tag_row, tags)))
        if ids := [run.id for run in runs if run.owner == batch.runner_id]:
            params = q.owned_runs.bind(ids=self._dialect.array(ids), runner_id=batch.runner_id)
            steps["owned"] = Step(q.owned_runs, params)
        if keys := [
            _pair(r.workflow, r.idempotency_key) for r in runs if r.idempotency_key is not None
        ]:
            steps["keys"] = Step(q.find_keys, q.find_keys.bind(keys=self._dialect.array(keys)))
        return steps

    def _record_steps(self, batch: Batch) -> dict[str, Step]:
        q, steps = self._queries, dict[str, Step]()
        runner, fences = batch.runner_id, batch.fences
        if fences:
            params = q.fence_runs.bind(ids=self._dialect.array(fences), runner_id=runner)
            steps["fence"] = Step(q.fence_runs, params)
        if batch.attempts:
            row = self._attempt_row
            rows = [row((*item, runner, fences[item.run_id])) for item in batch.attempts]
            steps["attempts"] = Step(q.record_attempt, rows=rows)
        if batch.ends:
            row = self._end_row
            rows = [row((*item, runner, fences[item.id])) for item in batch.ends]
            steps["ends"] = Step(q.end_run, rows=rows)
        return steps

    def _succession_steps(self, batch: Batch, scheduled: Sequence[RunEnd]) -> dict[str, Step]:
        q, steps = self._queries, dict[str, Step]()
        if batch.cancellations:
            rows = list(map(self._cancelled_row, batch.cancellations))
            steps["cancelled"] = Step(q.cancel_run, rows=rows)
        before = [tick.behind for tick in batch.ticks if tick.behind is not None]
        if ids := [end.id for end in scheduled] + before:
            params = q.start_next.bind(ids=self._dialect.array(ids))
            steps["next"] = Step(q.start_next, params)
        return steps

    # -- claim -------------------------------------------------------------------------------

    async def claim(
        self, runner_id: str, workflows: Collection[str], limit: int, now: int
    ) -> list[RunRow]:
        rows = await self._write(
            self._queries.claim,
            runner_id=runner_id,
            workflows=self._dialect.array(workflows),
            limit=limit,
            now=now,
        )
        # RETURNING answers in no order that a database would promise.
        return sorted(map(RunRow._make, rows))

    async def has_claimable(self, workflows: Collection[str]) -> bool:
        wanted = self._dialect.array(workflows)
        ((found,),) = await self._read(self._queries.has_claimable, workflows=wanted)
        return bool(found)

    async def load_attempts(self, run_ids: Collection[str]) -> list[AttemptRow]:
        rows = await self._read(self._queries.load_attempts, ids=self._dialect.array(run_ids))
        return list(map(AttemptRow._make, rows))

    async def release(self, runner_id: str, held: Collection[str]) -> int:
        shut_out = self._queries.shut_out
        wait = Step(shut_out, shut_out.bind(runner_id=runner_id))
        _, freed = await self._dialect.write([wait, self._release_step(runner_id, held)])
        return len(freed)

    def _release_step(self, runner_id: str, held: Collection[str]) -> Step:
        release = self._queries.release
        return Step(release, release.bind(runner_id=runner_id, held=self._dialect.array(held)))

    # -- lease -------------------------------------------------------------------------------

    def lease_clock(self) -> int:
        return self._dialect.lease_clock()

    @property
    def lease_ends_with_boot(self) -> bool:
        return self._dialect.lease_ends_with_boot

    async def register(self, runner: RunnerRow) -> None:
        register, get = self._queries.register, self._queries.get_runner
        values = runner._asdict()
        insert = Step(register, tuple([values[name] for name in register.parameters]))
        found = await self._dialect.write([insert, Step(get, (runner.id,))])
        if not _same_process(_runner(found[1][0]), runner):
            raise StoreOpenError(f"runner_id {runner.id!r} is in use by another runner")

    async def beat(self, runner_id: str, lease_until: int) -> bool:
        beat = self._queries.beat
        values = beat.bind(id=runner_id, lease_until=lease_until)
        (rows,) = await self._dialect.write([Step(beat, values)], urgent=True)
        return bool(rows)

    async def unregister(self, runner_id: str) -> None:
        q = self._queries
        # The runner first: a claim of its own that is still under way is seen by the release.
        remove = Step(q.unregister, q.unregister.bind(id=runner_id))
        await self._dialect.write([remove, self._release_step(runner_id, ())])

    async def runners(self) -> list[RunnerRow]:
        return list(map(_runner, await self._read(self._queries.list_runners)))

    async def fence(self, runner_id: str, seen_beat: int) -> bool:
        return bool(await self._write(self._queries.fence, id=runner_id, seen_beat=seen_beat))

    async def take_over(self, runner_id: str, limit: int) -> int:
        q = self._queries
        batch = {"runner_id": runner_id, "limit": limit}
        _, freed, _ = await self._dialect.write(
            [
                Step(q.count_crashes, q.count_crashes.bind(**batch)),
                Step(q.take_over_runs, q.take_over_runs.bind(**batch)),
                Step(q.remove_emptied_runner, q.remove_emptied_runner.bind(runner_id=runner_id)),
            ]
        )
        return len(freed)

    # -- observe -----------------------------------------------------------------------------

    async def get_run(self, run_id: str) -> RunRow | None:
        rows = await self._read(self._queries.get_run, id=run_id)
        return RunRow._make(rows[0]) if rows else None

    async def list_runs(self, wanted: RunFilter) -> list[RunRow]:
        statement, values = self._listing(wanted)
        before = _AFTER_EVERY_ID if wanted.before is None else wanted.before
        rows = await self._read(statement, before=before, limit=wanted.limit, **values)
        return list(map(RunRow._make, rows))

    def _listing(self, wanted: RunFilter) -> tuple[Statement, dict[str, object]]:
        """The statement whose index fits the filter best, and its values."""
        q, status, workflow = self._queries, wanted.status, wanted.workflow
        if wanted.tags:
            (tag, content), *others = wanted.tags
            rest = self._dialect.array([_pair(*other) for other in others])
            return q.list_runs_of_tag, {
                "tag": tag,
                "content": content,
                "others": rest,
                "status": status,
                "workflow": workflow,
            }
        if workflow is not None:
            return q.list_runs_of_workflow, {"workflow": workflow, "status": status}
        if status is None:
            return q.list_runs, {}
        if status in _ACTIVE:
            return q.list_active_runs, {"status": status}
        return q.list_ended_runs, {"status": status}

    async def ended(self, run_ids: Collection[str]) -> list[RunRow]:
        rows = await self._read(self._queries.ended_runs, ids=self._dialect.array(run_ids))
        return list(map(RunRow._make, rows))

    # -- schedules ---------------------------------------------------------------------------

    async def now(self) -> int:
        return await self._dialect.now()

    async def put_schedule(self, schedule: ScheduleRow) -> str:
        put = self._queries.put_schedule
        values = schedule._asdict()
        given = {name: values[name] for name in put.parameters}
        ((schedule_id,),) = await self._write(put, **given)
        return str(schedule_id)

    async def get_schedule(self, schedule_id: str) -> ScheduleRow | None:
        rows = await self._read(self._queries.get_schedule, id=schedule_id)
        return _schedule(rows[0]) if rows else None

    async def get_schedule_named(self, name: str) -> ScheduleRow | None:
        rows = await self._read(self._queries.get_schedule_named, name=name)
        return _schedule(rows[0]) if rows else None

    async def list_schedules(
        self, *, enabled_only: bool, limit: int, offset: int
    ) -> list[ScheduleRow]:
        rows = await self._read(
            self._queries.list_schedules, enabled_only=int(enabled_only), limit=limit, offset=offset
        )
        return list(map(_schedule, rows))

    async def retime_schedule(self, schedule: ScheduleRow) -> bool:
        retime = self._queries.retime_schedule
        values = schedule._asdict()
        return bool(await self._write(retime, **{name: values[name] for name in retime.parameters}))

    async def delete_schedule(self, schedule_id: str) -> None:
        await self._write(self._queries.delete_schedule, id=schedule_id)

    async def next_due(self, workflows: Collection[str]) -> int | None:
        wanted = self._dialect.array(workflows)
        ((due_at,),) = await self._read(self._queries.next_due, workflows=wanted)
        return None if due_at is None else int(due_at)

    async def due_schedules(
        self, workflows: Collection[str], now: int, limit: int
    ) -> list[ScheduleRow]:
        rows = await self._read(
            self._queries.due_schedules,
            workflows=self._dialect.array(workflows),
            now=now,
            limit=limit,
        )
        return list(map(_schedule, rows))

    async def list_under_way(self, schedule_ids: Collection[str]) -> dict[str, list[str]]:
        wanted = self._dialect.array(schedule_ids)
        found: dict[str, list[str]] = {}
        for schedule_id, run_id in await self._read(
            self._queries.list_under_way, schedule_ids=wanted
        ):
            found.setdefault(schedule_id, []).append(run_id)
        return found

    async def list_ticks(self, schedule_id: str, *, limit: int, offset: int) -> list[TickRow]:
        rows = await self._read(
            self._queries.list_ticks, schedule_id=schedule_id, limit=limit, offset=offset
        )
        return list(map(TickRow._make, rows))

    async def find_ticks(self, schedule_id: str, ticks: Collection[int]) -> list[TickRow]:
        wanted = self._dialect.array(ticks)
        rows = await self._read(self._queries.find_ticks, schedule_id=schedule_id, ticks=wanted)
        return list(map(TickRow._make, rows))

    async def count_ticks(self, since: int) -> tuple[int, int]:
        ((fired, lost),) = await self._read(self._queries.count_ticks, since=since)
        return int(fired), int(lost)

    # -- triggers ----------------------------------------------------------------------------

    async def add_trigger(self, trigger: TriggerRow) -> bool:
        return bool(await self._put_trigger(self._queries.add_trigger, trigger))

    async def change_trigger(self, trigger: TriggerRow) -> bool:
        return bool(await self._put_trigger(self._queries.change_trigger, trigger))

    async def _put_trigger(self, put: Statement, trigger: TriggerRow) -> list[Row]:
        flags = {
            "allow_concurrent": int(trigger.allow_concurrent),
            "enabled": int(trigger.enabled),
        }
        values = trigger._asdict() | flags
        return await self._write(put, **{name: values[name] for name in put.parameters})

    async def take_polls(self, polls: Sequence[TriggerRow]) -> set[str]:
        take = self._queries.take_poll
        in_order = sorted(polls, key=lambda poll: poll.id)  # in which triggers are locked
        taken = await self._dialect.write([Step(take, self._poll_row(poll)) for poll in in_order])
        return {trigger_id for rows in taken for (trigger_id,) in rows}

    async def triggers_named(self, names: Collection[str]) -> list[TriggerRow]:
        rows = await self._read(self._queries.triggers_named, names=self._dialect.array(names))
        return list(map(_trigger, rows))

    async def list_triggers(
        self, *, enabled_only: bool, limit: int, offset: int
    ) -> list[TriggerRow]:
        rows = await self._read(
            self._queries.list_triggers, enabled_only=int(enabled_only), limit=limit, offset=offset
        )
        return list(map(_trigger, rows))

    async def known_events(self, trigger_id: str, keys: Collection[str]) -> set[str]:
        given = self._dialect.array(keys)
        rows = await self._read(self._queries.known_events, trigger_id=trigger_id, keys=given)
        return {key for (key,) in rows}

    async def list_events(self, trigger_id: str, *, limit: int, offset: int) -> list[EventRow]:
        rows = await self._read(
            self._queries.list_events, trigger_id=trigger_id, limit=limit, offset=offset
        )
        return list(map(EventRow._make, rows))

    # -- wake-ups ----------------------------------------------------------------------------

    async def wait_changed(self) -> Change:
        return await self._dialect.wait_changed()

    def set_contended(self, *, contended: bool) -> None:
        self._dialect.set_contended(contended=contended)

    # -- one statement -----------------------------------------------------------------------

    async def _write(self, statement: Statement, **values: object) -> list[Row]:
        (rows,) = await self._dialect.write([Step(statement, statement.bind(**values))])
        return rows

    async def _read(self, statement: Statement, **values: object) -> list[Row]:
        (rows,) = await self._dialect.read([Step(statement, statement.bind(**values))])
        return rows


def _load(dialect: Dialect) -> _Queries:
    shared = files(__package__).joinpath("queries.sql").read_text("utf-8")
    names = _Queries._fields
    return _Queries(**load_statements(shared, dialect.overrides, names, dialect.placeholder))


def _pair(first: str, second: str | None) -> str:
    """Two texts as one item of an array parameter."""
    return json.dumps([first, second])


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


def _other_holders(runs: Sequence[NewRun], holders: Sequence[Row]) -> dict[str, str]:
    """Which of the new runs found their idempotency key taken, and by which run."""
    if not holders:
        return {}
    by_key: Mapping[tuple[str, str], str] = {(flow, key): run for flow, key, run in holders}
    return {
        run.id: holder
        for run in runs
        if run.idempotency_key is not None
        and (holder := by_key[run.workflow, run.idempotency_key]) != run.id
    }


def _runner(row: Row) -> RunnerRow:
    runner = RunnerRow._make(row)
    return runner._replace(fenced=bool(runner.fenced))


def _schedule(row: Row) -> ScheduleRow:
    schedule = ScheduleRow._make(row)
    return schedule._replace(enabled=bool(schedule.enabled))


def _trigger(row: Row) -> TriggerRow:
    trigger = TriggerRow._make(row)
    return trigger._replace(
        allow_concurrent=bool(trigger.allow_concurrent), enabled=bool(trigger.enabled)
    )


def _same_process(found: RunnerRow, given: RunnerRow) -> bool:
    """Whether a row is this registration, whatever has happened to it since."""
    as_given = found._replace(beat=given.beat, lease_until=given.lease_until, fenced=given.fenced)
    return as_given == given
