"""The use of limits, as it is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from cloaca_core.features.limits.records import Grant, LimitRow, Waiter
    from cloaca_core.values.times.instants import Instant

COUNTED: Final = 10_000
"""How many waiters of one limit or one key are counted."""


class Load(NamedTuple):
    """How much a limit as a whole, or one key of it, is in use. ``held`` places are taken, ``tat``
    is the state of the rate (see ``rates``); ``waiting`` bodies and items want a place, as far as
    they are counted, the first of them since ``oldest``.
    """

    held: int
    tat: Instant
    waiting: int
    oldest: Instant | None


class LimitLoad(NamedTuple):
    """A limit and its use."""

    row: LimitRow
    load: Load


class LimitLook(NamedTuple):
    """One limit closely. ``keys`` are JSON texts; those that stand in the line of a key wait for
    it, the others for the limit as a whole. ``workflows`` are those of the runs of the holders and
    the waiters, by the ids of the runs.
    """

    limit: LimitLoad
    keys: Sequence[tuple[str, Load]]
    holders: Sequence[Grant]
    waiters: Sequence[Waiter]
    workflows: Mapping[str, str]
