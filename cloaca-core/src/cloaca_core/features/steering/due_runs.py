"""Carries out changes whose time has come: makes runs claimable, ends pauses, cancels runs that
have not begun in time.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from cloaca_core.features.steering.acts import RUNS_PER_ACT
from cloaca_core.values.times.instants import SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.features.steering.acts import Acts
    from cloaca_core.features.steering.part import SteeringStore
    from cloaca_core.features.steering.unseen_ends import UnseenEnds

ABOUT: Final = SECOND
"""µs by which the clocks of a runner and its database may differ."""
LONGEST_SLEEP: Final = 60.0
"""Seconds. Runs come due by the wall clock, which may be set; sleeping uses the monotonic clock."""


class DueRuns:
    """Belongs to the engine's loop. ``longest_sleep`` is in seconds. With a clock that is never set
    it may be infinite.
    """

    def __init__(
        self, store: SteeringStore, acts: Acts, ends: UnseenEnds, subjects: Subjects
    ) -> None:
        self._store = store
        self._acts = acts
        self._ends = ends
        self._subjects = subjects
        self.longest_sleep: float = LONGEST_SLEEP
        self._latest: float = math.inf

    async def act(self, workflows: Sequence[str], next_timer: int) -> float:
        """Make runs of these workflows claimable that have come due, end pauses, and cancel runs
        that have not begun in time. Returns the seconds until the next change is due.
        """
        now = await self._store.now()
        # At the start as well: runs may have been parked before the clock was set back.
        if now < self._latest:
            await self._recall(workflows, now)
        self._latest = now
        if next_timer > now:
            return min((next_timer - now) / 1e6, self.longest_sleep)
        if late := await self._store.not_begun(now, RUNS_PER_ACT):
            await self._store.expire(late, self._acts.of_expiry(now))
            self._ends.note()  # a caller here may wait for one of them
        try:
            await self._store.make_due_claimable(workflows, now, RUNS_PER_ACT)
            await self._end_pauses(now)
        finally:
            self._subjects.claimable.publish()  # also after an error: some may be so by then
        return 0.0

    async def _end_pauses(self, now: int) -> None:
        if over := await self._store.pauses_over(now, RUNS_PER_ACT):
            await self._store.end_pauses(over, self._acts.of_end_of_pause(now))
        for workflow, until in (await self._store.paused_workflows()).items():
            if until is not None and until <= now:
                act = self._acts.of_end_of_pause(now)
                await self._store.end_pause_of_workflow(workflow, act)

    async def _recall(self, workflows: Sequence[str], now: int) -> None:
        """The clock may have been set back: make runs claimable that would wait too long by it.
        Runners know the database's clock only roughly, and are a little ahead of it when they park
        a run.
        """
        later = now + ABOUT
        while await self._store.make_claimable_after_set_back(workflows, later, RUNS_PER_ACT):
            self._subjects.claimable.publish()
