"""Decides how many runs a claim may take, so that other runners of the database get theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cloaca_core.engine.execute.executor import Executor
    from cloaca_core.engine.recover.takeover import Takeover
    from cloaca_core.engine.subjects import Subjects

MOST_CLAIMED: Final = 500
"""Runs per claim, so that submissions meanwhile find places too."""
AHEAD: Final = 2
"""Beside other runners: bodies that may wait for each slot, and runs claimed for each that has
ended since the last claim. So claims of quick runs grow, and long runs come as slots become free.
"""


class FairShare:
    """Belongs to the engine's loop. ``is_asked`` is set while another runner has nothing to do;
    ``ended`` counts runs that have ended, and beside other runners ``freed`` is called with each.
    ``backlog`` returns how many bodies wait for a slot.
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
        self.is_asked: bool = False
        self.ended: int = 0
        subjects.ended.subscribe(self.run_ended)

    def run_ended(self, *_: object) -> None:
        """A run of ours has ended."""
        self.ended += 1
        if self._takeover.is_crowded:
            self._freed()

    def claim_begins(self) -> None:
        """Count ended runs for the next claim from now on."""
        self._before_claim = self.ended

    def most(self) -> int:
        """The number of runs that keep this runner busy for a while. Beside other runners it claims
        few runs that would wait for a slot; while another runner asks for runs, it claims none.
        """
        if not self._takeover.is_crowded:
            return MOST_CLAIMED
        executor, backlog = self._executor, self._backlog()
        ended = self.ended - self._before_claim
        if self.is_asked and backlog:
            return 0  # it would take back what it gives
        if self.is_asked:
            return min(executor.free_threads + ended, MOST_CLAIMED)
        return min(AHEAD * (executor.thread_slots + ended) - backlog, MOST_CLAIMED)
