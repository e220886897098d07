"""The rows of limits; forms as in ``run.rows``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from cloaca_core.values.limits.settings import LimitSettings
    from cloaca_core.values.times.instants import Instant

ALL_KEYS: Final = ""
"""In the place of a key: the limit as a whole. Keys are JSON texts, so none is empty."""
NEVER: Final = 2**62
"""In ``Line.opens_at``: not by time, but when a place is given back."""

Need: TypeAlias = tuple[str, str]
"""The name of a limit and a key of it, or ``ALL_KEYS``. Also names the line that waits for it."""

Unit: TypeAlias = tuple[str, str, int]
"""Run, task and item of a body. The task is empty for a limit of the run; the item is -1 for a task
without items, and for all items of a map that wait for the same.
"""


class LimitRow(NamedTuple):
    """A limit and what holds of it now."""

    name: str
    settings: LimitSettings


class Line(NamedTuple):
    """The use of a limit, as a whole or by one key, and the line of those that wait for it.

    ``held`` is the number of places that are taken, ``tat`` the state of the rate (see ``rates``),
    ``given`` the number of all places that were ever given. No place can be given before
    ``opens_at``: 0, an instant, or ``NEVER``. ``first_rank`` and ``first_at`` are rank and arrival
    of the first in line, ``oldest_at`` is the earliest arrival; None if the line is empty. These
    are lower bounds: the first waiter may have left. ``waits`` of a limit as a whole is 1 while
    waiters may stand in any of its lines.
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
    waits: int = 0

    @property
    def need(self) -> Need:
        """Its name and key."""
        return self.name, self.key


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
