"""The statements by which a transaction that has locked limits gives their free places. Loaded with
the first transaction that does: few programs have limits.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from typing import TYPE_CHECKING, Final

from cloaca_core.features.limits.giving import Decision, Opened, Wanted, decide
from cloaca_core.features.limits.records import (
    ALL_KEYS,
    Given,
    Grant,
    Line,
    Need,
    Waiter,
    grant_id,
    line_id,
    needs_of,
    needs_text,
)
from cloaca_core.features.limits.waiters_read import FirstWaiters, Found, Reads
from cloaca_core.store.sql.dialect import Answers, More, Step
from cloaca_core.values.limits.settings import LimitChanges, LimitSettings

if TYPE_CHECKING:
    from cloaca_core.features.limits.statements import LimitQueries
    from cloaca_core.store.sql.commit_part import Array
    from cloaca_core.store.sql.queries import Row
    from cloaca_core.values.times.instants import Instant

_LINE: Final = ("id", *Line._fields)
_MOVED: Final = ("line", "since", "units", "run_id", "task_id", "item")


class Giving:
    """The end of one transaction, which has given places back: locks limits, and gives their free
    places. ``given`` is what it gave to its runner.
    """

    def __init__(
        self, q: LimitQueries, array: Array, wanted: Wanted, names: Collection[str]
    ) -> None:
        self._q = q
        self._array = array
        self._wanted = wanted
        self._names = frozenset(names)
        self._moved = q.move_waiter.binder(_MOVED)
        self._put = q.put_line.binder(_LINE)
        self.given = Given()

    def locks(self, needs: Collection[Need]) -> list[Step]:
        """The statements that lock the limits and read the lines of these needs, which come before
        ``gives``.
        """
        lines = {(name, ALL_KEYS) for name in self._names} | set(needs)
        names = self._array(sorted(self._names))
        locks = Step(self._q.lock_limits, self._q.lock_limits.bind(names=names))
        return [locks, self._read_lines(sorted(lines))]

    def gives(
        self,
        now: Instant,
        locked: Sequence[Row],
        lines: Sequence[Row],
        released: Sequence[Need] = (),
        opened: Sequence[Row] = (),
    ) -> Generator[More, Answers, None]:
        """The statements after the locks. ``opened`` are lines that have been opened since then."""
        limits = {name: LimitSettings() for name in self._names}
        for name, content, changes in locked:
            settings = LimitSettings.read(content)
            limits[name] = settings.changed_by(LimitChanges.read(changes))
        known = list(map(Line._make, lines))
        by_time = {name for name, each in limits.items() if each.key_rate is not None}
        names = self._array(sorted(by_time))
        if by_time:
            looked = {each.name: each.looked_at for each in known if each.key == ALL_KEYS}
            after = min([looked.get(name, 0) for name in by_time])
            after = after if after <= now else 0  # the clock was set back
            bound = self._q.open_lines.bind(names=names, after=after, now=now)
            (by_now,) = yield More([Step(self._q.open_lines, bound)])
            opened = [*opened, *by_now]
        wanted = self._wanted._replace(
            now=now, released=released, opened=list(map(Opened._make, opened))
        )
        deciding = decide(wanted, limits, known)
        found: Found | None = None
        while True:
            try:
                reads = next(deciding) if found is None else deciding.send(found)
            except StopIteration as end:
                decision: Decision = end.value
                break
            answers = yield More(self._reads(reads))
            found = _found(reads, answers)
        steps = self._writes(decision)
        if by_time:
            opening = self._q.next_opening
            steps.append(Step(opening, opening.bind(names=names, now=now)))
        answers = yield More(steps, last=True)
        looks = [] if decision.next_look is None else [decision.next_look]
        if by_time and (opens_at := answers[-1][0][0]) is not None:
            looks.append(opens_at)
        own = [
            each
            for each in decision.grants
            if each.runner_id is not None and each.runner_id == wanted.runner_id
        ]
        to_claim = any(each.runner_id is None for each in decision.grants)
        look = min(looks, default=None)
        self.given = Given(tuple(own), decision.again, look, to_claim=to_claim)

    # -- reading -----------------------------------------------------------------------------

    def _read_lines(self, needs: Sequence[Need]) -> Step:
        ids = self._array([line_id(need) for need in needs])
        return Step(self._q.read_lines, self._q.read_lines.bind(ids=ids))

    def _reads(self, reads: Reads) -> list[Step]:
        steps = [self._read_lines(reads.lines)] if reads.lines else []
        return steps + [self._read_waiters(each) for each in reads.waiters]

    def _read_waiters(self, read: FirstWaiters) -> Step:
        statement = self._q.oldest_waiters if read.by_age else self._q.first_waiters
        ids = self._array([line_id(need) for need in read.lines])
        start = {"since": read.start[1]} | ({} if read.by_age else {"rank": read.start[0]})
        bound = statement.bind(ids=ids, name=read.name, most=read.most, depth=read.depth, **start)
        return Step(statement, bound)

    # -- writing -----------------------------------------------------------------------------

    def _writes(self, decision: Decision) -> list[Step]:
        q = self._q
        own: list[Row] = []
        others: list[Row] = []
        for each in decision.grants:
            is_told = each.runner_id in (None, self._wanted.runner_id)  # claims are told apart
            (own if is_told else others).append(_grant_row(each))
        lines = [self._put((line_id(line.need), *line)) for line in decision.lines]
        asked = {each.unit for each in self._wanted.requests}
        new = [
            (*waiter.unit, line_id(line), *waiter[3:7], needs_text(waiter.needs))
            for waiter, line in decision.standing
            if waiter.unit in asked
        ]
        moved = [
            self._moved((line_id(line), waiter.since, waiter.units, *waiter.unit))
            for waiter, line in decision.standing
            if waiter.unit not in asked
        ]
        return [
            Step(statement, rows=rows)
            for statement, rows in (
                (q.remove_waiters, decision.gone),
                (q.put_waiter, new),
                (q.move_waiter, moved),
                (q.put_line, lines),
                (q.insert_grant, own),
                (q.insert_foreign_grant, others),
            )
            if rows
        ]


def _found(reads: Reads, answers: Answers) -> Found:
    lines: list[Line] = []
    if reads.lines:
        rows, *answers = answers
        lines = list(map(Line._make, rows))
    return Found(lines, list(map(_lines_read, answers)))


def _lines_read(rows: Sequence[Row]) -> list[tuple[Line, list[Waiter]]]:
    found: dict[Need, tuple[Line, list[Waiter]]] = {}
    width = len(Line._fields)
    for row in rows:
        line = Line(*row[:width])
        _, waiters = found.setdefault(line.need, (line, []))
        run_id, task_id, item, runner_id, rank, since, units, needs = row[width:]
        if run_id is not None:
            waiters.append(
                Waiter(run_id, task_id, item, runner_id, rank, since, units, needs_of(needs))
            )
    return list(found.values())


def _grant_row(grant: Grant) -> tuple[object, ...]:
    key = grant_id(grant.name, grant.number)
    return (key, *grant[:6], needs_text(grant.needs), grant.given_at)
