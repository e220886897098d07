"""Steering in SQL: what is asked of runs, and what is left to do about it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain

from cloaca_core.records.states import ReasonCode
from cloaca_core.records.steering import (
    Act,
    Acted,
    ActRow,
    ChildRow,
    ForkRow,
    NewFork,
    News,
    Parent,
    Reopening,
    ReplacementRow,
    RestartRow,
    RoundRow,
    Stray,
    Wish,
)
from cloaca_core.store.sql.base import SqlPart, pair
from cloaca_core.store.sql.dialect import Answers, Step
from cloaca_core.store.sql.payloads import Payloads
from cloaca_core.store.sql.queries import Row, Statement


class SqlSteering(SqlPart):
    """The operations that steer runs. Contracts: see ``SteeringStore``."""

    async def cancel(
        self,
        run_ids: Collection[str],
        act: Act,
        deadline: int,
        *,
        children: bool,
        parent_id: str | None = None,
    ) -> dict[str, Acted]:
        q = self._queries.steering
        statements = [q.note_cancel, q.cancel_unowned, q.cancel_owned, *self._follow]
        code = ReasonCode.CANCELLED.value
        values = {"deadline": deadline, "children": int(children), "reason_code": code}
        values["parent_id"] = parent_id
        return await self._act(run_ids, act, statements, values)

    async def not_begun(self, now: int, limit: int) -> list[str]:
        rows = await self._read(self._queries.steering.list_not_begun, now=now, limit=limit)
        return [run_id for (run_id,) in rows]

    async def expire(self, run_ids: Collection[str], act: Act) -> dict[str, Acted]:
        q, values = self._queries.steering, {"reason_code": ReasonCode.EXPIRED.value}
        return await self._act(run_ids, act, [q.note_expiry, q.expire_runs, *self._follow], values)

    @property
    def _follow(self) -> Sequence[Statement]:
        """What is done once runs have ended: what waits behind them starts, and what follows them
        is inserted.
        """
        return (self._queries.schedules.start_next, self._queries.follow_ups.follow_ends)

    async def pause(
        self, run_ids: Collection[str], act: Act, until: int | None, *, children: bool
    ) -> dict[str, Acted]:
        q = self._queries.steering
        statements = [q.note_pause, q.pause_runs, q.conclude_act]
        values = {"until": until, "children": int(children)}
        return await self._act(run_ids, act, statements, values)

    async def resume(
        self, run_ids: Collection[str], act: Act, content: str | None = None
    ) -> dict[str, Acted]:
        return await self._resume(run_ids, act, content, None)

    async def end_pauses(self, run_ids: Collection[str], act: Act) -> dict[str, Acted]:
        return await self._resume(run_ids, act, None, act.now)

    async def _resume(
        self, run_ids: Collection[str], act: Act, content: str | None, over: int | None
    ) -> dict[str, Acted]:
        q = self._queries.steering
        replace = [] if content is None else [q.insert_replacement]
        statements = [q.note_resume, *replace, q.resume_runs, q.conclude_act]
        values = {"content": content, "replaced": int(content is not None), "over": over}
        afterwards = [] if over is None else [q.forget_act]
        return await self._act(run_ids, act, statements, values, afterwards)

    async def replacements(self, run_ids: Collection[str]) -> list[ReplacementRow]:
        ids = self._dialect.array(run_ids)
        rows = await self._read(self._queries.steering.list_replacements, ids=ids)
        return list(map(ReplacementRow._make, rows))

    async def _act(
        self,
        run_ids: Collection[str],
        act: Act,
        statements: Sequence[Statement],
        values: Mapping[str, object],
        afterwards: Sequence[Statement] = (),
    ) -> dict[str, Acted]:
        """Lock schedules and runs, note the act and carry it out, then read the answer."""
        q, ids = self._queries.steering, self._dialect.array(run_ids)
        known = {**act._asdict(), **values, "ids": ids}
        before = [q.lock_schedules_of, q.lock_steered, *statements]
        answers = await self._dialect.write(_steps([*before, q.acted, *afterwards], known))
        return _acted(answers[len(before)])

    async def retry(
        self,
        runs: Collection[Reopening],
        act: Act,
        *,
        children: bool = False,
        time_limit: int | None = None,
    ) -> dict[str, Acted]:
        q, array = self._queries.steering, self._dialect.array
        known = {**act._asdict(), "ids": array([run.run_id for run in runs])}
        known["time_limit"] = time_limit
        seen: dict[int, list[str]] = {}
        for run in runs:
            seen.setdefault(run.round, []).append(run.run_id)
        columns = ("run_id", "id", "task_id", "first_attempt", "with_children")
        restart = q.restart_tasks.binder(columns)
        rows = [
            restart((run.run_id, act.id, *each, int(children)))
            for run in runs
            for each in run.first_attempts.items()
        ]
        *_, found = await self._dialect.write(
            [
                *_steps([q.lock_steered], known),
                *chain.from_iterable(
                    _steps([q.note_retry], {**known, "round": number, "ids": array(ids)})
                    for number, ids in seen.items()
                ),
                *_steps([q.keep_round], known),
                *([Step(q.restart_tasks, rows=rows)] if rows else []),
                *_steps([q.reopen_run, q.conclude_act, q.acted], known),
            ]
        )
        return _acted(found)

    async def fork(self, new: NewFork, act: Act) -> str | None:
        q, values = self._queries.steering, new._asdict()
        known = {**act._asdict(), **values, "act_id": act.id, "ids": [new.source_id]}
        known |= {name: self._dialect.array(known[name]) for name in ("ids", "kept")}
        tags = [(new.id, tag, content) for tag, content in json.loads(new.tags).items()]
        insert_tag = self._queries.runs.insert_tag
        bind = insert_tag.binder(("run_id", "tag", "content"))
        steps = [
            *_steps([q.lock_steered, q.insert_fork], known),
            *Payloads(self._queries.payloads).copy_input(new.id, new.source_id),
            *([Step(insert_tag, rows=list(map(bind, tags)))] if tags else []),
            *_steps(
                [
                    q.copy_results,
                    q.copy_replacements,
                    q.note_fork,
                    q.copy_forks,
                    q.note_forking,
                    q.find_fork,
                ],
                known,
            ),
        ]
        if new.idempotency_key is None:
            return _found(await self._dialect.write(steps))
        key = pair(new.id, new.idempotency_key)
        if (run_id := _found(await self._dialect.write_apart(steps, key))) is None:
            # There is no such source, or a hidden run has the key.
            await self._dialect.write(_steps([q.free_fork_key], known))
            run_id = _found(await self._dialect.write_apart(steps, key))
        return run_id

    async def forks(self, run_ids: Collection[str]) -> list[ForkRow]:
        ids = self._dialect.array(run_ids)
        rows = await self._read(self._queries.steering.list_forks, ids=ids)
        return list(map(ForkRow._make, rows))

    async def restarts(self, run_ids: Collection[str]) -> list[RestartRow]:
        ids = self._dialect.array(run_ids)
        rows = await self._read(self._queries.steering.list_restarts, ids=ids)
        return list(map(RestartRow._make, rows))

    async def rounds(self, run_id: str) -> list[RoundRow]:
        rows = await self._read(self._queries.steering.list_rounds, run_id=run_id)
        return list(map(RoundRow._make, rows))

    async def children(self, parent_ids: Collection[str]) -> list[ChildRow]:
        ids = self._dialect.array(parent_ids)
        rows = await self._read(self._queries.steering.list_children, ids=ids)
        return list(map(ChildRow._make, rows))

    async def pause_workflow(self, workflow: str, act: Act, until: int | None) -> bool:
        pause = self._queries.steering.pause_workflow
        values = {"kind": "pause", "until": until, "over": None}
        return await self._act_on_workflow(workflow, act, pause, values)

    async def resume_workflow(self, workflow: str, act: Act) -> bool:
        resume = self._queries.steering.resume_workflow
        return await self._act_on_workflow(workflow, act, resume, {"kind": "resume", "over": None})

    async def end_pause_of_workflow(self, workflow: str, act: Act) -> bool:
        q = self._queries.steering
        resume, over = q.resume_workflow, act.now
        values = {"kind": "resume", "over": over}
        return await self._act_on_workflow(workflow, act, resume, values, [q.forget_act])

    async def _act_on_workflow(
        self,
        workflow: str,
        act: Act,
        change: Statement,
        values: Mapping[str, object],
        afterwards: Sequence[Statement] = (),
    ) -> bool:
        q, known = self._queries.steering, act._asdict()
        known |= {"workflow": workflow, **values}
        known["ids"] = self._dialect.array([""])  # an act on a workflow is about no run
        before = [q.lock_paused_workflows, q.note_workflow_act, change, q.conclude_act]
        answers = await self._dialect.write(_steps([*before, q.workflow_acted, *afterwards], known))
        ((changed,),) = answers[len(before)]
        return bool(changed)

    async def paused_workflows(self) -> dict[str, int | None]:
        return dict(await self._read(self._queries.steering.list_paused_workflows))

    async def news(self, runner_id: str, workflows: Collection[str], limit: int) -> News:
        q, due = self._queries.steering, self._queries.runs.next_due_run
        asked, parents, ((due_at,),), ((steered_at,),) = await self._dialect.read(
            [
                Step(q.list_wishes, q.list_wishes.bind(runner_id=runner_id)),
                Step(q.parents_to_follow, q.parents_to_follow.bind(limit=limit)),
                Step(due, due.bind(workflows=self._dialect.array(workflows))),
                Step(q.next_steered),
            ]
        )
        timers = [int(instant) for instant in (due_at, steered_at) if instant is not None]
        return News(
            wishes=[Wish._make(row) for *row, _ in asked if row[2] is not None],
            parents=[Parent._make(row) for row in parents],
            next_timer=min(timers, default=None),
            replaced={run_id: count for run_id, *_, count in asked if count},
        )

    async def ended_parents(self, run_ids: Collection[str]) -> list[Parent]:
        ids = self._dialect.array(run_ids)
        rows = await self._read(self._queries.steering.list_ended_parents, ids=ids)
        return list(map(Parent._make, rows))

    async def children_under_way(
        self, parent_ids: Collection[str], limit: int
    ) -> list[tuple[str, str]]:
        ids = self._dialect.array(parent_ids)
        rows = await self._read(self._queries.steering.children_under_way, ids=ids, limit=limit)
        return [(parent_id, child_id) for parent_id, child_id in rows]

    async def children_out_of_step(
        self, parent_ids: Collection[str], limit: int
    ) -> list[tuple[str, str]]:
        ids = self._dialect.array(parent_ids)
        rows = await self._read(self._queries.steering.children_out_of_step, ids=ids, limit=limit)
        return [(parent_id, child_id) for parent_id, child_id in rows]

    async def bring_into_step(self, parent_id: str, child_ids: Collection[str], act: Act) -> None:
        q, array = self._queries.steering, self._dialect.array
        known = {**act._asdict(), "parent_id": parent_id, "ids": array(child_ids)}
        known["replaced"] = 0
        await self._dialect.write(
            [
                Step(q.lock_steered, q.lock_steered.bind(ids=array([parent_id, *child_ids]))),
                *_steps([q.note_pause_of_children, q.pause_children, q.conclude_act], known),
                *_steps([q.note_resume_of_children, q.resume_runs, q.conclude_act], known),
            ]
        )

    async def strays(self, run_ids: Collection[str]) -> list[Stray]:
        ids = self._dialect.array(run_ids)
        rows = await self._read(self._queries.steering.list_strays, ids=ids)
        return list(map(Stray._make, rows))

    async def pauses_over(self, now: int, limit: int) -> list[str]:
        rows = await self._read(self._queries.steering.list_pauses_over, now=now, limit=limit)
        return [run_id for (run_id,) in rows]

    async def forget_children(self, parent_ids: Collection[str]) -> None:
        q, ids = self._queries.steering, self._dialect.array(parent_ids)
        statements = [q.lock_steered, q.forget_children, q.forget_pauses]
        await self._dialect.write(_steps(statements, {"ids": ids}))

    async def acts(self, run_id: str | None, limit: int) -> list[ActRow]:
        q = self._queries.steering
        if run_id is None:
            rows = await self._read(q.list_acts, limit=limit)
        else:
            rows = await self._read(q.list_acts_of_run, run_id=run_id, limit=limit)
        return list(map(ActRow._make, rows))


def _found(answers: Answers) -> str | None:
    """The run that was made, or that has its key."""
    ((run_id,),) = answers[-1]
    return None if run_id is None else str(run_id)


def _acted(rows: Iterable[Row]) -> dict[str, Acted]:
    return {run_id: Acted(status, bool(changed)) for run_id, status, changed in rows}


def _steps(statements: Sequence[Statement], known: Mapping[str, object]) -> Sequence[Step]:
    """A step of each statement, with its parameters out of the known values."""
    return [Step(each, tuple([known[name] for name in each.parameters])) for each in statements]
