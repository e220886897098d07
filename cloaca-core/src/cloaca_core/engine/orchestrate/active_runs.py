"""The runs that this runner owns, their attempts under way in this process, and the places for more
runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from cloaca_core.engine.execute.children import Children

if TYPE_CHECKING:
    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.run.active_run import ActiveRun

_NONE: Final[Mapping[int, Attempt]] = {}


class ActiveRuns:
    """Belongs to the engine's loop, but for ``owns`` and ``made``.

    ``_attempts`` are by run and by the index of their task. ``_away`` counts, for each run that has
    some, the attempts that wait for other runs. ``_without_place`` are runs that wait here for a
    message, without a body: they do not count against ``max_active_runs``.
    """

    def __init__(self) -> None:
        self._runs: dict[str, ActiveRun] = {}
        self._attempts: dict[ActiveRun, dict[int, Attempt]] = {}
        self._away: dict[ActiveRun, int] = {}
        self._without_place: set[ActiveRun] = set()
        self._attempt_over: asyncio.Event | None = None  # while a shutdown waits for it
        self.children: Children = Children()
        self.beside: WeakKeyDictionary[ActiveRuns, bool] = WeakKeyDictionary()
        """The collections of other engines in this process, and whether each uses the same
        database.
        """

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
        """The run with this id; None if this runner does not own it."""
        return self._runs.get(run_id)

    def owns(self, attempt: Attempt) -> bool:
        """Whether the attempt's run is ours. Any thread may ask."""
        return self._runs.get(attempt.owner.id) is attempt.owner

    def made(self, attempt: Attempt) -> bool:
        """Whether the attempt's run is or was ours, or belongs to another engine in this process
        that is known to use the same database. Any thread may ask.
        """
        home = attempt.owner.home
        return home is self or (isinstance(home, ActiveRuns) and self.beside.get(home, False))

    def add(self, run: ActiveRun) -> None:
        """This runner owns the run from now on."""
        run.home = self
        self._runs[run.id] = run

    def remove(self, run: ActiveRun) -> bool:
        """This runner no longer owns the run. Returns False if it did not, or has claimed the run
        anew since.
        """
        if self._runs.get(run.id) is not run:
            return False
        del self._runs[run.id]
        self._without_place.discard(run)
        return True

    def scheduled(self) -> list[str]:
        """The ids of runs that schedules have made: a tick decided by any runner may cancel
        them.
        """
        return [run.id for run in self._runs.values() if run.row.schedule_id is not None]

    # -- attempts under way ------------------------------------------------------------------

    def begin(self, attempt: Attempt) -> None:
        """The attempt is under way from now on."""
        self._without_place.discard(attempt.owner)
        found = self._attempts.get(attempt.owner)
        if found is None:
            self._attempts[attempt.owner] = {attempt.index: attempt}
        else:
            found[attempt.index] = attempt

    def forget(self, run: ActiveRun) -> Collection[Attempt]:
        """The run has nothing under way any more. Returns the attempts that were."""
        self._away.pop(run, None)
        attempts = self._attempts.pop(run, _NONE)
        if attempts and self._attempt_over is not None:
            self._attempt_over.set()
        return attempts.values()

    def attempts(self, run: ActiveRun) -> list[Attempt]:
        """The attempts of the run that are under way."""
        return list(self._attempts.get(run, _NONE).values())

    def has(self, attempt: Attempt) -> bool:
        """Whether this attempt is under way; False also when another attempt has replaced it."""
        return self._attempts.get(attempt.owner, _NONE).get(attempt.index) is attempt

    def discard(self, attempt: Attempt) -> None:
        """Remove this attempt, if it is under way."""
        found = self._attempts.get(attempt.owner)
        if found is not None and found.get(attempt.index) is attempt:
            del found[attempt.index]
            if self._attempt_over is not None:
                self._attempt_over.set()

    def are_busy(self) -> bool:
        """Whether any attempt is under way."""
        return any(self._attempts.values())

    async def quiet(self) -> None:
        """Return when no attempt is under way. No further attempt may begin meanwhile."""
        over = self._attempt_over = self._attempt_over or asyncio.Event()
        while self.are_busy():
            over.clear()
            await over.wait()

    def begin_wait(self, run: ActiveRun) -> None:
        """An attempt of this run begins to wait for another run."""
        self._away[run] = self._away.get(run, 0) + 1

    def end_wait(self, run: ActiveRun) -> None:
        """An attempt of this run no longer waits. Without effect if the run was forgotten."""
        away = self._away.pop(run, 0)
        if away > 1:
            self._away[run] = away - 1

    def only_waits(self, run: ActiveRun) -> bool:
        """Whether all attempts of this run that are under way wait for other runs."""
        return run in self._away and self._away[run] == len(self._attempts.get(run, _NONE))

    def waiting(self) -> int:
        """The number of runs that need no place: they only wait, for other runs or for a
        message.
        """
        if not self._away:
            return len(self._without_place)
        return sum(self.only_waits(run) for run in self._away) + len(self._without_place)

    def may_release_place(self, run: ActiveRun, most: int) -> bool:
        """Whether a run may stay here without a place: not if ``most`` other runs do."""
        return run in self._without_place or len(self._without_place) < most

    def release_place(self, run: ActiveRun) -> None:
        """Let a run that waits for a message stay here without a place."""
        self._without_place.add(run)


