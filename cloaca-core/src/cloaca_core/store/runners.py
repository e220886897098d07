"""Runners: the contract of their leases, and of the release and takeover of their runs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from cloaca_core.store.acts import ActRow
from cloaca_core.store.runner_rows import LostRunner, RunnerName, RunnerRow


class RunnerStore(Protocol):
    """Runners: their leases, and the release and takeover of their runs."""

    def lease_clock(self) -> int:
        """The present time by the clock of ``lease_until``, in µs (cheap, no statement).

        A SQLite store uses the time since boot (all its users share a machine), a PostgreSQL store
        the database's clock.
        """

    @property
    def lease_ends_with_boot(self) -> bool:
        """Whether the lease clock restarts with each boot of the machine: then a lease that was
        taken before the last boot has ended, also if its end is in the future.
        """

    async def register(self, runner: RunnerRow, name: RunnerName | None = None) -> None:
        """Add this runner, with beat 0 and ``fenced`` false. Repeating it changes nothing. Raises
        ``StoreOpenError`` if another runner, of this process or not, has the id.

        Its attempts are recorded under the number of its ``name``, which stays after the runner is
        gone.
        """

    async def runner_names(self, numbers: Collection[int]) -> list[RunnerName]:
        """The names of runners, also of runners that are gone; none for an unknown number. Only
        reads.
        """

    async def beat(
        self,
        runner_id: str,
        lease_until: int,
        idle_since: int | None = None,
        sharing: str | None = None,
    ) -> bool:
        """Renew the lease, count the beat, and write ``idle_since`` and ``sharing`` (see
        ``Sharing``). False if the runner was fenced or removed. Other processes are notified at
        once of a request for runs that is new or withdrawn, and of a lease that ends sooner than
        the last.
        """

    async def drain(self, runner_id: str, act: ActRow | None = None) -> int | None:
        """Ask this runner to shut down: it reads the request among ``runners()``. Returns the
        instant of the first request; the act is recorded only for that one. None if the runner is
        not registered, or fenced. Other processes are notified as of a new runner.
        """

    async def release(self, runner_id: str, held: Collection[str]) -> int:
        """Give up this runner's runs except ``held``: no owner, epoch + 1, claimable by any runner.
        Runs that must be cancelled are Cancelled instead. Returns the number of runs that became
        claimable.

        An orderly end of ownership: no crash is counted. The caller need not know which runs it
        owns: runs of its transactions that are still open are included.
        """

    async def unregister(self, runner_id: str) -> None:
        """Remove this runner. The runs that it still owns are given up as by ``release``."""

    async def runners(self) -> list[RunnerRow]:
        """Every registered runner, fenced ones included, oldest first."""

    async def fence(self, runner_id: str, seen_beat: int) -> bool:
        """Declare a runner dead, if its beat is still ``seen_beat``. Returns whether it is fenced
        now.

        From then on it can claim and record nothing. A concurrent beat either comes first (and this
        returns False) or finds itself fenced.
        """

    async def take_over(self, runner_id: str, limit: int) -> int:
        """End all runs of a *fenced* runner that must be cancelled, and make up to ``limit`` others
        claimable. Returns the number of both.

        Effect on each run: no owner, epoch + 1, recoveries + 1. On its attempts that have the old
        epoch and are Running: crashes + 1, unless they run on an executor, or have
        ``SUSPECT_AFTER`` crashes already and were not marked as running alone. When no run is left
        the runner's row is removed and the result is 0. Two concurrent callers never count one
        crash twice.

        The runner is among ``lost_runners`` from its first takeover on, with what has become of its
        runs so far.
        """

    async def lost_runners(self, since: int, limit: int) -> list[LostRunner]:
        """Up to ``limit`` runners that were lost at ``since`` or later, the latest first. Upkeep
        deletes them after ``KEPT_LOST``. Only reads.
        """
