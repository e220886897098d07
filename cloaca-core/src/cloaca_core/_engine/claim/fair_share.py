"""Decides how many runs a claim may take, so that other runners of the database get theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cloaca_core._engine.execute.executor import Executor
    from cloaca_core._engine.recover.takeover import Takeover

MOST_CLAIMED: Final = 500
"""Runs per claim, so that submissions meanwhile find places too."""
AHEAD: Final = 2
"""Beside other runners: bodies that may wait for each slot, and runs claimed for each that has
ended since the last claim. So claims of quick runs grow, and long runs come as slots become free.
"""


class FairShare:
    """Belongs to the engine's loop."""

    def __init__(self, takeover: Takeover, executor: Executor) -> None:
        self._takeover = takeover
        self._executor = executor
        self._ended = 0

    def run_ended(self) -> None:
        """A run of ours has ended."""
        self._ended += 1

    def claim_begins(self) -> None:
        """Count ended runs for the next claim from now on."""
        self._ended = 0

    def most(self) -> int:
        """How many runs keep this runner busy for a while. Beside other runners it leaves them the
        runs that would only wait here.
        """
        if not self._takeover.is_crowded:
            return MOST_CLAIMED
        needed = AHEAD * (self._executor.thread_slots + self._ended) - self._executor.backlog
        return min(needed, MOST_CLAIMED)
