"""The runs that this runner owns, and the attempts of each that are under way here. Only data."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloaca_core._engine.execute.attempt import Attempt
    from cloaca_core._engine.plan.active_run import ActiveRun


class UnderWay:
    """The attempts of a run, and the timers of retries, by the index of their task. ``away`` counts
    the attempts that wait for other runs.
    """

    __slots__ = ("attempts", "away", "retries")

    def __init__(self) -> None:
        self.attempts: dict[int, Attempt] = {}
        self.retries: dict[int, asyncio.TimerHandle] = {}
        self.away: int = 0

    def waits(self) -> bool:
        """True when there are attempts, and the bodies of all of them wait for other runs."""
        return 0 < self.away == len(self.attempts)


class ActiveRuns:
    """Belongs to the engine's loop, but for ``owns``."""

    def __init__(self) -> None:
        self._runs: dict[str, ActiveRun] = {}
        self._under_way: dict[ActiveRun, UnderWay] = {}
        self._away: set[ActiveRun] = set()

    def __len__(self) -> int:
        return len(self._runs)

    def __iter__(self) -> Iterator[ActiveRun]:
        return iter(list(self._runs.values()))

    def __contains__(self, run_id: object) -> bool:
        return run_id in self._runs

    def ids(self) -> set[str]:
        """The ids of all runs."""
        return set(self._runs)

    def get(self, run_id: str) -> ActiveRun | None:
        """The run of this id, if it is ours."""
        return self._runs.get(run_id)

    def owns(self, attempt: Attempt) -> bool:
        """True for an attempt of a run that is ours. Any thread may ask."""
        return self._runs.get(attempt.owner.id) is attempt.owner

    def add(self, run: ActiveRun) -> None:
        """The run is ours from now on."""
        self._runs[run.id] = run

    def remove(self, run: ActiveRun) -> bool:
        """The run is not ours any more; false when it was not, or has been claimed anew since."""
        if self._runs.get(run.id) is not run:
            return False
        del self._runs[run.id]
        return True

    def scheduled(self) -> list[str]:
        """The runs that schedules have made: a tick may cancel those, on any runner."""
        return [run.id for run in self._runs.values() if run.row.schedule_id is not None]

    # -- attempts under way ------------------------------------------------------------------

    def under_way(self, run: ActiveRun) -> UnderWay:
        """The attempts and timers of this run, to be read and changed."""
        found = self._under_way.get(run)
        if found is None:
            found = self._under_way[run] = UnderWay()
        return found

    def forget(self, run: ActiveRun) -> UnderWay | None:
        """The run has nothing under way any more; returns what it had."""
        self._away.discard(run)
        return self._under_way.pop(run, None)

    def attempts(self, run: ActiveRun) -> list[Attempt]:
        """Its attempts that are under way."""
        found = self._under_way.get(run)
        return [] if found is None else list(found.attempts.values())

    def has(self, attempt: Attempt) -> bool:
        """Whether this attempt is under way; false when it was replaced by another."""
        found = self._under_way.get(attempt.owner)
        return found is not None and found.attempts.get(attempt.index) is attempt

    def discard(self, attempt: Attempt) -> None:
        """Remove this attempt, if it is under way."""
        found = self._under_way.get(attempt.owner)
        if found is not None and found.attempts.get(attempt.index) is attempt:
            del found.attempts[attempt.index]

    def are_busy(self) -> bool:
        """Whether any attempt is under way."""
        return any(each.attempts for each in self._under_way.values())

    def go_away(self, run: ActiveRun) -> None:
        """An attempt of this run begins to wait for another run."""
        self.under_way(run).away += 1
        self._away.add(run)

    def come_back(self, run: ActiveRun) -> None:
        """An attempt of this run waits no more."""
        if (found := self._under_way.get(run)) is not None:
            found.away -= 1
            if not found.away:
                self._away.discard(run)

    def only_waits(self, run: ActiveRun) -> bool:
        """Whether all that this run has under way are bodies that wait for other runs."""
        return run in self._away and self._under_way[run].waits()

    def waiting(self) -> int:
        """How many runs only wait for others."""
        return sum(self.only_waits(run) for run in self._away)
