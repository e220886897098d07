"""Limits: the contract of places, which bodies and runs of all runners take and give back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from cloaca_core.store.protocol import KernelStore

if TYPE_CHECKING:
    from cloaca_core.features.limits.looks.records import LimitLoad, LimitLook
    from cloaca_core.features.limits.records import (
        Adopted,
        Given,
        Grant,
        LimitDefinition,
        LimitRow,
        LimitWait,
        Need,
        Unclaimed,
        Unit,
        Waiter,
    )
    from cloaca_core.store.acts import ActRow
    from cloaca_core.values.limits.settings import LimitChanges
    from cloaca_core.values.times.instants import Instant


class LimitReads(KernelStore, Protocol):
    """What people look at. Only reads."""

    async def list_limits(self) -> list[LimitRow]:
        """Return all limits that programs have recorded, by name."""

    async def limit_waits(self, run_ids: Collection[str], limit: int) -> list[LimitWait]:
        """Return what waits for places of limits in these runs, by run, task and item."""

    async def list_holders(self, limit: int) -> list[Grant]:
        """Return all places that are taken, those first that were given first."""

    async def limit_loads(self, most: int) -> list[LimitLoad]:
        """Return all limits by name, each with its use. Up to ``most`` waiters of each are counted;
        the oldest of them is found among the lines that wait longest.
        """

    async def look_at_limit(self, name: str, key: str | None, limit: int) -> LimitLook | None:
        """Return one limit closely: up to ``limit`` keys, of which those come first that wait
        longest, holders and waiters, the first first. With a ``key`` its own, as JSON text. None if
        no program has recorded the limit.
        """


class LimitStore(LimitReads, Protocol):
    """Places of limits. A place is given once, to a waiter whose needs all have places, in the
    order of ``giving``. ``commit`` gives back the places of its rows ``PLACES_BACK``, and gives all
    free ones, in the same transaction; what its rows ``IN_LINE`` name waits without a runner from
    then on.

    A place of a run counts from the grant until the run has ended, whichever runner has the run.
    Its grant is a row like another, of the task ``THE_RUN``. A unit of a run without an owner has a
    waiter without a runner, and so has the grant that it gets. Two transactions follow, neither of
    which locks a run after a limit: the giver, and again each beat of any runner, makes the run
    claimable (``tend_places``), and the claimant makes the grant its own (``adopt_places``).
    """

    async def ask_places(
        self,
        runner_id: str,
        requests: Sequence[Waiter],
        *,
        back: Collection[Grant] = (),
        left: Collection[Unit] = (),
        names: Collection[str] = (),
        beat: int = 0,
    ) -> Given | None:
        """Give grants ``back`` and remove waiters of this runner that have ``left``; then give the
        free places of these limits, and of all that the requests and the grants need, to the
        waiters and to the requests. The requests that get none wait from now on. Returns what this
        runner got; other runners are told of theirs. None, with nothing written, if the runner is
        fenced.
        """

    async def adopt_places(self, runner_id: str, run_ids: Collection[str]) -> dict[str, Adopted]:
        """Return what these runs have, which the runner has claimed. Places that were given while
        a run had no owner are the runner's from now on. Nothing if the runner is fenced.
        """

    async def held_above(self, run_ids: Collection[str]) -> dict[str, set[Need]]:
        """Return the needs of which the runs above these runs have places, as far as each is
        attached to the run above it. Runs without any are left out.
        """

    async def tend_places(self, before: Instant) -> Unclaimed:
        """Make the runs without an owner claimable that have got places. Free the places of those
        that no runner has claimed since ``before``, and the places of runs that have ended.
        """

    async def list_grants(self, runner_id: str, after: Mapping[str, int]) -> list[Grant]:
        """Return the grants that a runner has of each of these limits, the first of their needs,
        as far as their numbers are higher. A higher number is given later. Only reads.
        """

    async def free_places(self, runner_id: str) -> None:
        """Give back all places of bodies of a runner that was fenced or has ended, and give them to
        others. Its waiters leave; the runners that take its runs over ask again. The place of a run
        stays with the run.
        """

    async def record_limits(
        self, definitions: Sequence[LimitDefinition], together: Sequence[Collection[str]]
    ) -> None:
        """Record the limits of a program, the newest definition counts; each of ``together`` are
        names of limits that one task needs. Where another definition was recorded, its act is
        noted, and the places are given that are free by the new one.
        """

    async def set_limit(self, name: str, changes: LimitChanges | None, act: ActRow) -> bool | None:
        """Put settings over those of the definition of a limit, beside those that were put earlier,
        or (None) take all of these away; note the act, and give the places that are free by it.
        Nothing that is held is cut. Returns whether it has changed anything: if not, nothing is
        noted. None if no program has recorded the limit.
        """
