"""Remembers up to where this store has claimed all runs, so that claims go on from there.

PostgreSQL keeps an index entry of each run that was claimed since the oldest open snapshot (a
report, a backup, a session that is idle in a transaction). A claim that begins with the oldest run
reads them all. So each workflow, queue and priority has a mark, after which claims look: the last
run that was claimed, or shortly before the instant at which none was left. SQLite removes an entry
with its claim, and needs no marks.

A run may become claimable behind its mark; ``late_runs`` lists the ways. This store is told of each
by itself and by the others, and its next claim begins with the oldest run. Not all can be told: a
process dies before it tells, this store cannot listen behind a pooler, another runner locks a run
during our claim and leaves it, a clock is set. So a claim begins with the oldest run every few
seconds in any case, and once more after the last one that did not (``again``). No run waits longer
than that, or, as such claims may take long, ten times as long as the last one took.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

from cloaca_core.run.rows import RunRow
from cloaca_core.values.times.instants import SECOND

APART_S: Final = 5.0
"""Seconds between two claims that begin with the oldest run, unless one is requested sooner."""
APART_POLLING_S: Final = 1.0
"""The same where nothing is heard of runs behind the marks: another change is noticed as late."""
MOST_OLDEST: Final = 10
"""Claims that begin with the oldest run take at most 1/10 of the time."""
MARGIN: Final = SECOND
"""µs before now that no mark comes nearer: an insert takes time to be committed. One that takes
more than half of it is told of (see ``late_runs``); the rest is for differences between clocks.
"""
MOST_PRIORITIES: Final = 32
"""Priorities of a workflow and queue that have marks of their own."""

_LOWEST: Final = -(2**63)
_HIGHEST: Final = 2**63 - 1
_Place: TypeAlias = tuple[int, str]
"""The instant since which a run is claimable, and its id: claims follow this order."""
_START: Final[_Place] = (_LOWEST, "")


class Line(NamedTuple):
    """The runs of a workflow that wait in one queue; None for those of all queues."""

    workflow: str
    queue: str | None


class Range(NamedTuple):
    """Priorities of a line, and the place after which runs of them are looked for."""

    workflow: str
    queue: str | None
    lowest: int
    highest: int
    since: int
    after: str


class Look(NamedTuple):
    """A statement that looks for claimable runs. No mark comes nearer to now than ``newest``."""

    ranges: list[Range]
    lines: Sequence[Line]
    newest: _Place
    began: float
    is_from_oldest: bool

    def line(self, row: RunRow) -> Line:
        """Where it has found a run."""
        return Line(row.workflow, None if self.lines[0].queue is None else row.queue)


class ClaimMarks:
    """Belongs to the store's loop. ``wall`` is the database's clock in µs, ``monotonic`` is in
    seconds. ``again`` is called with the seconds after which the runner is to claim once more.
    """

    def __init__(
        self,
        wall: Callable[[], int],
        monotonic: Callable[[], float],
        apart: float = APART_S,
    ) -> None:
        self.again: Callable[[float], None] = lambda _: None
        self._wall = wall
        self._monotonic = monotonic
        self._apart = apart
        self._runner_id = ""
        self._none_before: dict[Line, int] = {}
        self._claimed: dict[Line, dict[int, _Place]] = {}
        self._oldest_due: float = _LOWEST

    def begin_with_oldest(self) -> None:
        """Runs may be claimable behind the marks: the next claim begins with the oldest run."""
        self._oldest_due = _LOWEST

    # -- looks -------------------------------------------------------------------------------

    def claim(self, runner_id: str, lines: Sequence[Line]) -> Look:
        """A claim, which looks after the marks."""
        return self._look(runner_id, lines, behind_claimed=False)

    def glance(self, runner_id: str, lines: Sequence[Line]) -> Look:
        """A look whether a claim would find runs. It looks behind the claimed ones too, where
        claims have passed over runs that another runner had locked.
        """
        return self._look(runner_id, lines, behind_claimed=True)

    def _look(self, runner_id: str, lines: Sequence[Line], *, behind_claimed: bool) -> Look:
        if runner_id != self._runner_id:
            self._runner_id = runner_id
            self.begin_with_oldest()  # the earlier one has left runs that this one may serve
        now, newest = self._monotonic(), (self._wall() - MARGIN, "")
        is_from_oldest = now >= self._oldest_due
        if is_from_oldest:
            self._oldest_due = now + self._apart  # unless one is asked for from now on
        ranges: list[Range] = []
        for line in lines:
            since = _START if is_from_oldest else self._emptied(line, newest)
            claimed = {} if is_from_oldest or behind_claimed else self._claimed.get(line, {})
            places = {
                priority: max(since, min(claimed.get(priority, _START), newest))
                for priority in self._priorities(line)
            }
            ranges += _ranges(line, since, places)
        if not is_from_oldest and any(each.since > _LOWEST for each in ranges):
            self.again(self._oldest_due - now)
        return Look(ranges, lines, newest, now, is_from_oldest)

    def _emptied(self, line: Line, newest: _Place) -> _Place:
        return min((self._none_before.get(line, _LOWEST), ""), newest)

    def _priorities(self, line: Line) -> Iterable[int]:
        return self._claimed.get(line, (0,))

    # -- answers -----------------------------------------------------------------------------

    def claimed(self, look: Look, rows: Iterable[RunRow]) -> None:
        """A claim has taken these runs."""
        if look.is_from_oldest:
            self._note_duration(look, self._apart)
            for line in look.lines:
                self._none_before.pop(line, None)
            self._forget_claimed(look.lines)
        for row in rows:
            places = self._claimed.setdefault(look.line(row), {0: _START})
            if row.priority in places or len(places) < MOST_PRIORITIES:
                place = min((row.claimable_at, row.id), look.newest)
                places[row.priority] = max(places.get(row.priority, _START), place)

    def glanced(self, look: Look, *, found: bool) -> None:
        """A look has found runs, or that there are none."""
        if found:
            self._forget_claimed(look.lines)
            if look.is_from_oldest:
                self.begin_with_oldest()  # as the claim of what was found does
            return
        if look.is_from_oldest:
            self._note_duration(look, self._apart)
        self._none_before |= dict.fromkeys(look.lines, look.newest[0])

    def failed(self, look: Look) -> None:
        """There was no answer. If it takes too long to come to the oldest run, claims go by the
        marks meanwhile.
        """
        if look.is_from_oldest:
            self._note_duration(look, 0.0)

    def _note_duration(self, look: Look, least: float) -> None:
        """Set when a claim begins with the oldest run again, unless one is requested already."""
        if self._oldest_due > _LOWEST:
            now = self._monotonic()
            self._oldest_due = now + max(least, MOST_OLDEST * (now - look.began))

    def _forget_claimed(self, lines: Sequence[Line]) -> None:
        """Forget up to where these were claimed, but not in which priorities they have runs."""
        for line in lines:
            self._claimed[line] = dict.fromkeys(self._priorities(line), _START)


def _ranges(line: Line, since: _Place, places: dict[int, _Place]) -> Iterator[Range]:
    """A range of each priority that has a place, and of those in between, which have ``since``."""
    highest = _HIGHEST
    for priority in sorted(places, reverse=True):
        if priority < highest:
            yield Range(*line, priority + 1, highest, *since)
        yield Range(*line, priority, priority, *places[priority])
        highest = priority - 1
    if highest >= _LOWEST:
        yield Range(*line, _LOWEST, highest, *since)
