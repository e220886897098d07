"""Has runs ended whose time limits pass while they wait in a queue from which this runner does not
claim now: it moves them to a queue from which it claims. A runner ends a run past its limit as soon
as it has claimed it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TYPE_CHECKING, Final

from cloaca_core.engine.runtime.supervisor import Wakeup

if TYPE_CHECKING:
    from cloaca_core.engine.orchestrate.served import Served
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.features.queues.part import QueueStore

AT_ONCE: Final = 100
"""Runs that one transaction takes."""
LONGEST_SLEEP: Final = 60.0
"""Seconds. Limits pass by the wall clock, which may be set; sleeping uses the monotonic clock."""


class OverdueRuns:
    """Belongs to the engine's loop of a runner that serves some queues. ``workflows`` returns those
    that it executes; ``fitting`` the runs, of these, that it would not leave because of its version
    of their workflow: in its queue no other runner may look for them.
    """

    def __init__(
        self,
        store: QueueStore,
        served: Served,
        workflows: Callable[[], Sequence[str]],
        fitting: Callable[[Collection[str]], Awaitable[Collection[str]]],
        subjects: Subjects,
    ) -> None:
        self._store = store
        self._served = served
        self._workflows = workflows
        self._fitting = fitting
        self._subjects = subjects
        self._wakeup = Wakeup()
        subjects.claimable.subscribe(self._wakeup.wake)
        subjects.claimable_here.subscribe(self._wakeup.wake)
        subjects.moved_away.subscribe(self._wakeup.wake)

    async def turn(self) -> None:
        """Take runs whose limits have passed, then sleep until the next limit passes, or until runs
        may have moved.
        """
        await self._wakeup.turn(self._act)

    async def _act(self) -> float | None:
        queues = self._served.names or ()
        if not queues:
            return None  # it claims nothing now
        found = await self._store.first_overdue(self._workflows(), queues, AT_ONCE)
        if not found:
            return None
        now = await self._store.now()
        if late := [run_id for at, run_id in found if at <= now]:
            if fitting := await self._fitting(late):
                await self._store.bring_overdue(fitting, next(iter(queues)), now)
                self._subjects.claimable_here.publish()
            return 0.0  # ``workflows`` has no workflow any more of which a run does not fit
        return min((found[0].at - now) / 1e6, LONGEST_SLEEP)
