"""Decides how many runs a claim may take, so that other runners of the database get theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cloaca_core.engine.execute.executor import Executor
    from cloaca_core.engine.recover.takeover import Takeover
    from cloaca_core.engine.subjects import Subjects

MOST_CLAIMED: Final = 500
"""Runs per claim, so that submissions find places too."""
AHEAD: Final = 2
"""Beside other runners: how many bodies may wait for each slot, and how many runs are claimed for
each run that has ended since the last claim. So claims of quick runs grow, and long runs come as
slots become free.
"""


class FairShare:
    """Belongs to the engine's loop. ``work_requested`` is set while another runner has nothing to
    do; ``ended`` counts runs that have ended, and beside other runners ``freed`` is called with
    each. ``backlog`` returns the number of bodies that wait for a slot.
    """

    def __init__(
        self,
        takeover: Takeover,
        executor: Executor,
        backlog: Callable[[], int],
        freed: Callable[[], None],
        subjects: Subjects,
    ) -> None:
        self._takeover = takeover
        self._executor = executor
        self._backlog = backlog
        self._freed = freed
        self._before_claim = 0
        self.work_requested: bool = False
        self.ended: int = 0
        subjects.ended.subscribe(self.run_ended)

    def run_ended(self, *_: object) -> None:
        """A run of this runner has ended."""
        self.ended += 1
        if self._takeover.is_crowded:
            self._freed()

    def claim_begins(self) -> None:
        """Count ended runs for the next claim from now on."""
        self._before_claim = self.ended

    def begins_unclaimed(self) -> None:
        """A run begins here without a claim, in place of one that has ended."""
        self._before_claim = min(self._before_claim + 1, self.ended)

    def most(self) -> int:
        """The most runs that this runner should claim now: enough to keep it busy for a while.
        Beside other runners it claims few runs that would wait for a slot; while another runner
        requests runs, it claims none of those.
        """
        if not self._takeover.is_crowded:
            return MOST_CLAIMED
        executor, backlog = self._executor, self._backlog()
        ended = self.ended - self._before_claim
        if self.work_requested and backlog:
            return 0  # it would take back what it gives
        if self.work_requested:
            return min(executor.free_slots + ended, MOST_CLAIMED)
        return min(AHEAD * (executor.thread_slots + ended) - backlog, MOST_CLAIMED)
