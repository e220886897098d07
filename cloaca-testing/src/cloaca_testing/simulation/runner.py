"""A runner of a story: an engine with a loop and a clock of its own, which can be killed, stand
still, and start again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from cloaca_core.assembly.host import EngineHost
from cloaca_core.client.async_runner import AsyncRunner
from cloaca_core.engine.execute.attempt import Attempt
from cloaca_testing.executor import DrivenCalls, DrivenCoroutines, DrivenExecutor, DrivenPolls
from cloaca_testing.host import MEMORY, HarnessHost, _end_all, _ignore
from cloaca_testing.running_loops import as_if_running
from cloaca_testing.simulation.checks import BrokenPromiseError
from cloaca_testing.simulation.loops import SteppedDriver, WorldLoop
from cloaca_testing.simulation.store import MemberStore
from cloaca_testing.virtual_clock import VirtualClock

if TYPE_CHECKING:
    import concurrent.futures

    from cloaca_core.assembly.engine import Engine
    from cloaca_core.assembly.store import Store
    from cloaca_core.engine.execute.work import Work
    from cloaca_core.store.protocol import StoreOptions
    from cloaca_testing.driver import Driver
    from cloaca_testing.simulation.surroundings import Surroundings

T = TypeVar("T")

LONGEST_BODY = 4.0
"""Seconds that a sync body takes at most: half before its first line, half after its last."""


class WorldDriver(SteppedDriver):
    """A driver whose waits let the whole world go on."""

    def __init__(self, member: Member) -> None:
        super().__init__(member.world.stand_ins, autoskip=True)
        self.member = member

    def _wait_for(self, is_over: Callable[[], bool], seconds: float | None, why: str) -> None:
        self.member.world.go_on(lambda: self.killed or is_over(), why, seconds)
        self.check_alive()


class _Calls(DrivenCalls):
    """Sync bodies that take time."""

    def __init__(self, slots: int, driver: Driver, member: Member) -> None:
        super().__init__(slots, driver)
        self._member = member

    def _start(self, work: Work) -> None:
        self._driver.loop.call_later(self._member.body_time(), super()._start, work)

    def _call(self, work: Work) -> None:
        self._member.begins(work)
        super()._call(work)

    def _has_returned(self, work: Work) -> None:
        self._driver.loop.call_later(self._member.body_time(), self._is_over, work)

    def _is_over(self, work: Work) -> None:
        self._member.ends(work)
        super()._has_returned(work)


class _Coroutines(DrivenCoroutines):
    """Async bodies that begin after some time."""

    def __init__(self, slots: int, driver: Driver, member: Member) -> None:
        super().__init__(slots, driver)
        self._member = member

    def _start(self, work: Work) -> None:
        self._driver.loop.call_later(self._member.body_time(), super()._start, work)

    async def _run(self, work: Work) -> None:
        self._member.begins(work)
        try:
            await super()._run(work)
        finally:
            self._member.ends(work)


class SimulatedBodies(DrivenExecutor):
    """Places for bodies that take time."""

    def _bodies(self, threads: int, coroutines: int) -> tuple[_Calls, _Coroutines]:
        driver = self._driver
        assert isinstance(driver, WorldDriver)
        member = driver.member
        return _Calls(threads, driver, member), _Coroutines(coroutines, driver, member)


class SimulatedHost(HarnessHost):
    """The engine of a member, on the database of the world."""

    def __init__(self, member: Member) -> None:
        world = member.world
        super().__init__(MEMORY, world.config, world.registry, member.driver, member.clock)
        self._member = member

    def send(self, ask: Callable[[Engine], Coroutine[Any, Any, T]]) -> concurrent.futures.Future[T]:
        return EngineHost.send(self, ask)

    async def _open_store(self, options: StoreOptions) -> Store:
        world = self._member.world
        store = world.open_store(
            lambda clock: EngineHost._open_store(self, replace(options, clock=clock, inline=True))
        )
        view = MemberStore(store, self._member, self._member.chance)
        self._member.store = view
        return cast("Store", view)

    def _new_engine(self, store: Store) -> Engine:
        from cloaca_core.assembly.engine import Engine

        engine = Engine(
            store, self.config, self.registry, self._clock, SimulatedBodies, self._break_down,
            redact=self.redact,
        )  # fmt: skip
        engine.sweeps.off = True
        engine.trigger_loop.places = DrivenPolls(self._driver)
        self._driver.look_again = engine.trigger_loop.wake
        return engine

    def crash(self) -> None:
        """End the engine where it stands, as ``kill -9`` does."""
        thread, calls = self._thread, []
        self._thread = self._engine = self._opening = None
        loop = self._member.loop
        self._driver.killed = True
        loop.set_exception_handler(_ignore)
        if thread is not None:
            calls = list(thread._calls.values())
            thread.fail("the process was killed")
        with as_if_running(loop):
            _end_all(loop, by=loop.number)
        for call in calls:
            call.close()  # also where it has not begun


class _Runner(AsyncRunner):
    def __init__(self, host: SimulatedHost) -> None:
        self._use(host)


class Member:
    """One runner of a story, through all of its processes."""

    def __init__(self, world: Surroundings, number: int, skew: float) -> None:
        self.world: Surroundings = world
        self.name: str = f"runner {number + 1}"
        seed = f"{self.name} of {world.seed}"
        self.chance: random.Random = random.Random(seed)  # noqa: S311 - no secret
        self.awake_at: float = 0.0
        self.disturbed_at: float = 0.0
        self.lost: list[tuple[str, str | None]] = []
        self.store: MemberStore | None = None
        self.host: SimulatedHost | None = None
        self._skew = skew
        self._number = 0
        self._make()

    def _make(self) -> None:
        self.driver: WorldDriver = WorldDriver(self)
        self.loop: WorldLoop = self.driver.loop
        self.loop.jump_to(self.world.now)
        self.clock: VirtualClock = VirtualClock(lambda: self.loop, self.world.start)
        self.clock.step(self._skew)

    def set_clock(self, seconds: float) -> None:
        """Set the clock of its machine."""
        self._skew += seconds
        self.clock.step(seconds)

    @property
    def lives(self) -> bool:
        """Whether its process runs."""
        return self.host is not None

    @property
    def is_open(self) -> bool:
        """Whether it takes calls."""
        return self.host is not None and self.host._engine is not None

    def begin(self) -> None:
        """Start its process."""
        if self.host is not None:
            return
        if self._number:
            self._make()
        self._number += 1
        self.disturbed_at = self.world.now
        self.world.story.tell(self.name, "starts")
        self.host = host = SimulatedHost(self)
        self.runner: AsyncRunner = _Runner(host)
        opening = host.open()
        self.loop.set_exception_handler(self._broke)
        opening.add_done_callback(lambda future: self._opened(host, future))

    def _broke(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.world.failed(error or BrokenPromiseError(f"{self.name}: {context['message']}"))

    def _opened(self, host: SimulatedHost, opening: concurrent.futures.Future[None]) -> None:
        if host is not self.host:
            return
        if opening.cancelled() or opening.exception() is not None:
            self.world.story.tell(self.name, "could not start")
            self.crash()
            self.world.later(1.0, self.begin)
        else:
            host.begin()

    def crash(self) -> None:
        """Kill its process."""
        if self.host is not None:
            host, self.host, self.store = self.host, None, None
            self.awake_at = 0.0
            host.crash()
            self.world.bodies.lost(self)
            self.world.dead.append(self.driver)

    @property
    def runner_id(self) -> str | None:
        """The id under which it owns runs; None while it is not open."""
        if self.host is None or self.host._engine is None:
            return None
        return self.host._engine.runner_id.current

    def take_lost(self, name: str) -> str | None:
        """How this write is lost; None if it is not."""
        for each in self.lost:
            what, operation = each
            if operation in (None, name):
                self.lost.remove(each)
                self.disturbed_at = self.world.now
                return what
        return None

    # -- bodies ------------------------------------------------------------------------------

    def body_time(self) -> float:
        """Seconds for half of a body."""
        return self.chance.uniform(0.0, LONGEST_BODY / 2) if self.chance.random() < 0.5 else 0.0

    def begins(self, work: Work) -> None:
        """A body begins."""
        if isinstance(work, Attempt) and not work.abandoned:
            self.world.bodies.begins(self, work)

    def ends(self, work: Work) -> None:
        """A body has ended."""
        if isinstance(work, Attempt):
            self.world.bodies.ends(self, work)
