"""Acts on runs, and the news of steering, in SQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from cloaca_core.features.steering.records import (
    ACT_KINDS,
    Act,
    ActMark,
    ActSearch,
    News,
    Parent,
    StopRequest,
)
from cloaca_core.run.rows import ReplacementRow
from cloaca_core.store.acts import Acted, ActRow
from cloaca_core.store.changes import Change
from cloaca_core.store.sql.asking_part import AskingPart
from cloaca_core.store.sql.base import Queries, Statements, acted, of_act
from cloaca_core.store.sql.dialect import Dialect, Step, steps_of
from cloaca_core.store.sql.queries import Statement
from cloaca_core.values.states import ReasonCode

_AFTER_ALL: Final = ActMark(2**63 - 1, "", "")
"""The mark of a list that begins with the newest act."""


class SteeringQueries(
    Statements,
    file="steering.sql",
    news={
        "note_cancel": Change.ANYTHING,
        "note_pause": Change.ANYTHING,
        "note_resume": Change.ANYTHING,
        "expire_runs": Change.RUNS,
    },
):
    """Acts on runs, and requests to their owners."""

    lock_schedules_of: Statement
    note_cancel: Statement
    cancel_unowned: Statement
    cancel_owned: Statement
    note_pause: Statement
    pause_runs: Statement
    note_resume: Statement
    insert_replacement: Statement
    resume_runs: Statement
    conclude_act: Statement
    forget_act: Statement
    acted: Statement
    list_stop_requests: Statement
    parents_to_follow: Statement
    list_unnumbered: Statement
    next_steered: Statement
    list_not_begun: Statement
    note_expiry: Statement
    expire_runs: Statement
    list_pauses_over: Statement
    note_act: Statement
    list_acts: Statement
    list_asked_acts: Statement
    list_acts_of_kind: Statement
    list_acts_of_person: Statement
    search_acts_of_run: Statement
    kinds_of_person: Statement
    list_acts_of_run: Statement
    list_replacements: Statement


class SqlSteering(AskingPart):
    """The acts on runs, and their news. Contracts: see ``SteeringStore``."""

    def __init__(self, dialect: Dialect, queries: Queries) -> None:
        super().__init__(dialect, queries)
        self._steering = queries.of(SteeringQueries)

    async def cancel(
        self,
        run_ids: Collection[str],
        act: Act,
        deadline: int,
        *,
        children: bool,
        parent_id: str | None = None,
    ) -> dict[str, Acted]:
        q, of_features = self._steering, self._stages
        ending = [q.cancel_unowned, *of_features.dropped, q.cancel_owned, *of_features.ended]
        code = ReasonCode.CANCELLED.value
        values = {"deadline": deadline, "children": int(children), "reason_code": code}
        values["parent_id"] = parent_id
        return await self._act(run_ids, act, [q.note_cancel, *ending], values, ends=True)

    async def pause(
        self, run_ids: Collection[str], act: Act, until: int | None, *, children: bool
    ) -> dict[str, Acted]:
        q = self._steering
        statements = [q.note_pause, q.pause_runs, q.conclude_act]
        values = {"until": until, "children": int(children)}
        return await self._act(run_ids, act, statements, values)

    async def resume(
        self, run_ids: Collection[str], act: Act, content: str | None = None
    ) -> dict[str, Acted]:
        return await self._resume(run_ids, act, content, None)

    async def _resume(
        self, run_ids: Collection[str], act: Act, content: str | None, over: int | None
    ) -> dict[str, Acted]:
        q = self._steering
        replace = [] if content is None else [q.insert_replacement]
        statements = [q.note_resume, *replace, q.resume_runs, q.conclude_act]
        values = {"content": content, "replaced": int(content is not None), "over": over}
        afterwards = [] if over is None else [q.forget_act]
        return await self._act(run_ids, act, statements, values, afterwards)

    async def _act(
        self,
        run_ids: Collection[str],
        act: Act,
        statements: Sequence[Statement],
        values: Mapping[str, object],
        afterwards: Sequence[Statement] = (),
        *,
        ends: bool = False,
    ) -> dict[str, Acted]:
        """Lock schedules, for an act that ``ends`` runs also what other features lock, and runs.
        Note the act and carry it out, then read the answer.
        """
        q, ids = self._steering, self._dialect.array(run_ids)
        known = {**act._asdict(), **values, "ids": ids}
        locks = [q.lock_schedules_of, *(self._stages.lock_of if ends else ())]
        before = [*locks, self._runs.lock_steered, *statements]
        answers = await self._dialect.write(steps_of([*before, q.acted, *afterwards], known))
        return acted(answers[len(before)])

    async def not_begun(self, now: int, limit: int) -> list[str]:
        rows = await self._read(self._steering.list_not_begun, now=now, limit=limit)
        return [run_id for (run_id,) in rows]

    async def expire(self, run_ids: Collection[str], act: Act) -> dict[str, Acted]:
        q, values = self._steering, {"reason_code": ReasonCode.EXPIRED.value}
        statements = [q.note_expiry, q.expire_runs, *self._stages.ended]
        return await self._act(run_ids, act, statements, values, ends=True)

    async def pauses_over(self, now: int, limit: int) -> list[str]:
        rows = await self._read(self._steering.list_pauses_over, now=now, limit=limit)
        return [run_id for (run_id,) in rows]

    async def end_pauses(self, run_ids: Collection[str], act: Act) -> dict[str, Acted]:
        return await self._resume(run_ids, act, None, act.now)

    async def news(self, runner_id: str, workflows: Collection[str], limit: int) -> News:
        q, due = self._steering, self._runs.next_due_run
        follow, late = q.parents_to_follow, q.list_unnumbered
        asked, parents, ((due_at,),), ((steered_at,),), unnumbered = await self._dialect.read(
            [
                Step(q.list_stop_requests, q.list_stop_requests.bind(runner_id=runner_id)),
                Step(follow, follow.bind(limit=limit)),
                Step(due, due.bind(workflows=self._dialect.array(workflows))),
                Step(q.next_steered),
                Step(late, late.bind(limit=limit)),
            ]
        )
        timers = [int(instant) for instant in (due_at, steered_at) if instant is not None]
        return News(
            stop_requests=[StopRequest._make(row) for *row, _, _ in asked if row[2] is not None],
            parents=[Parent._make(row) for row in parents],
            next_timer=min(timers, default=None),
            replaced={run_id: count for run_id, *_, count, _ in asked if count},
            mail={run_id: count for run_id, *_, count in asked if count},
            unnumbered=[run_id for (run_id,) in unnumbered],
        )

    async def replacements(self, run_ids: Collection[str]) -> list[ReplacementRow]:
        ids = self._dialect.array(run_ids)
        rows = await self._read(self._steering.list_replacements, ids=ids)
        return list(map(ReplacementRow._make, rows))

    async def note(self, act: ActRow) -> None:
        await self._write(self._steering.note_act, **of_act(act))

    async def acts(self, run_id: str | None, limit: int) -> list[ActRow]:
        if run_id is None:
            return await self.search_acts(ActSearch(), limit)
        rows = await self._read(self._steering.list_acts_of_run, run_id=run_id, limit=limit)
        return list(map(ActRow._make, rows))

    async def search_acts(self, search: ActSearch, limit: int) -> list[ActRow]:
        q, kinds = self._steering, search.kinds
        at, act_id, run_id = search.before or _AFTER_ALL
        place: dict[str, object] = {"at": at, "act_id": act_id, "run_id": run_id, "limit": limit}
        if search.run_id is not None:
            return await self._acts_of_run(search, place)
        of_kind = q.list_acts_of_kind
        if search.by is not None:
            place["asked_by"], of_kind = search.by, q.list_acts_of_person
            known = [kind for (kind,) in await self._read(q.kinds_of_person, asked_by=search.by)]
            kinds = [kind for kind in known if search.has(kind)]
        if kinds is None:
            listed = q.list_acts if search.submissions else q.list_asked_acts
            found = await self._read(listed, **place)
        else:  # each of them by its index
            found = []
            for kind in set(kinds):
                found += await self._read(of_kind, kind=kind, **place)
        rows = sorted(map(ActRow._make, found), key=_place_of, reverse=True)
        return rows[:limit]

    async def _acts_of_run(self, search: ActSearch, place: dict[str, object]) -> list[ActRow]:
        kinds = self._dialect.array([kind for kind in ACT_KINDS if search.has(kind)])
        of: dict[str, object] = {"of_run": search.run_id, "asked_by": search.by, "kinds": kinds}
        found = await self._read(self._steering.search_acts_of_run, **of, **place)
        return list(map(ActRow._make, found))


def _place_of(row: ActRow) -> ActMark:
    return ActMark(row.created_at, row.id, row.run_id)
