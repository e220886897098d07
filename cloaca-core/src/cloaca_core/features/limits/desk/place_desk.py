"""Speaks with the database about places of limits: asks for places, gives them back, and hears what
this runner was given.

What comes while a transaction is under way goes into the next one. No place is asked for in
intervals: the loop acts when there is something to say, at an instant that the database has named,
when another runner may have given places to this one, and when those of runs that no runner has are
to be tended.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final

from cloaca_core.engine.runtime import failpoints
from cloaca_core.engine.runtime.supervisor import Wakeup
from cloaca_core.features.limits.desk.unclaimed import UnclaimedPlaces
from cloaca_core.features.limits.desk.undecided import Undecided
from cloaca_core.features.limits.records import GIVEN, Given, Grant, Unit
from cloaca_core.run.rows import THE_TASK
from cloaca_core.values.times.instants import SECOND

if TYPE_CHECKING:
    from cloaca_core.engine.recover.runner_id import RunnerId
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.features.limits.desk.waiting import Waiting
    from cloaca_core.features.limits.part import LimitStore
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.store.batch import Committed
    from cloaca_core.values.times.clock import Clock

MOST_REQUESTS: Final = 500
"""Waiters for which one transaction asks, and those that it removes, and places that it returns."""
LEAST_PAUSE: Final = 0.001
"""Seconds by which a timer may fire too early."""


class PlaceDesk:
    """Belongs to the engine's loop. ``record`` records the limits that the program has registered,
    ``limits`` are the names of those that its tasks and workflows use.

    Of the waiters in ``_unasked`` the database does not know. ``_back`` and ``_left`` are places
    and waiters that the next transaction removes, ``_again`` limits of which it gives places. At
    ``_look_at`` a limit may have places because of its rate. ``_settings`` are those of all limits
    at the last look. ``_forgotten`` counts runs that have left this runner. While it
    ``_is_unsure`` a transaction had no answer that has not been sent again since. Of each limit
    this runner has been given places up to the number in ``_given``, as far as it knows, and it has
    looked for all up to the one in ``_looked``; runs of ``_lacking`` may have earlier ones.
    """

    def __init__(
        self,
        store: LimitStore,
        waiting: Waiting,
        runner_id: RunnerId,
        clock: Clock,
        subjects: Subjects,
        record: Callable[[], Awaitable[None]],
        limits: Callable[[], Collection[str]],
    ) -> None:
        self._subjects = subjects
        self._limits = limits
        self._unclaimed = UnclaimedPlaces(store, clock, limits, partial(_is_used, waiting))
        self._below: set[ActiveRun] = set()
        self._store = store
        self._waiting = waiting
        self._runner_id = runner_id
        self._clock = clock
        self._record = record
        self._wakeup = Wakeup()
        self._unasked: dict[Unit, None] = {}
        self._back: list[Grant] = []
        self._left: dict[Unit, None] = {}
        self._undecided = Undecided(waiting)
        self._again: set[str] = set()
        self._names: set[str] = set()
        self._given: dict[str, int] = {}
        self._looked: dict[str, int] = {}
        self._lacking: set[str] = set()
        self._look_at: int | None = None
        self._has_news = self._is_unsure = self._may_differ = False
        self._has_registered = True  # as the engine opened, which heard of nothing yet
        self._settings: dict[str, tuple[str, str]] = {}
        self._forgotten = 0
        self._settled: Committed | None = None
        subjects.claimable.subscribe(self._may_have_got)
        subjects.definitions.subscribe(self._registered)
        subjects.limits.subscribe(self._may_have_got)
        subjects.limits.subscribe(self._settings_may_differ)
        subjects.anything.subscribe(self._settings_may_differ)
        subjects.ended_elsewhere.subscribe(self._tend_soon)

    # -- what there is to say ----------------------------------------------------------------

    def ask(self, unit: Unit, names: Iterable[str], *, lacks: bool = False) -> None:
        """A unit waits from now on for places of these limits. ``lacks``: it may have some."""
        self._unasked[unit] = None
        self._undecided.discard(unit)
        if lacks:
            self._has_news = True
            self._lacking.add(unit[0])
        self._names.update(names)
        self._wakeup.wake()

    def look_above(self, run: ActiveRun) -> None:
        """Find out which places the runs above a run have."""
        self._below.add(run)
        self._wakeup.wake()

    def leave(self, unit: Unit) -> None:
        """A unit does not wait any more."""
        self._unasked.pop(unit, None)
        self._undecided.discard(unit)
        self._left[unit] = None
        self._wakeup.wake()

    def give_back(self, grant: Grant) -> None:
        """Give places back without a record."""
        self._back.append(grant)
        self._wakeup.wake()

    def forget_run(self) -> None:
        """A run has left this runner; it may come back as another one."""
        self._forgotten += 1

    def runner_gone(self) -> None:
        """Another runner is gone, which may have been about to look at a limit, or to make runs
        claimable that have got places.
        """
        self._unclaimed.runner_gone()
        self._look_at = None  # that is one instant for all limits: find the one of each again
        self._tend_soon()
        if names := self._waiting.names():
            self._again.update(names)
            self._may_have_got()

    def _tend_soon(self) -> None:
        """Runs may have ended without an owner, or have got places."""
        if self._unclaimed.is_concerned is not False:
            self._unclaimed.want()
            self._wakeup.wake()

    def _may_have_got(self) -> None:
        if self._waiting.names():
            self._has_news = True
            self._wakeup.wake()

    def _settings_may_differ(self) -> None:
        """Somebody may have changed a limit: who did gave its free places, but may not have waited
        for the next ones.
        """
        if self._unclaimed.is_concerned and (self._look_at is not None or self._waiting.names()):
            self._may_differ = True
            self._wakeup.wake()

    def _registered(self) -> None:
        """The program may have defined a limit, or a task that has limits."""
        self._unclaimed.registered()
        self._has_registered = True
        self._wakeup.wake()

    # -- the loop ----------------------------------------------------------------------------

    async def turn(self) -> None:
        """Say what there is to say, then sleep until there is more."""
        await self._wakeup.turn(self._act)

    async def _act(self) -> float | None:
        await self._record_new()
        if self._may_differ:
            await self._look_at_settings()
        if self._has_news:
            await self._look()
        if self._below:
            await self._look_above()
        if await self._unclaimed.is_due():
            await self._tend()
        if self._look_at is not None and self._look_at <= self._clock.wall():
            self._look_at = None
            self._again |= self._names
        while self._unasked or self._back or self._left or self._again:
            await self._record_new()
            await self._transact()
        looks = [at for at in (self._look_at, self._unclaimed.due_at) if at is not None]
        return max(LEAST_PAUSE, (min(looks) - self._clock.wall()) / SECOND) if looks else None

    async def _record_new(self) -> None:
        """Record the limits that were registered meanwhile, before anything asks for their places:
        a limit without its row counts as one without bounds.
        """
        while self._has_registered:
            self._has_registered = False
            try:
                await self._record()
            except BaseException:
                self._has_registered = True
                raise

    async def _look_above(self) -> None:
        below, self._below = self._below, set()
        try:
            found = await self._store.held_above([run.id for run in below])
        except BaseException:
            self._below |= below
            raise
        self._waiting.above({run: found.get(run.id, ()) for run in below})

    async def _tend(self) -> None:
        if self._unclaimed.due_at is None:  # the runner has just opened
            self._again |= set(self._limits())  # more may be free by its definitions
        found = await self._unclaimed.tend()
        if found.woken:
            self._subjects.claimable.publish()
        if found.freed:
            self._may_have_got()
        if not found.timed <= self._names or (found.timed and self._look_at is None):
            self._names |= found.timed
            self._again |= found.timed

    async def _transact(self) -> None:
        """Say what there is to say. If this runner was fenced there is nothing: who fences it gives
        its places to others, and its runs leave this runner before it has another id.
        """
        runner_id = self._runner_id.current
        units = _taken(self._unasked)
        waiters = [each for unit in units if (each := self._waiting.waiter(unit)) is not None]
        requests = [each._replace(runner_id=runner_id) for each in waiters]
        left = _taken(self._left, [unit for unit in units if unit in self._left])
        back, again = self._back[:MOST_REQUESTS], self._again
        del self._back[:MOST_REQUESTS]
        self._again = set()
        self._undecided.ask(units)
        failpoints.hit("places.before_ask")
        try:
            given = await self._store.ask_places(
                runner_id, requests, back=back, left=left, names=again
            )
            failpoints.hit("places.after_ask")
        except BaseException:
            # It may have been written, or be written later: look now, and once it was sent again.
            self._has_news = self._is_unsure = True
            self._undecided.discard(*units)
            self._unasked |= dict.fromkeys(units)
            self._back, self._again = back + self._back, again | self._again
            self._left = dict.fromkeys([*left, *self._left])
            raise
        if given is None:
            self._undecided.discard(*units)
            return
        self._take(given)
        self._undecided.answered(given.again)
        if self._is_unsure:
            self._is_unsure, self._has_news = False, True
            self._wakeup.wake()

    def given(self, committed: Committed) -> None:
        """A commit of this runner has given places."""
        if committed is not self._settled:  # each entry of a batch tells of the same commit
            self._settled = committed
            for given in committed.of(GIVEN):
                self._take(given)

    def _take(self, given: Given) -> None:
        for grant in given.grants:
            if grant.number > self._looked.get(grant.name, 0):  # else a look has found it already
                self._accept(grant)
        if given.is_repeat:
            self._may_have_got()
        if given.to_claim or given.is_repeat:
            self._unclaimed.want()
        self._again |= given.again
        if given.next_look is not None:
            known = self._look_at
            self._look_at = given.next_look if known is None else min(known, given.next_look)
        if given._replace(grants=()) != Given():
            self._wakeup.wake()

    def _accept(self, grant: Grant) -> None:
        self._given[grant.name] = max(grant.number, self._given.get(grant.name, 0))
        self._waiting.accept(grant)
        unit = grant.run_id, grant.task_id, grant.item
        if self._waiting.waiter(unit) is None:
            self._unasked.pop(unit, None)
        elif grant.item >= THE_TASK:  # else the rest of a group stands in line
            self._undecided.discard(unit)

    # -- other runners -----------------------------------------------------------------------

    async def _look(self) -> None:
        """Find the places that other runners have given to this one."""
        self._has_news = False
        forgotten, before = self._forgotten, dict(self._given)
        lacking = frozenset(self._lacking)
        after = {name: 0 if lacking else self._looked.get(name, 0) for name in self._names}
        try:
            grants = await self._store.list_grants(self._runner_id.current, after)
        except BaseException:
            self._has_news = True
            raise
        if forgotten != self._forgotten:  # a run may be another one by now: look again
            self._has_news = True
            self._wakeup.wake()
            return
        going = ((each.name, each.number) for each in self._back)  # also those of an earlier claim
        known, unread = {*self._waiting.known(), *going}, set[str]()
        self._lacking -= lacking
        for grant in _unseen(grants, self._looked, lacking):
            if self._waiting.are_coming(grant):
                unread.add(grant.name)  # the next look finds it if its run does not come
            elif (grant.name, grant.number) not in known:
                self._accept(grant)
            before[grant.name] = max(grant.number, before.get(grant.name, 0))
        self._looked |= {name: last for name, last in before.items() if name not in unread}

    async def _look_at_settings(self) -> None:
        """Ask again for places of limits whose settings are others than at the last look."""
        self._may_differ = False
        try:
            rows = await self._store.list_limits()
        except BaseException:
            self._may_differ = True
            raise
        before, self._settings = self._settings, {it.name: (it.content, it.changes) for it in rows}
        others = {name for name, each in self._settings.items() if before.get(name) != each}
        self._again.update(others.intersection(self._names))

    async def free(self, runner_id: str) -> None:
        """A runner was fenced, perhaps the first one with limits: give its places to others."""
        self._unclaimed.runner_gone()
        if await self._unclaimed.find_limits():
            await self._store.free_places(runner_id)
            self.runner_gone()

    async def depart(self) -> None:
        """The runner leaves: give back what it still has, before its row goes."""
        if self._unclaimed.is_concerned:
            await self._store.free_places(self._runner_id.current)
            await self._store.tend_places(0)


def _taken(units: dict[Unit, None], first: Iterable[Unit] = ()) -> list[Unit]:
    """Take out as many units as one transaction tells of, the ``first`` of them before others: who
    asks anew leaves before, or its new waiter would leave later.
    """
    taken = list(islice(dict.fromkeys(first) | units, MOST_REQUESTS))
    for each in taken:
        del units[each]
    return taken


def _is_used(waiting: Waiting) -> bool:
    """Whether anything waits here or has places."""
    return bool(waiting.names() or waiting.known())


def _unseen(
    grants: Iterable[Grant], looked: Mapping[str, int], lacking: Collection[str]
) -> Iterator[Grant]:
    """The grants that no look has found yet, and all of runs that may lack some."""
    for grant in grants:
        if grant.number > looked.get(grant.name, 0) or grant.run_id in lacking:
            yield grant
