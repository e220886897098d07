"""Searches in SQL: uses the index of one condition, and checks the others on each run."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from heapq import merge
from itertools import islice, pairwise
from typing import Final

from cloaca_core.features.search.records import (
    AT_TOP,
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
from cloaca_core.features.steering.records import ChildRow
from cloaca_core.run.rows import RunRow
from cloaca_core.store.sql.base import Queries, SqlPart, Statements
from cloaca_core.store.sql.dialect import Dialect, Step, steps_of
from cloaca_core.store.sql.queries import Row, Statement, counting
from cloaca_core.values.states import RunStatus

AFTER_EVERY_ID: Final = "\U0010ffff"

_ENDED: Final = (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED)
_INDEXED: Final = ("parent", "id", "by", "tag", "workflow", "status")
"""Kinds of conditions that have an index; first the kinds that match few runs in most databases."""
_TRIED: Final = 3
"""So many indexes are tried at most."""


class SearchQueries(Statements, file="search.sql"):
    """Runs that match a search."""

    newest_ids: Statement
    active_ids: Statement
    count_active: Statement
    ended_ids: Statement
    workflow_ids: Statement
    top_ids: Statement
    child_ids: Statement
    list_family: Statement
    list_children_of_family: Statement
    list_links: Statement
    tagged_ids: Statement
    acted_ids: Statement
    match_runs: Statement
    list_actors: Statement
    count_newest: Statement
    count_made: Statement
    count_owned: Statement
    failed_ids: Statement
    list_failures: Statement
    longest_claimable: Statement


class SqlSearches(SqlPart):
    """The operations on searches. Contracts: see ``SearchStore``."""

    def __init__(self, dialect: Dialect, queries: Queries) -> None:
        super().__init__(dialect, queries)
        self._search = queries.of(SearchQueries)

    async def search(self, wanted: RunSearch) -> Found:
        looked_at = await self._next_ids(wanted, top_only=AT_TOP in wanted.conditions)
        if not looked_at:
            return Found((), None)
        (rows,) = await self._dialect.read([self._match(looked_at, wanted)])
        return Found(list(map(RunRow._make, rows)), _reached(looked_at, wanted))

    async def count_found(self, wanted: RunSearch) -> Counted:
        looked_at = await self._next_ids(wanted)
        if not looked_at:
            return Counted(0, None)
        match = self._match(looked_at, wanted)
        count = match._replace(statement=counting(match.statement))
        (((number,),),) = await self._dialect.read([count])
        return Counted(number, _reached(looked_at, wanted))

    async def runs_of(self, run_ids: Collection[str]) -> list[RunRow]:
        if not run_ids:
            return []
        (rows,) = await self._dialect.read([self._match(run_ids, RunSearch())])
        return list(map(RunRow._make, rows))

    async def family(self, run_id: str, depth: int, most: int, counted: int) -> Kin:
        q = self._search
        asked = {"run_id": run_id, "depth": depth, "most": most}
        asked |= {"counted": counted, "above": AFTER_EVERY_ID}
        statements = (q.list_family, q.list_children_of_family)
        runs, children = await self._dialect.read(steps_of(statements, asked))
        return Kin(list(map(RunRow._make, runs)), list(map(ChildRow._make, children)))

    async def runs_below(self, run_id: str, depth: int, most: int) -> list[RunRow]:
        rows = await self._read(self._search.list_family, run_id=run_id, depth=depth, most=most)
        return list(map(RunRow._make, rows))

    async def links(self, run_ids: Collection[str], most: int) -> list[Link]:
        if not run_ids:
            return []
        asked = self._dialect.array(run_ids)
        rows = await self._read(self._search.list_links, ids=asked, most=most)
        return list(map(Link._make, rows))

    async def actors(self, names: Collection[str]) -> list[str]:
        asked = self._dialect.array(names)
        rows = await self._read(self._search.list_actors, names=asked)
        return [name for (name,) in rows]

    async def count_under_way(self, most: int) -> dict[str, int]:
        states = [str(status) for status in RunStatus if status not in _ENDED]
        count = self._search.count_active
        steps = [Step.of(count, {"most": most, "value": status}) for status in states]
        answers = await self._dialect.read(steps)
        counts = zip(states, answers, strict=True)
        return {status: number for status, ((number,),) in counts if number}

    async def count_of_workflows(self, workflows: Sequence[str], most: int) -> list[WorkflowCounts]:
        q = self._search
        everything = {"before": AFTER_EVERY_ID, "after": ""}
        steps = [
            step
            for workflow in workflows
            for step in (
                Step.of(q.count_newest, {"value": workflow, "most": most}),
                Step.of(q.workflow_ids, {**everything, "value": workflow, "most": 1}),
            )
        ]
        answers = await self._dialect.read(steps) if steps else []
        return [
            WorkflowCounts(workflow, dict(counts), newest[0][0] if newest else None)
            for workflow, counts, newest in zip(workflows, answers[::2], answers[1::2], strict=True)
        ]

    async def count_made(
        self, workflows: Sequence[str], edges: Sequence[str], most: int
    ) -> list[list[int]]:
        spans = self._dialect.array([low + high for low, high in pairwise(edges)])
        asked = {"spans": spans, "most": most}
        count = self._search.count_made
        steps = [Step.of(count, {**asked, "value": each}) for each in workflows]
        answers = await self._dialect.read(steps) if steps else []
        return [[number for (number,) in rows] for rows in answers]

    async def count_owned(self, runner_ids: Sequence[str], most: int) -> list[int]:
        count = self._search.count_owned
        steps = [Step.of(count, {"value": each, "most": most}) for each in runner_ids]
        answers = await self._dialect.read(steps) if steps else []
        return [number for ((number,),) in answers]

    async def failed_since(self, since: int, most: int) -> list[str]:
        rows = await self._read(self._search.failed_ids, since=since, most=most)
        return [run_id for (run_id,) in rows]

    async def failures_since(self, since: int, most: int) -> list[Failure]:
        rows = await self._read(self._search.list_failures, since=since, most=most)
        return list(map(Failure._make, rows))

    async def longest_claimable(self) -> Claimable | None:
        rows = await self._read(self._search.longest_claimable)
        return next(map(Claimable._make, rows), None)

    async def _next_ids(self, wanted: RunSearch, *, top_only: bool = False) -> list[str]:
        """The ids of the runs to look at, newest first. Of the lists of all conditions that have an
        index, it is the list that reaches the farthest back, as that condition matches the fewest
        runs. Without such a condition it is all runs, or with ``top_only`` the runs at the top.
        """
        known: dict[str, object] = {
            "before": AFTER_EVERY_ID if wanted.before is None else wanted.before,
            "after": wanted.after or "",
            "most": wanted.look_at,
        }
        leading = leading_conditions(wanted.conditions)
        listed = [self._lists_of(each, known) for each in leading]
        if top_only and leading == [None]:
            listed = [[(self._search.top_ids, known)]]
        steps = [Step.of(*each) for lists in listed for each in lists]
        answers = iter(await self._dialect.read(steps))
        found = [_merged([next(answers) for _ in lists], wanted.look_at) for lists in listed]
        return min(found, key=lambda ids: ids[-1] if len(ids) >= wanted.look_at else "")

    def _lists_of(
        self, leading: Condition | None, known: dict[str, object]
    ) -> list[tuple[Statement, dict[str, object]]]:
        """The statements that list the runs that match a condition, one for each of its values."""
        q = self._search
        if leading is None:
            return [(q.newest_ids, known)]
        if leading.kind == "id":
            return [(q.newest_ids, _within(known, value)) for value in leading.values]
        statements = {
            "parent": q.child_ids,
            "tag": q.tagged_ids,
            "by": q.acted_ids,
            "workflow": q.workflow_ids,
        }
        return [
            (
                statements.get(leading.kind) or (q.ended_ids if value in _ENDED else q.active_ids),
                {**known, "key": leading.key, "value": value},
            )
            for value in leading.values
        ]

    def _match(self, run_ids: Collection[str], wanted: RunSearch) -> Step:
        """The look at these runs."""
        conditions = [
            json.dumps([each.kind, int(each.negated), each.key, each.values])
            for each in wanted.conditions
        ]
        values = {
            "ids": self._dialect.array(run_ids),
            "conditions": self._dialect.array(conditions),
            "since": wanted.since,
            "until": wanted.until,
            "ended_since": wanted.ended_since,
        }
        return Step.of(self._search.match_runs, values)


def _reached(looked_at: Sequence[str], wanted: RunSearch) -> str | None:
    """The last run that was looked at, if there may be others."""
    return looked_at[-1] if len(looked_at) >= wanted.look_at else None


def leading_conditions(conditions: Sequence[Condition]) -> Sequence[Condition | None]:
    """The conditions by whose indexes a search may go; None is the index of all runs."""
    able = [
        each
        for each in conditions
        if not each.negated and each.kind in _INDEXED and "" not in each.values
    ]
    return sorted(able, key=lambda each: _INDEXED.index(each.kind))[:_TRIED] or [None]


def _merged(lists: Sequence[Sequence[Row]], most: int) -> list[str]:
    """The ids of several lists in one order, each once."""
    newest_first = merge(*[[run_id for (run_id,) in rows] for rows in lists], reverse=True)
    return list(islice(dict.fromkeys(newest_first), most))


def _within(known: dict[str, object], prefix: str) -> dict[str, object]:
    """The bounds of ids with this beginning, within the bounds of a search."""
    before, after = str(known["before"]), str(known["after"])
    return {
        **known,
        "before": min(before, prefix + AFTER_EVERY_ID),
        "after": max(after, prefix),
    }
