"""The rows of limits as plain Python over dicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cloaca_core.features.limits.giving import Decision, Opened, Wanted, decide
from cloaca_core.features.limits.records import ALL_KEYS, Grant, Line, Need, Unit, Waiter
from cloaca_core.features.limits.waiters_read import FirstWaiters, Found, LinesRead, Reads
from cloaca_core.values.limits.settings import LimitSettings


class LimitTable:
    """Lines, waiters and grants, and the transactions on them."""

    def __init__(self) -> None:
        self.lines: dict[Need, Line] = {}
        self.waiters: dict[Unit, tuple[Waiter, Need]] = {}
        self.grants: dict[tuple[str, int], Grant] = {}
        self._reopened: list[Opened] = []

    def transact(
        self,
        wanted: Wanted,
        limits: Mapping[str, LimitSettings],
        freed: Iterable[tuple[str, int]] = (),
    ) -> Decision:
        """Give places back, and give the free ones."""
        released = [need for key in freed for need in self.grants.pop(key).needs]
        opened = self._open(wanted.now, limits) + self._reopened
        self._reopened = []
        wanted = wanted._replace(released=released, opened=opened)
        deciding = decide(wanted, limits, ())
        found: Found | None = None
        while True:
            try:
                reads = next(deciding) if found is None else deciding.send(found)
            except StopIteration as end:
                decision: Decision = end.value
                self._write(decision)
                return decision
            found = self._found(reads)

    def withdraw(self, unit: Unit) -> None:
        """A waiter leaves, without a lock on its limits."""
        self.waiters.pop(unit, None)

    def reopen(self, name: str) -> None:
        """Other settings hold: which keys have places is found out anew."""
        self._reopened += [
            self._open_line(need)
            for need, line in self.lines.items()
            if name == line.name and line.key != ALL_KEYS and line.opens_at
            if line.first is not None
        ]

    def _found(self, reads: Reads) -> Found:
        lines = [self.lines[need] for need in reads.lines if need in self.lines]
        return Found(lines, [self._read(each) for each in reads.waiters])

    def _open(self, now: int, limits: Mapping[str, LimitSettings]) -> list[Opened]:
        """Keys have places again when their time has come."""
        opened = []
        for need, line in self.lines.items():
            if line.name not in limits or limits[line.name].key_rate is None:
                continue
            whole = self.lines[line.name, ALL_KEYS]
            after = whole.looked_at if whole.looked_at <= now else 0
            if line.key != ALL_KEYS and line.first is not None and after < line.opens_at <= now:
                opened.append(self._open_line(need))
        return opened

    def _open_line(self, need: Need) -> Opened:
        line = self.lines[need] = self.lines[need]._replace(opens_at=0)
        assert line.first is not None
        assert line.oldest_at is not None
        return Opened(line.name, *line.first, line.oldest_at)

    def _read(self, read: FirstWaiters) -> LinesRead:
        by_age = read.by_age
        open_lines = [line for line in self.lines.values() if line.is_open]
        fit = [line for line in open_lines if line.name == read.name]
        assert not fit or read.most
        fit = [line for line in fit if _line_order(line, by_age=by_age) >= read.start]
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
            self._put(line)
        for line in self.lines.values():
            self._check(line)

    def _put(self, line: Line) -> None:
        need = line.need
        assert line.edition == (self.lines[need].edition if need in self.lines else 0)
        own = [waiter for waiter, where in self.waiters.values() if where == need]
        first = min(((each.rank, each.since) for each in own), default=(None, None))
        oldest = min((each.since for each in own), default=None)
        if own:
            assert line.first_rank is not None
            assert (line.first_rank, line.first_at) <= first
            assert line.oldest_at is not None
            assert oldest is not None
            assert line.oldest_at <= oldest
        self.lines[need] = line._replace(
            first_rank=first[0],
            first_at=first[1],
            oldest_at=oldest,
            edition=line.edition + 1,
        )

    def _check(self, line: Line) -> None:
        """The row of a limit as a whole tells where its open lines begin, each of which tells that
        waiters stand in it.
        """
        if any(need == line.need for _, need in self.waiters.values()):
            assert line.first is not None
        if not line.is_open:
            return
        whole = self.lines[line.name, ALL_KEYS]
        assert whole.keys_first is not None
        assert whole.keys_first <= _line_order(line, by_age=False)
        assert whole.keys_first_by_age is not None
        assert whole.keys_first_by_age <= _line_order(line, by_age=True)


def _line_order(line: Line, *, by_age: bool) -> tuple[int, int]:
    if by_age:
        assert line.oldest_at is not None
        return (0, line.oldest_at)
    assert line.first_rank is not None
    assert line.first_at is not None
    return (line.first_rank, line.first_at)
