"""Requests runs from other runners while this one has free slots and finds nothing to claim.

The request is written with the beats of the lease, and holds while slots are free. This runner
makes a new request only after it has claimed or ended a run, and when all runs that it was given
have begun. Runners with runs that have not begun give some of them back (see ``work_sharing``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from cloaca_core.errors import StoreError

if TYPE_CHECKING:
    from cloaca_core.engine.execute.executor import Executor
    from cloaca_core.engine.orchestrate.active_runs import Capacity
    from cloaca_core.engine.recover.takeover import Takeover

PATIENCE: Final = 1.0
"""Seconds for which a runner must have had nothing to do before it requests runs: a program that
submits one run after another is not idle in between.
"""


class WorkRequests:
    """Belongs to the engine's loop. ``backlog`` returns the number of bodies that wait for a slot,
    ``serves`` the workflows of this runner; ``tell`` writes a beat.
    """

    def __init__(
        self,
        executor: Executor,
        backlog: Callable[[], int],
        capacity: Capacity,
        takeover: Takeover,
        serves: Callable[[], Sequence[str]],
        tell: Callable[[], Awaitable[None]],
    ) -> None:
        self._executor = executor
        self._backlog = backlog
        self._capacity = capacity
        self._takeover = takeover
        self._serves = serves
        self._tell = tell
        self._number = 0
        self._stands = False
        self._has_worked = True  # since the last ask
        self._timer: asyncio.TimerHandle | None = None
        self._due = asyncio.Event()

    def run_ended(self) -> None:
        """A run of this runner has ended, and there are other runners."""
        self._has_worked = True
        self.look()

    def claimed(self, count: int) -> None:
        """A claim has found this number of runs."""
        if count:
            self._has_worked = True
        self.look()

    def look(self) -> None:
        """Request runs soon, if other runners have work and this one has none."""
        if self._timer is None and self._has_worked and self._may_ask():
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(PATIENCE, self._look_again)

    def _look_again(self) -> None:
        self._timer = None
        if self._has_worked and self._may_ask():
            self._due.set()

    async def turn(self) -> None:
        """Write a beat with the request when it is due."""
        await self._due.wait()
        self._due.clear()
        await self._tell()

    async def withdraw(self) -> None:
        """This runner claims no more: write a beat without a request, if one was made."""
        if self._stands:
            with suppress(StoreError):  # the next beat tells them
                await self._tell()

    def ask(self, *, idle: bool) -> int:
        """The number of the present request, 0 without one. ``idle`` if this runner owns
        nothing.
        """
        self._stands = self._is_hungry() and (idle or self._takeover.is_crowded)
        if not self._stands:
            return 0
        if self._has_worked:
            self._has_worked = False
            self._number += 1
        return self._number

    def _may_ask(self) -> bool:
        return self._takeover.others_work and self._is_hungry()

    def _is_hungry(self) -> bool:
        """Whether a run that came now would begin at once."""
        if self._capacity.paused or not self._capacity.free() or self._backlog():
            return False
        return self._executor.free_threads > 0 and bool(self._serves())