class Capacity:
    """Counts the places for runs, and wakes the caller that waits for one. Belongs to the engine's
    loop.

    A runner holds at most ``max_active_runs``. A run takes no place while all its bodies wait for
    other runs. While ``paused``, only runs for which a body here waits get a place. ``asked`` is
    called with each change while another runner asks for runs, ``counted`` if the runs of queues
    are counted.
    """

    def __init__(self, most: int, runs: ActiveRuns) -> None:
        self.paused: bool = False
        self.most: int = most
        self.asked: Callable[[], None] | None = None
        self.counted: Callable[[], None] | None = None
        self._runs = runs
        self._expected = 0
        self._changed = asyncio.Event()
        self._is_enough: Callable[[], bool] | None = None
        self._is_waking = False

    def free(self) -> int:
        """The number of places for further runs."""
        taken = len(self._runs) - self._runs.waiting() + self._expected
        return max(0, self.most - taken)

    @property
    def is_awaited(self) -> bool:
        """Whether runs wait in the table until there are places for them here, also while the
        caller that is to claim them wakes up.
        """
        return self._is_enough is not None or self._is_waking

    def is_in_use(self) -> bool:
        """Whether this runner owns runs, or is about to."""
        return bool(len(self._runs) or self._expected)

    def reserve(self, count: int) -> None:
        """Keep this number of places for runs that are being submitted or claimed."""
        self._expected += count

    def unreserve(self, count: int) -> None:
        """Free reserved places: the runs have arrived, or will not come."""
        self._expected -= count

    @contextmanager
    def reserving(self, count: int) -> Iterator[None]:
        """Keep this number of places within the block."""
        self._expected += count
        try:
            yield
        finally:
            self._expected -= count

    def changed(self) -> None:
        """A place may have become free, or a slot may be free for work."""
        if self.asked is not None:
            self.asked()
        if self.counted is not None:
            self.counted()
        if self._is_enough is not None and self._is_enough():
            self._is_enough = None  # the caller is awake: it asks for itself
            self._is_waking = True
            self._changed.set()

    async def wait_until(self, is_enough: Callable[[], bool]) -> None:
        """Return when ``is_enough()`` is true; each ``changed`` checks again. One caller at a
        time.
        """
        while not is_enough():
            self._is_enough = is_enough
            self._changed.clear()
            try:
                await self._changed.wait()
            finally:
                self._is_enough = None
                self._is_waking = False
