"""Decides who gets the free places of limits. Pure: rows go in, changed rows come out.

The order of those that wait for one limit is by rank, then by arrival; every tenth place goes to
the one that waits longest. A waiter whose key has no place is passed over. Of equal rank, waiters
of the runner that frees a place come first as long as the others arrived at most a beat earlier.

Only as many rows are read as the decision needs: ``decide`` is a generator that yields ``Reads``
and is sent ``Found``. What it has read tells where the first unread waiter can be at best, and it
reads on before it would pass that.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from cloaca_core.features.limits.known_waiters import Head, KnownWaiters
from cloaca_core.features.limits.lines import (
    all_needs,
    bounds,
    is_by_key,
    with_open_line,
    with_open_lines,
    with_waiter,
    without_waiters,
)
from cloaca_core.features.limits.records import (
    ALL_KEYS,
    NEVER,
    Grant,
    Line,
    Need,
    Unit,
    Waiter,
)
from cloaca_core.features.limits.waiters_read import (
    LAST,
    FirstWaiters,
    Found,
    LinesRead,
    Place,
    Reads,
    WaitersRead,
    place_of,
)
from cloaca_core.values.limits.gcra import allowed_at, bounded, full_at, taken
from cloaca_core.values.limits.settings import LimitSettings

if TYPE_CHECKING:
    from cloaca_core.values.times.instants import Instant

OLDEST: Final = 10
"""Every so many places, one goes to the waiter that arrived first."""
MOST_AT_ONCE: Final = 200
"""Places that one transaction gives. If more are free, the next transaction follows at once."""
_SPARE: Final = 3
"""Lines and waiters that are read beyond twice the number of places, to choose among. Twice: of two
runners with as many waiters each, the one that frees the places finds enough of its own.
"""


class Standing(NamedTuple):
    """A waiter that stands in this line from now on."""

    waiter: Waiter
    line: Need


class Decision(NamedTuple):
    """The rows to write.

    ``gone`` leave their lines, as they have got their places. ``lines`` have lower bounds of their
    first and their oldest waiter: these are to be read again when they are written, after the
    waiters. ``again`` are limits that another transaction has to look at together, at once: this
    one has given ``MOST_AT_ONCE`` places, or did not lock all of them. At ``next_look`` a limit as
    a whole has places for those that wait for its rate; None if none of them waits for time.
    """

    grants: Sequence[Grant]
    standing: Sequence[Standing]
    gone: Sequence[Unit]
    lines: Sequence[Line]
    again: frozenset[str]
    next_look: Instant | None


class Opened(NamedTuple):
    """A line of a limit with waiters that time, or other settings, have opened. Its first and its
    oldest waiter are as in ``Line``.
    """

    name: str
    first_rank: int
    first_at: Instant
    oldest_at: Instant


class Wanted(NamedTuple):
    """What a transaction wants: places for ``requests``. ``released`` are the needs of the places
    that it has given back, each once for each place. ``opened`` are lines that it has opened.
    ``beat`` is in µs.
    """

    runner_id: str | None
    now: Instant
    beat: int
    requests: Sequence[Waiter] = ()
    released: Sequence[Need] = ()
    opened: Sequence[Opened] = ()


Deciding: TypeAlias = Generator[Reads, Found, Decision]
_Reading: TypeAlias = Generator[Reads, Found, None]


def decide(wanted: Wanted, limits: Mapping[str, LimitSettings], lines: Iterable[Line]) -> Deciding:
    """Decide on the places of these limits, which are locked. ``lines`` has the rows that are known
    already. A waiter that needs another limit, too, keeps standing: see ``Decision.again``.
    """
    return _Giving(wanted, limits, lines).decide()


class _Giving:
    """One decision on its way. ``_known`` has the waiters that were read and still wait, each with
    the line in which it stands; requests stand in none at first. ``_opens`` keeps when lines open,
    each until a place of it is given.
    """

    def __init__(
        self, wanted: Wanted, limits: Mapping[str, LimitSettings], lines: Iterable[Line]
    ) -> None:
        self._wanted = wanted
        self._now = wanted.now
        self._limits = limits
        self._lines = {line.need: line for line in lines}
        self._before = dict(self._lines)
        self._opens: dict[Need, Instant] = {}
        self._known = KnownWaiters(wanted.runner_id)
        for each in wanted.requests:
            self._known.put(each, None)
        self._seen: set[Unit] = {each.unit for each in wanted.requests}
        freed = {need for need in wanted.released if need[1] != ALL_KEYS}
        self._queues = {
            name: WaitersRead(name, sorted(need for need in freed if need[0] == name))
            for name in sorted(limits)
        }
        self._grants: list[Grant] = []
        self._standing: dict[Unit, Standing] = {}
        self._gone: list[Unit] = []
        self._passed: set[Need | None] = set()
        self._renewed: set[Need] = set()
        self._again: set[str] = set()

    def decide(self) -> Deciding:
        """See ``decide`` of this module."""
        needs = {need for each in self._wanted.requests for need in all_needs(each.needs)}
        needs |= {(name, ALL_KEYS) for name in self._limits}
        for need in self._wanted.released:
            needs |= {need, (need[0], ALL_KEYS)}
        yield from self._read_lines(needs)
        for need in self._wanted.released:
            for each in {need, (need[0], ALL_KEYS)}:
                row = self._lines[each]
                self._lines[each] = row._replace(held=max(0, row.held - 1))
        for opened in self._wanted.opened:
            whole = opened.name, ALL_KEYS
            first = opened.first_rank, opened.first_at
            self._lines[whole] = with_open_line(self._lines[whole], first, opened.oldest_at)
        while len(self._grants) < MOST_AT_ONCE:
            yield from self._read_waiters()
            if (found := self._next()) is None:
                return self._decision()
            waiter, line = found
            if not self._limits.keys() >= {name for name, _ in waiter.needs}:
                self._again.update(name for name, _ in waiter.needs)
                self._passed.add(line)
                self._known.remove(waiter.unit)
                continue
            yield from self._read_lines(all_needs(waiter.needs))
            if (blocked := self._blocked(waiter)) is None:
                self._grant(waiter, line)
            else:
                self._stand(waiter, line, blocked)
        self._again.update(self._limits)
        return self._decision()

    # -- reading -----------------------------------------------------------------------------

    def _read_lines(self, needs: Iterable[Need]) -> _Reading:
        missing = sorted({need for need in needs if need not in self._lines})
        if not missing:
            return
        found = yield Reads(lines=missing)
        known = {line.need: line for line in found.lines}
        for need in missing:
            self._lines[need] = self._before[need] = known.get(need, Line(*need))

    def _read_waiters(self) -> _Reading:
        """Read on until no unread waiter can come before the known ones."""
        while True:
            reads: list[FirstWaiters] = []
            asked: list[WaitersRead] = []
            for name, queue in self._queues.items():
                if not (self._has_room((name, ALL_KEYS)) and self._may_wait(queue)):
                    continue
                by_age = self._is_for_oldest(name)
                if queue.covers(self._first_of(name), self._is_open, by_age=by_age):
                    continue
                whole, most = self._whole(name), len(self._wanted.released)
                if by_age or (
                    not queue.asked(by_age=True) and whole.given % OLDEST + most >= OLDEST
                ):
                    reads.append(queue.read(whole, max(1, most), by_age=True))
                    asked.append(queue)
                if not by_age:
                    reads.append(queue.read(whole, 2 * most + _SPARE, by_age=False))
                    asked.append(queue)
            if not reads:
                return
            found = yield Reads(waiters=reads)
            for queue, read, rows in zip(asked, reads, found.waiters, strict=True):
                self._learn(rows)
                queue.learn(read, rows)

    def _learn(self, rows: LinesRead) -> None:
        for line, waiters in rows:
            if line.need not in self._lines:
                self._lines[line.need] = self._before[line.need] = line
            for waiter in waiters:
                if (unit := waiter.unit) not in self._seen:
                    self._seen.add(unit)
                    self._known.put(waiter, line.need)

    def _may_wait(self, queue: WaitersRead) -> bool:
        """Whether a waiter of a limit may stand in a line whose key has places."""
        whole = self._whole(queue.name)
        if whole.first is not None or whole.keys_first is not None:
            return True
        return any(self._lines[need].first is not None for need in queue.freed)

    def _whole(self, name: str) -> Line:
        return self._lines[name, ALL_KEYS]

    # -- choosing ----------------------------------------------------------------------------

    def _is_for_oldest(self, name: str) -> bool:
        """Whether the next place of a limit is for the waiter that arrived first."""
        return (self._whole(name).given + 1) % OLDEST == 0

    def _first_of(self, name: str) -> Place:
        """The place of the first known waiter of a limit, in the order that counts now."""
        firsts = self._firsts(name, by_age=self._is_for_oldest(name))
        return min(firsts)[0] if firsts else LAST

    def _firsts(self, name: str, *, by_age: bool, own: bool = False) -> list[Head]:
        """The first known waiter of each line of a limit that may have a place."""
        has_room = self._has_room((name, ALL_KEYS))
        known = self._known
        return [
            first
            for line in known.lines(name)
            if line is None or (has_room and self._is_open(line))
            if (first := known.oldest(name, line) if by_age else known.first(name, line, own=own))
        ]

    def _next(self) -> tuple[Waiter, Need | None] | None:
        """The next waiter to look at, and the line in which it stands."""
        names = self._known.names()
        firsts = [first for name in names if (first := self._next_of(name)) is not None]
        if len(firsts) > 1:  # some of these are the oldest ones
            firsts.sort(key=lambda each: place_of(each[1], by_age=False))
        return firsts[0][1:] if firsts else None

    def _next_of(self, name: str) -> Head | None:
        by_age = self._is_for_oldest(name)
        if not (firsts := self._firsts(name, by_age=by_age)):
            return None
        first = min(firsts)
        if by_age or self._wanted.runner_id is None or not self._wanted.released:
            return first
        until = first[1].since + self._wanted.beat
        best = min(self._firsts(name, by_age=False, own=True), default=first)
        is_soon = best[1].rank == first[1].rank and best[1].since <= until
        return best if is_soon else first

    def _is_open(self, line: Need) -> bool:
        """Whether the key of a line has a place; the limit as a whole is not looked at."""
        return line[1] == ALL_KEYS or self._has_room(line)

    def _has_room(self, need: Need) -> bool:
        if (opens_at := self._opens.get(need)) is None:
            opens_at = self._opens[need] = self._opens_at(self._lines[need])
        return opens_at <= self._now

    def _opens_at(self, line: Line) -> Instant:
        """When the limit or the key has a place, as far as it is a matter of time."""
        most, rate = bounds(self._limits.get(line.name, LimitSettings()), line.key)
        if most is not None and line.held >= most:
            return NEVER
        if rate is None or (free_at := allowed_at(rate, line.tat, self._now)) <= self._now:
            return 0
        return free_at

    def _blocked(self, waiter: Waiter) -> Need | None:
        """The line in which the waiter has to wait; None if all its needs have a place."""
        for need in waiter.needs:
            if not self._has_room(need):
                return need
            if not self._has_room(whole := (need[0], ALL_KEYS)):
                return need if is_by_key(self._limits[need[0]]) else whole
        return None

    # -- changing ----------------------------------------------------------------------------

    def _grant(self, waiter: Waiter, line: Need | None) -> None:
        for need in all_needs(waiter.needs):
            row = self._lines[need]
            _, rate = bounds(self._limits[row.name], row.key)
            tat = row.tat if rate is None else taken(rate, row.tat, self._now)
            self._lines[need] = row._replace(held=row.held + 1, tat=tat, given=row.given + 1)
            self._opens.pop(need, None)
        name = waiter.needs[0][0]
        number = self._whole(name).given
        grant = Grant(name, number, *waiter.unit, waiter.runner_id, waiter.needs, self._now)
        self._grants.append(grant)
        if line is not None:
            self._renewed.add(line)
        if waiter.units > 1:
            rest = waiter._replace(units=waiter.units - 1, since=max(self._now, waiter.since))
            self._known.put(rest, line)
            if line is not None:
                self._standing[waiter.unit] = Standing(rest, line)
            return
        self._known.remove(waiter.unit)
        self._standing.pop(waiter.unit, None)
        if line is not None or self._may_stand(waiter):
            self._gone.append(waiter.unit)

    def _may_stand(self, waiter: Waiter) -> bool:
        """Whether a request may have a row already: it is asked for again, by another runner."""
        return any(self._before[need].first is not None for need in all_needs(waiter.needs))

    def _stand(self, waiter: Waiter, line: Need | None, blocked: Need) -> None:
        """Let a waiter stand in the line of the first of its needs without a place."""
        self._known.put(waiter, blocked)
        self._standing[waiter.unit] = Standing(waiter, blocked)
        if line is not None:
            self._renewed.add(line)

    # -- the end -----------------------------------------------------------------------------

    def _decision(self) -> Decision:
        self._empty_lines()
        for waiter, in_line in self._standing.values():
            self._lines[in_line] = with_waiter(self._lines[in_line], waiter)
        for need, line in self._lines.items():
            _, rate = bounds(self._limits.get(line.name, LimitSettings()), line.key)
            tat = line.tat if rate is None else bounded(rate, line.tat, self._now)
            self._lines[need] = line._replace(tat=tat, opens_at=self._opens_at(line))
        for name, queue in self._queues.items():
            self._lines[name, ALL_KEYS] = self._with_open_lines(queue)
        changed = [
            line
            for need, line in sorted(self._lines.items())
            if need in self._renewed or line != self._before[need]
        ]
        return Decision(
            self._grants,
            list(self._standing.values()),
            self._gone,
            changed,
            frozenset(self._again),
            self._next_look(),
        )

    def _empty_lines(self) -> None:
        """Lines in which no waiter stands any more say so."""
        standing = {line for _, line in self._known} | self._passed
        for need in {each for queue in self._queues.values() for each in queue.complete} - standing:
            self._lines[need] = without_waiters(self._lines[need])

    def _with_open_lines(self, queue: WaitersRead) -> Line:
        """A limit as a whole that says where its open lines begin."""
        whole = self._whole(queue.name)
        row = with_open_lines(whole, self._lines.values(), queue)
        is_new = row != self._before[whole.need] or row.looked_at > self._now
        if is_new and self._limits[queue.name].key_rate is not None:
            return row._replace(looked_at=self._now)
        return row

    def _next_look(self) -> Instant | None:
        """When a limit with a rate has places for all known waiters, or a whole burst of them."""
        looks: list[Instant] = []
        for name, settings in self._limits.items():
            whole = self._whole(name)
            if settings.rate is None or whole.opens_at in (0, NEVER):
                continue
            if whole.first is None and whole.keys_first is None:
                continue
            known = [waiter for waiter, line in self._known if line and line[0] == name]
            waiting = max(1, sum(each.units for each in known))
            looks.append(full_at(settings.rate, whole.tat, self._now, waiting))
        return min(looks, default=None)
