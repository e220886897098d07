"""The world of one story: runners, callers and one database, on one virtual time.

Who has the random source: the plan of faults and calls is drawn from the seed before anything
begins; each runner draws the times of its requests and bodies from a source of its own; ids and
jitter of the engines come from one more. How interleavings come about: all that is ready at an
instant is done by one runner after the other, in an order drawn for this instant, and each request
to the database waits a random time before it lands and before it is answered. Each operation of the
database is one step, on the thread of the test. Time passes only when no runner has anything to do:
it goes to the next timer of a runner that is awake, or to the next event of the plan.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

from cloaca_core.store.tables import BY_NAME
from cloaca_testing.driver import Driver, EngineKilled
from cloaca_testing.running_loops import beside_running_loop
from cloaca_testing.simulation.callers import Callers, Start
from cloaca_testing.simulation.checks import Bodies, BrokenPromiseError, Checks, Rows, rows_of
from cloaca_testing.simulation.loops import SteppedDriver
from cloaca_testing.simulation.one_database import OneDatabase
from cloaca_testing.simulation.plan import Acts, Event, Faults
from cloaca_testing.simulation.runner import Member
from cloaca_testing.simulation.store import WRITES, row_of_runner, told
from cloaca_testing.simulation.story import Story
from cloaca_testing.stand_ins import StandIns
from cloaca_testing.virtual_clock import BEGINNING, VirtualClock
from cloaca_testing.virtual_loop import BOOT, StandstillError

if TYPE_CHECKING:
    from cloaca_core.assembly.store import Store, TransferStore
    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.definition.registry import Registry
    from cloaca_core.values.times.clock import Clock
    from cloaca_testing.simulation.surroundings import Sender

PAGE: Final = 10_000
PATIENCE: Final = 3600.0
"""Seconds after the last fault in which everything has to end."""
MOST_STEPS: Final = 50_000


class World:
    """One story; ``run`` tells it to its end."""

    def __init__(
        self,
        seed: int,
        events: Sequence[Event],
        registry: Registry,
        config: DefaultRunnerConfig,
        runners: int,
        faults: Faults,
        acts: Acts,
        start: Start,
        workflow: str,
    ) -> None:
        self.seed = seed
        self.now: float = BOOT
        self.start: datetime = BEGINNING
        self.registry = registry
        self.config = config
        self.stand_ins: StandIns = StandIns()
        self.place: OneDatabase = OneDatabase()
        self.clock: VirtualClock = VirtualClock(lambda: cast("Any", self), BEGINNING)
        self.story: Story = Story(lambda: self.now - BOOT)
        self.checks: Checks = Checks(self.story)
        totals = {each.name: each.settings.total for each in registry.limits()}
        self.bodies: Bodies = Bodies(self.story, lambda: self.rows(), totals)
        self.dead: list[Driver] = []
        self._order = random.Random(f"order {seed}")  # noqa: S311 - no secret
        self._store: Store | None = None
        self._later: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self._broken: BaseException | None = None
        self._rows: Rows | None = None
        self._known_rows: dict[tuple[Any, ...], dict[str, Any]] = {}
        self._steps = 0
        skews = random.Random(f"skew {seed}")  # noqa: S311 - no secret
        self.members: list[Member] = [
            Member(self, each, skews.uniform(-faults.skew, faults.skew)) for each in range(runners)
        ]
        self.callers: Callers = Callers(self, workflow, acts, start)
        self._events = events
        self._quiet_at = faults.seconds

    def time(self) -> float:
        """The time of the database's clock, as of a loop."""
        return self.now

    # -- the database ------------------------------------------------------------------------

    def open_store(self, open_it: Callable[[Clock], Coroutine[Any, Any, Store]]) -> Store:
        """The one database, opened by who comes first."""
        if self._store is None:
            self._store = self.place.do(open_it(self.clock))
        return self._store

    def operate(
        self, member: Sender, name: str, operation: Callable[..., Any], args: Any, options: Any
    ) -> Any:
        """Run an operation of a member, tell what it did, and check what the tables say then."""
        answer = self.place.do(operation(*args, **options))
        if name == "register":
            self.story.is_runner(row_of_runner(args).id, member.name)
        if name == "fence" and answer:
            self.story.tell(member.name, f"declares {self.story.runner(args[0])} dead")
            self._refuse_theft(args[0])
        for what in told(name, args, answer, self.story.run):
            self.story.tell(member.name, what)
        if name in WRITES:
            self._rows = None
            if name not in ("beat", "register"):
                self._check()
        return answer

    def _refuse_theft(self, runner_id: str) -> None:
        """Nothing may declare a runner dead that has worked undisturbed for longer than a lease."""
        for each in self.members:
            undisturbed = self.now - max(each.disturbed_at, each.awake_at)
            if each.runner_id == runner_id and undisturbed > 2 * self.config.lease_seconds:
                self.failed(
                    BrokenPromiseError(f"{each.name} is declared dead, and lives and beats")
                )

    def rows(self) -> Rows:
        """The tables as they are."""
        if self._rows is None:
            transfer = cast("TransferStore", self._store).transfer()

            def pages(name: str) -> list[tuple[Any, ...]]:
                table = BY_NAME[name]
                return self.place.do(transfer.page(table, table.beginning, PAGE))

            self._rows = rows_of(pages, self._known_rows)
        return self._rows

    def _check(self) -> None:
        try:
            self.checks.look(self.rows())
        except BrokenPromiseError as error:
            self._broken = self._broken or error

    def failed(self, error: BaseException) -> None:
        """The story ends with this error."""
        self._broken = self._broken or error

    def announce(self, member: Sender) -> None:
        """Let the other runners hear, some time later, that something has changed."""
        for each in self.members:
            if each is not member and each.store is not None:
                each.store.notice_in(self._order.uniform(0.0, 0.02))

    # -- time --------------------------------------------------------------------------------

    def later(self, seconds: float, act: Callable[[], object]) -> None:
        """Call something after so many seconds."""
        heapq.heappush(self._later, (self.now + seconds, next(self._numbers), act))

    def go_on(self, is_over: Callable[[], bool], why: str, seconds: float | None = None) -> None:
        """Let the world go on until ``is_over``."""
        until = None if seconds is None else self.now + seconds
        while not is_over():
            if until is not None and self.now >= until:
                raise TimeoutError
            if not self._step():
                raise StandstillError(why)

    def _places(self) -> list[SteppedDriver]:
        awake = [each.driver for each in self.members if each.lives and each.awake_at <= self.now]
        return [*awake, self.callers.driver]

    def _step(self) -> bool:
        """Do something at this instant, or go to the next one; False if there is none."""
        if self._broken is not None:
            raise self._broken
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise BrokenPromiseError(f"no end: {MOST_STEPS} steps, and the runners are still busy")
        places = self._places()
        if ready := [each for each in places if each.has_work(self.now)]:
            one = self._order.choice(ready)
            one.loop.jump_to(self.now)
            try:
                one.step()
            except EngineKilled:  # in the middle of one of its bodies
                pass
            except BrokenPromiseError as error:
                self.failed(error)
            return True
        instants = [when for each in places if (when := each.loop.next_timer()) is not None]
        instants += [
            each.awake_at for each in self.members if each.lives and each.awake_at > self.now
        ]
        instants += [self._later[0][0]] if self._later else []
        if not instants:
            return False
        self.now = max(self.now, min(instants))
        while self._later and self._later[0][0] <= self.now:
            heapq.heappop(self._later)[2]()
        return True

    # -- the story ---------------------------------------------------------------------------

    def run(self) -> None:
        """Tell the story; ``BrokenPromiseError`` where it goes wrong."""
        with beside_running_loop():
            self._tell()

    def _tell(self) -> None:
        for member in self.members:
            self.later(self._order.uniform(0.0, 3.0), member.begin)
        for event in self._events:
            self.later(event.at, lambda event=event: self._happens(event))  # type: ignore[misc]
        until = self.now + self._quiet_at
        self.later(self._quiet_at, lambda: None)
        self.go_on(lambda: self.now >= until and not self.callers.busy, "the story stands still")
        self._calm()
        until = self.now + PATIENCE
        self.callers.finish()
        self.go_on(lambda: self.now > until or self._is_over(), "the story stands still")
        if (left := self.checks.all_ended(self.rows())) is not None:
            raise BrokenPromiseError(f"{left}, {PATIENCE:g} s after the last fault")
        self._rows = None
        self.checks.look(self.rows())

    def _is_over(self) -> bool:
        return not self.callers.busy and self.checks.all_ended(self.rows()) is None

    def _calm(self) -> None:
        """No more faults: all runners are there and awake."""
        self.story.tell("all", "no more faults")
        for member in self.members:
            member.awake_at = min(member.awake_at, self.now)  # if it was not until now
            member.lost.clear()
            member.begin()

    def _happens(self, event: Event) -> None:
        member = self.members[event.who % len(self.members)]
        if event.what == "crash":
            if member.lives:
                self.story.tell(member.name, "is killed")
                member.crash()
                self.later(
                    min(event.value, max(0.0, self._quiet_at - (self.now - BOOT))), member.begin
                )
        elif event.what == "pause":
            if member.lives:
                self.story.tell(member.name, f"is not scheduled for {event.value:.1f} s")
                member.awake_at = self.now + event.value
        elif event.what == "clock":
            self.story.tell(member.name, f"has its clock set by {event.value:+.1f} s")
            member.set_clock(event.value)
        elif event.what in ("answer lost", "request lost"):
            member.lost.append((event.what, event.value))
        else:
            self.callers.act(event)

    def close(self) -> None:
        """End everything."""
        for member in self.members:
            member.crash()
        self.callers.close()
        if self._store is not None:
            self.place.do(self._store.close())
        for driver in (*self.dead, *(each.driver for each in self.members)):
            driver.close()
        self.place.close()
