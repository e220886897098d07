"""Decides whether a runner counts as alive: one rule for each view, warning and refusal.

A runner is gone if it was declared dead, if its process has certainly ended, or if its lease has
ended. A lease of an earlier boot has ended where the lease clock restarts with each boot. A
takeover needs more proof than that (see ``takeover``): a view may be wrong for a moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from cloaca_core.engine.recover.process_identity import is_gone, process_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloaca_core.engine.recover.process_identity import ProcessIdentity
    from cloaca_core.store.runner_rows import RunnerRow


class LeaseTime(Protocol):
    """The clock of the leases in one database; a store is one."""

    def lease_clock(self) -> int:
        """The present time of that clock, in µs."""

    @property
    def lease_ends_with_boot(self) -> bool:
        """Whether that clock restarts with each boot of the machine."""


def counts_as_alive(*, fenced: bool, process_ended: bool, lease_left: int) -> bool:
    """The rule. ``lease_left`` is in µs."""
    return not (fenced or process_ended) and lease_left > 0


class Liveness:
    """Judges the runners of one database, as seen from the process ``mine``."""

    def __init__(self, time: LeaseTime, mine: ProcessIdentity) -> None:
        self._time = time
        self._mine = mine

    def is_alive(self, row: RunnerRow) -> bool:
        """Whether the runner may work, and may own runs."""
        return counts_as_alive(
            fenced=row.fenced,
            process_ended=self.has_ended(row),
            lease_left=self.lease_left(row),
        )

    def alive(self, rows: Iterable[RunnerRow]) -> list[str]:
        """The ids of the living runners among these rows."""
        return [row.id for row in rows if self.is_alive(row)]

    def gone(self, rows: Iterable[RunnerRow]) -> list[str]:
        """The ids of the dead runners among these rows."""
        return [row.id for row in rows if not self.is_alive(row)]

    def has_ended(self, row: RunnerRow) -> bool:
        """Whether its process has certainly ended. Only its own machine can tell."""
        return is_gone(self._mine, process_of(row))

    def is_of_earlier_boot(self, row: RunnerRow) -> bool:
        """Whether its lease is of an earlier boot and so has ended: the lease clock has
        restarted.
        """
        return self._time.lease_ends_with_boot and row.boot_id != self._mine.boot_id

    def lease_left(self, row: RunnerRow) -> int:
        """µs until its lease ends; zero or less when it has ended."""
        if self.is_of_earlier_boot(row):
            return -self._time.lease_clock()  # since this boot, at the latest
        return row.lease_until - self._time.lease_clock()
