"""The rows of limits as plain Python over dicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cloaca_core.features.limits.giving import Decision, Wanted, decide
from cloaca_core.features.limits.records import ALL_KEYS, Grant, Line, Need, Unit, Waiter
from cloaca_core.features.limits.waiters_read import FirstWaiters, Found, LinesRead, Reads
from cloaca_core.values.limits.settings import LimitSettings


class LimitTable:
    """Lines, waiters and grants, and the transactions on them."""

    def __init__(self) -> None:
        self.lines: dict[Need, Line] = {}
        self.waiters: dict[Unit, tuple[Waiter, Need]] = {}
        self.grants: dict[tuple[str, int], Grant] = {}

    def transact(
        self,
        wanted: Wanted,
        limits: Mapping[str, LimitSettings],
        freed: Iterable[tuple[str, int]] = (),
    ) -> Decision:
        """Give places back, and give the free ones."""
        released = [need for key in freed for need in self.grants.pop(key).needs]
        deciding = decide(wanted._replace(released=released), limits, ())
        found: Found | None = None
        while True:
            try:
                reads = next(deciding) if found is None else deciding.send(found)
            except StopIteration as end:
                decision: Decision = end.value
                self._write(decision)
                return decision
            found = self._found(reads, wanted.now)

    def withdraw(self, unit: Unit) -> None:
        """A waiter leaves, without a lock on its limits."""
        self.waiters.pop(unit, None)

    def _found(self, reads: Reads, now: int) -> Found:
        self._open(now)
        lines = [self.lines[need] for need in reads.lines if need in self.lines]
        return Found(lines, [self._read(each) for each in reads.waiters])

    def _open(self, now: int) -> None:
        """Keys have places again when their time has come."""
        for need, line in self.lines.items():
            if 0 < line.opens_at <= now:
                self.lines[need] = line._replace(opens_at=0)

    def _read(self, read: FirstWaiters) -> LinesRead:
        fit = [line for line in self.lines.values() if line.name == read.name and line.is_open]
        fit.sort(key=lambda line: _line_order(line, by_age=read.by_age))
        single = [self.lines[need] for need in read.lines if need in self.lines]
        found = [line for line in single if line not in fit[: read.most]] + fit[: read.most]
        return [(line, self._first_waiters(line, read)) for line in found]

    def _first_waiters(self, line: Line, read: FirstWaiters) -> Sequence[Waiter]:
        own = [waiter for waiter, need in self.waiters.values() if need == line.need]
        own.sort(key=lambda each: (0 if read.by_age else each.rank, each.since, each.unit))
        return own[: read.depth]

    def _write(self, decision: Decision) -> None:
        for grant in decision.grants:
            assert (grant.name, grant.number) not in self.grants
            self.grants[grant.name, grant.number] = grant
        for unit in decision.gone:
            self.waiters.pop(unit, None)
        for waiter, in_line in decision.standing:
            self.waiters[waiter.unit] = waiter, in_line
        for line in decision.lines:
            self.lines[line.need] = line
        for need in decision.renewed:
            self._renew(need)

    def _renew(self, need: Need) -> None:
        line = self.lines.get(need, Line(*need))
        own = [waiter for waiter, where in self.waiters.values() if where == need]
        first = min(((each.rank, each.since) for each in own), default=(None, None))
        oldest = min((each.since for each in own), default=None)
        if own:
            assert line.first_rank is not None
            assert (line.first_rank, line.first_at) <= first
            assert line.oldest_at is not None
            assert oldest is not None
            assert line.oldest_at <= oldest
        waits = line.waits
        if need[1] == ALL_KEYS:
            waits = int(any(name == need[0] for _, (name, _) in self.waiters.values()))
        self.lines[need] = line._replace(
            first_rank=first[0], first_at=first[1], oldest_at=oldest, waits=waits
        )


def _line_order(line: Line, *, by_age: bool) -> tuple[int, int]:
    if by_age:
        assert line.oldest_at is not None
        return (0, line.oldest_at)
    assert line.first_rank is not None
    assert line.first_at is not None
    return (line.first_rank, line.first_at)
