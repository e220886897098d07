"""The rows of limits; forms as in ``run.rows``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from cloaca_core.store.batch import Kind
from cloaca_core.values.limits.needs import ALL_KEYS as ALL_KEYS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloaca_core.store.acts import ActRow
    from cloaca_core.values.times.instants import Instant

NEVER: Final = 2**62
"""In ``Line.opens_at``: not by time, but when a place is given back."""

KEPT_TEXTS: Final = 1024
"""Needs whose texts are remembered: those of many waiters are the same."""

Need: TypeAlias = tuple[str, str]
"""The name of a limit and a key of it, or ``ALL_KEYS``. Also names the line that waits for it."""

THE_RUN: Final = ""
"""In the place of a task: the run as a whole."""

Position: TypeAlias = tuple[int, int]
"""Rank and arrival of a waiter. By age the rank is 0."""

Unit: TypeAlias = tuple[str, str, int]
"""Run, task and item of a body. The task is empty for a limit of the run; the item is
-1 for a task without items, and below that for items of a map that wait as one (see ``together``).
"""


class LimitDefinition(NamedTuple):
    """A limit as a program defines it; ``content`` are its settings (see ``LimitSettings``). The
    act is noted if another definition was recorded.
    """

    name: str
    content: str
    act: ActRow | None = None


class LimitRow(NamedTuple):
    """A limit as it is recorded: its definition, and the changes that people have put over it."""

    name: str
    content: str
    changes: str
    recorded_at: Instant
    changed_at: Instant | None
    changed_by: str | None


class LimitWait(NamedTuple):
    """A task or an item of a run that waits, and the first of its needs that has no place. Of items
    of a map that wait as one it is the first, and ``units`` is their number.
    """

    run_id: str
    task_id: str
    item: int
    need: Need
    since: Instant
    units: int = 1


class Line(NamedTuple):
    """The use of a limit, as a whole or by one key, and the line of those that wait for it.

    ``held`` is the number of places that are taken, ``tat`` the state of the rate (see ``rates``),
    ``given`` the number of all places that were ever given. No place can be given before
    ``opens_at``: 0, an instant, or ``NEVER``. ``first_rank`` and ``first_at`` are rank and arrival
    of the first in line, ``oldest_at`` is the earliest arrival; None if the line is empty. These
    are lower bounds: the first waiter may have left.

    ``edition`` tells the row from its earlier ones, which old snapshots keep. The others are of a
    limit as a whole. None of its lines that is open comes before ``keys_rank`` and ``keys_at`` in
    order, nor before ``keys_oldest`` by age; None if no line is open. Lines that open by
    ``looked_at`` have been opened.
    """

    name: str
    key: str
    held: int = 0
    tat: Instant = 0
    given: int = 0
    opens_at: Instant = 0
    first_rank: int | None = None
    first_at: Instant | None = None
    oldest_at: Instant | None = None
    edition: int = 0
    keys_rank: int | None = None
    keys_at: Instant | None = None
    keys_oldest: Instant | None = None
    looked_at: Instant = 0

    @property
    def need(self) -> Need:
        """Its name and key."""
        return self.name, self.key

    @property
    def is_open(self) -> bool:
        """Whether it is the line of a key that had a place as the row was written, and waiters."""
        return self.key != ALL_KEYS and self.first_at is not None and not self.opens_at

    @property
    def first(self) -> Position | None:
        """Where its first waiter stands, at best."""
        return _position(self.first_rank, self.first_at)

    @property
    def oldest(self) -> Position | None:
        """The same by age."""
        return _position(0, self.oldest_at)

    @property
    def keys_first(self) -> Position | None:
        """Where the first waiter of an open line stands, at best."""
        return _position(self.keys_rank, self.keys_at)

    @property
    def keys_first_by_age(self) -> Position | None:
        """The same by age."""
        return _position(0, self.keys_oldest)


class Waiter(NamedTuple):
    """A body, a run, or several items of a map, that want places of all ``needs`` together.

    It stands in one line, for the first of its needs that has no place. A low ``rank`` comes first.
    ``since`` is its arrival. ``runner_id`` is None while no runner has its run. ``units`` is the
    number of items that want the same; after each place the others have their turn.
    """

    run_id: str
    task_id: str
    item: int
    runner_id: str | None
    rank: int
    since: Instant
    units: int
    needs: tuple[Need, ...]

    @property
    def unit(self) -> Unit:
        """What wants the places; its key."""
        return self.run_id, self.task_id, self.item


class Grant(NamedTuple):
    """The places of one body or run: one of each of its ``needs``. Its key is the name of the first
    limit with ``number``.
    """

    name: str
    number: int
    run_id: str
    task_id: str
    item: int
    runner_id: str | None
    needs: tuple[Need, ...]
    given_at: Instant


class Unclaimed(NamedTuple):
    """What was done about places that no runner uses: see ``LimitStore.tend_places``. ``is_left``
    says whether some are left; ``timed`` are limits with a rate for which something waits, so that
    some runner has to look at them when it allows more.
    """

    woken: int = 0
    freed: int = 0
    is_left: bool = False
    timed: frozenset[str] = frozenset()


class Adopted(NamedTuple):
    """What a claimed run has of limits: its own place and the places that were given to it while
    no runner had it, and since when what of it waits in line.
    """

    grants: list[Grant]
    waiting: dict[Unit, Instant]


class InLine(NamedTuple):
    """Units of a run that keep their places in line while the run has no owner."""

    run_id: str
    units: Mapping[Unit, tuple[Need, ...]]


IN_LINE: Final = Kind[InLine]("waiters in line")


class PlacesBack(NamedTuple):
    """The places of a body that has ended, or leaves the process to wait: they are given back with
    the rows of its attempt.
    """

    run_id: str
    grant: Grant


PLACES_BACK: Final = Kind[PlacesBack]("places back")


class Given(NamedTuple):
    """What a transaction has given to the runner that made it.

    ``again`` are limits to give places of at once, in another transaction. At ``next_look`` places
    may be free because of a rate; None if none waits for time. With ``is_repeat`` places that the
    transaction was to give back were free already: it may have been sent before, and have given
    places then in an answer that was lost. With ``to_claim`` places went to runs without an owner:
    they are to be made claimable, see ``LimitStore.tend_places``.
    """

    grants: tuple[Grant, ...] = ()
    again: frozenset[str] = frozenset()
    next_look: Instant | None = None
    is_repeat: bool = False
    to_claim: bool = False


GIVEN: Final = Kind[Given]("given places")
"""Never in a batch: what its commit has given to its own runner."""


def _position(rank: int | None, since: Instant | None) -> Position | None:
    return None if rank is None or since is None else (rank, since)


@lru_cache(KEPT_TEXTS)
def line_id(need: Need) -> str:
    """The key of a line's row."""
    return json.dumps(need)


@lru_cache(KEPT_TEXTS)
def need_of(line: str) -> Need:
    """The inverse of ``line_id``."""
    name, key = json.loads(line)
    return name, key


def grant_id(name: str, number: int) -> str:
    """The key of a grant's row."""
    return json.dumps([name, number])


@lru_cache(KEPT_TEXTS)
def needs_text(needs: tuple[Need, ...]) -> str:
    """Needs as one text."""
    return json.dumps(needs)


@lru_cache(KEPT_TEXTS)
def needs_of(text: str) -> tuple[Need, ...]:
    """The inverse of ``needs_text``."""
    return tuple([(name, key) for name, key in json.loads(text)])


def lines_begin(name: str) -> str:
    """How the ids of all lines of a limit begin, before the quote of the key."""
    return json.dumps([name])[:-1] + ", "


def read_grant(row: Sequence[Any]) -> Grant:
    """A grant of its row."""
    name, number, run_id, task_id, item, runner_id, needs, given_at = row
    return Grant(name, number, run_id, task_id, item, runner_id, needs_of(needs), given_at)
