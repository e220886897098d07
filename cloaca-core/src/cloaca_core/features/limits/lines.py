"""The lines of limits: what holds for one, and what its row says of its waiters. The row of a limit
as a whole says where its open lines begin.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from cloaca_core.features.limits.records import ALL_KEYS, KEPT_TEXTS
from cloaca_core.features.limits.waiters_read import start_of

if TYPE_CHECKING:
    from cloaca_core.features.limits.records import Line, Need, Position, Waiter
    from cloaca_core.features.limits.waiters_read import WaitersRead
    from cloaca_core.values.limits.needs import Needs
    from cloaca_core.values.limits.rates import Rate
    from cloaca_core.values.limits.settings import LimitSettings
    from cloaca_core.values.times.instants import Instant


def bounds(settings: LimitSettings, key: str) -> tuple[int | None, Rate | None]:
    """How many at once, and in a time: of the limit as a whole, or of a key."""
    if key == ALL_KEYS:
        return settings.total, settings.rate
    return settings.per_key, settings.key_rate


def is_by_key(settings: LimitSettings | None) -> bool:
    """Whether keys of a limit have bounds of their own: then waiters stand in lines by key."""
    return settings is not None and (settings.per_key is not None or settings.key_rate is not None)


@lru_cache(KEPT_TEXTS)
def all_needs(needs: Needs) -> frozenset[Need]:
    """These needs, and their limits as wholes."""
    return frozenset([(name, ALL_KEYS) for name, _ in needs]) | frozenset(needs)


def with_waiter(line: Line, waiter: Waiter) -> Line:
    """The line with lower bounds for the places of its first and its oldest waiter, with this
    one.
    """
    first, oldest = (waiter.rank, waiter.since), waiter.since
    if line.first is not None:
        first = min(first, line.first)
    if line.oldest_at is not None:
        oldest = min(oldest, line.oldest_at)
    return line._replace(first_rank=first[0], first_at=first[1], oldest_at=oldest)


def without_waiters(line: Line) -> Line:
    """The line when no waiter stands in it."""
    return line._replace(first_rank=None, first_at=None, oldest_at=None)


def with_open_line(whole: Line, first: Position, oldest: Instant) -> Line:
    """A limit as a whole with lower bounds for its open lines, of which this is one."""
    if whole.keys_first is not None:
        first = min(first, whole.keys_first)
    if whole.keys_oldest is not None:
        oldest = min(oldest, whole.keys_oldest)
    return whole._replace(keys_rank=first[0], keys_at=first[1], keys_oldest=oldest)


def with_open_lines(whole: Line, known: Iterable[Line], read: WaitersRead) -> Line:
    """A limit as a whole that says where its open lines begin: the ``known`` ones, and those that
    were not read.
    """
    row = whole._replace(keys_rank=None, keys_at=None, keys_oldest=None)
    own = [each for each in known if each.name == whole.name and each.is_open]
    firsts, ages = [
        [read.unread_lines(whole, by_age=by_age), *[start_of(e, by_age=by_age) for e in own]]
        for by_age in (False, True)
    ]
    for first, oldest in zip(firsts, ages, strict=True):
        if first is not None and oldest is not None:
            row = with_open_line(row, first, oldest[1])
    return row
