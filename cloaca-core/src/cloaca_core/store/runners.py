"""Runners: the contract of their leases, and of the release and takeover of their runs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from cloaca_core.store.acts import ActRow
from cloaca_core.store.runner_rows import RunnerName, RunnerRow


class RunnerStore(Protocol):
    """Runners: their leases, and the release and takeover of their runs."""

    def lease_clock(self) -> int:
        """The time by the clock of ``lease_until``, in µs (cheap, no statement).

        A SQLite store uses the time since boot (all its users share a machine), a PostgreSQL
        store the database's clock.
        """

    @property
    def lease_ends_with_boot(self) -> bool:
        """True when the lease clock begins again with each boot of the machine, so that a lease
        that was taken before the last boot is over, although it may end in the future.
        """

    async def register(self, runner: RunnerRow, name: RunnerName | None = None) -> None:
        """Add this runner, with beat 0 and ``fenced`` false. Sent again it changes nothing;
        ``StoreOpenError`` when another runner, of this process or not, has the id.

        Its attempts are recorded under the number of its ``name``, which stays when it is gone.
        """

    async def runner_names(self, numbers: Collection[int]) -> list[RunnerName]:
        """The names of runners, also of those that are gone; none for a number that is not known
        (any more). Only reads.
        """

    async def beat(
        self,
        runner_id: str,
        lease_until: int,
        idle_since: int | None = None,
        sharing: str | None = None,
    ) -> bool:
        """Renew the lease, count the beat and note since when the runner owns nothing, if it does
        so, and what it tells others (see ``Sharing``); false when the runner was fenced or removed.
        Others hear at once of an ask that is new or over, and of a lease that ends sooner than the
        last.
        """

    async def drain(self, runner_id: str, act: ActRow | None = None) -> int | None:
        """Ask this runner to leave: it reads that among ``runners()``. Returns since when that is
        asked, which is the first time, and only then the act is noted; None when it is not
        registered, or fenced. Other processes hear of it as of a runner that comes or goes.
        """

    async def release(self, runner_id: str, held: Collection[str]) -> int:
        """Give up this runner's runs except ``held``: no owner, epoch + 1, claimable by any runner.
        Those that are to be cancelled are Cancelled instead. Returns how many became claimable.

        An orderly end of ownership: no crash is counted. The caller need not know which runs it
        owns: those of its transactions that are still open are included.
        """

    async def unregister(self, runner_id: str) -> None:
        """Remove this runner; what it still owns is given up as by ``release``."""

    async def runners(self) -> list[RunnerRow]:
        """Every registered runner, fenced ones included, oldest first."""

    async def fence(self, runner_id: str, seen_beat: int) -> bool:
        """Declare a runner dead, if its beat is still ``seen_beat``; true when it is fenced now.

        From then on it can claim and record nothing; a concurrent beat either comes first (and
        this returns false) or finds itself fenced.
        """

    async def take_over(self, runner_id: str, limit: int) -> int:
        """End all runs of a *fenced* runner that are to be cancelled, and make up to ``limit``
        others claimable; returns how many in all.

        Effect on each run: no owner, epoch + 1, recoveries + 1; on its attempts that carry the
        old epoch and are Running: crashes + 1, unless they run on an executor, or have
        ``SUSPECT_AFTER`` crashes already and were not marked as running alone. When none is left
        the runner's row is removed and the result is 0. Two concurrent callers never count one
        crash twice.
        """
