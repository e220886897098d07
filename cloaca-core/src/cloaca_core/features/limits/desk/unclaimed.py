"""Tends the places of runs that no runner has: once a beat, in case the runner that gave them died
before it made the runs claimable, and as soon as runs may have ended without an owner. Asks nothing
if neither the program nor the database has limits. A program whose newest definition has none does
ask: runs may have been in line since an earlier one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Final

from cloaca_core.values.times.instants import SECOND

if TYPE_CHECKING:
    from cloaca_core.features.limits.part import LimitStore
    from cloaca_core.features.limits.records import Unclaimed
    from cloaca_core.values.times.clock import Clock

BEAT: Final = 5 * SECOND
IDLE_BEAT: Final = 60 * SECOND
"""µs between two looks at the places of runs that no runner has: while something waits, and
otherwise.
"""
LAPSE: Final = 2 * BEAT
"""µs after which a place is given to another if no runner has claimed its run."""


class UnclaimedPlaces:
    """Belongs to the engine's loop. ``limits`` are the names of those that the program uses;
    ``is_used`` says whether bodies of this runner have places or wait for them.

    ``is_concerned`` says whether the program or the database has limits; None if that is to be
    found out. The next look is at ``due_at``; None if there was none yet.
    """

    def __init__(
        self,
        store: LimitStore,
        clock: Clock,
        limits: Callable[[], Collection[str]],
        is_used: Callable[[], bool],
    ) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._is_used = is_used
        self.is_concerned: bool | None = None
        self.due_at: int | None = None
        self._is_wanted = False

    def registered(self) -> None:
        """The program may have defined a limit, or a task that has limits."""
        self.is_concerned = bool(self._limits()) or self.is_concerned

    def runner_gone(self) -> None:
        """Another runner is gone, which may have been the last that had limits."""
        self.is_concerned = self.is_concerned or None

    def want(self) -> None:
        """Look soon: places may have been given to runs that no runner has."""
        self._is_wanted = True

    async def find_limits(self) -> bool:
        """Whether the program or the database has limits; asks the database once."""
        if self.is_concerned is None:
            found = bool(self._limits() or await self._store.list_limits())
            self.is_concerned = found or bool(self.is_concerned)  # a later read may have found one
        return self.is_concerned

    async def is_due(self) -> bool:
        """Whether it is time to look."""
        if not await self.find_limits():
            return False
        return self._is_wanted or self.due_at is None or self.due_at <= self._clock.wall()

    async def tend(self) -> Unclaimed:
        """Make runs claimable that have got places, also those for which the giver could not do it,
        and free places that no runner claims.
        """
        self._is_wanted = False
        try:
            found = await self._store.tend_places(self._clock.wall() - LAPSE)
        except BaseException:
            self._is_wanted = True
            raise
        beat = BEAT if found.is_left or self._is_used() else IDLE_BEAT
        self.due_at = self._clock.wall() + beat
        return found
