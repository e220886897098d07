"""Reads the use of limits in SQL."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Final

from cloaca_core.features.limits.looks.records import (
    COUNTED,
    LimitLoad,
    LimitLook,
    Load,
)
from cloaca_core.features.limits.records import (
    ALL_KEYS,
    LimitRow,
    Line,
    Need,
    Waiter,
    line_id,
    lines_begin,
    need_of,
    needs_of,
    read_grant,
)
from cloaca_core.store.sql.dialect import Step

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from cloaca_core.features.limits.records import Grant
    from cloaca_core.features.limits.statements import LimitQueries
    from cloaca_core.store.sql.dialect import Dialect
    from cloaca_core.store.sql.queries import Row

_ARRIVAL: Final = itemgetter(5, 0, 1, 2)
"""Of the columns of a waiter: since, and its unit."""


class Looks:
    """Reads of one store."""

    def __init__(self, dialect: Dialect, queries: LimitQueries) -> None:
        self._dialect = dialect
        self._q = queries

    async def look(self, name: str, key: str | None, limit: int) -> LimitLook | None:
        """See ``LimitReads.look_at_limit``."""
        q = self._q
        need = lines_begin(name) if key is None else line_id((name, key))
        listed, awaited, held = await self._dialect.read(
            [
                Step(q.list_limits),
                Step.of(q.awaited_lines, {"name": name, "limit": limit}),
                Step.of(q.limit_holders, {"need": need, "limit": limit}),
            ]
        )
        rows = [LimitRow(*row) for row in listed if row[0] == name]
        if not rows:
            return None
        holders = list(map(read_grant, held))
        needs = [need_of(line) for (line,) in awaited] + _needs_of(holders, name)
        keys = [key] if key is not None else list(dict.fromkeys(each for _, each in needs))[:limit]
        loads = await self._keys([(name, each) for each in keys])
        lines = [(name, each) for each in keys] + ([(name, ALL_KEYS)] if key is None else [])
        waiters = await self._waiters(lines, limit)
        (load,) = await self.loads(rows, COUNTED)
        run_ids = {each.run_id for each in holders} | {each.run_id for each in waiters}
        workflows = await self._workflows(run_ids)
        return LimitLook(load, loads, holders, waiters, workflows)

    async def loads(self, rows: Sequence[LimitRow], most: int) -> list[LimitLoad]:
        """The use of these limits; see ``LimitReads.limit_loads``."""
        whole = {each.name: line_id((each.name, ALL_KEYS)) for each in rows}
        steps = [self._read_lines(whole.values())]
        for name, line in whole.items():
            begun = lines_begin(name)
            bounds = {"first_line": begun + '"', "last_line": begun + "#"}
            known = {"name": name, "whole": line, "most": most, **bounds}
            steps.append(Step.of(self._q.limit_waiting, known))
        lines, *waiting = await self._dialect.read(steps)
        known_lines = {line.name: line for line in map(Line._make, lines)}
        found = []
        for row, ((number, oldest),) in zip(rows, waiting, strict=True):
            use = known_lines.get(row.name, Line(row.name, ALL_KEYS))
            found.append(LimitLoad(row, Load(use.held, use.tat, number, oldest)))
        return found

    async def _keys(self, needs: Sequence[Need]) -> list[tuple[str, Load]]:
        ids = self._dialect.array([line_id(need) for need in needs])
        known = {"ids": ids, "most": COUNTED}
        counting = Step.of(self._q.waiting_in_lines, known)
        lines, counted = await self._dialect.read([self._read_lines(map(line_id, needs)), counting])
        waiting = {need_of(each): (number, oldest) for each, number, oldest in counted}
        held = {line.need: line for line in map(Line._make, lines)}
        found = []
        for need in needs:
            line, (number, oldest) = held.get(need, Line(*need)), waiting.get(need, (0, None))
            found.append((need[1], Load(line.held, line.tat, number, oldest)))
        return found

    async def _waiters(self, needs: Sequence[Need], limit: int) -> list[Waiter]:
        ids = self._dialect.array([line_id(need) for need in needs])
        known = {"ids": ids, "name": "", "most": 0, "depth": limit, "since": 0}
        (rows,) = await self._dialect.read([Step.of(self._q.oldest_waiters, known)])
        begin = len(Line._fields)
        found = sorted([row[begin:] for row in rows if row[begin] is not None], key=_ARRIVAL)
        return list(map(_waiter, found[:limit]))

    async def _workflows(self, run_ids: Collection[str]) -> dict[str, str]:
        if not run_ids:
            return {}
        ids = self._dialect.array(sorted(run_ids))
        (rows,) = await self._dialect.read([Step.of(self._q.workflows_of_runs, {"ids": ids})])
        return dict(rows)

    def _read_lines(self, ids: Iterable[str]) -> Step:
        return Step(self._q.read_lines, self._q.read_lines.bind(ids=self._dialect.array(list(ids))))


def _needs_of(holders: Sequence[Grant], name: str) -> list[Need]:
    """The keys of a limit that these hold."""
    return [
        need for each in holders for need in each.needs if need[0] == name and need[1] != ALL_KEYS
    ]


def _waiter(row: Row) -> Waiter:
    run_id, task_id, item, runner_id, rank, since, units, needs = row
    return Waiter(run_id, task_id, item, runner_id, rank, since, units, needs_of(needs))
