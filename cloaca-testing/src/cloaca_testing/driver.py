"""Drives an engine on the threads that wait for it: steps its loop, and runs the bodies.

There is no thread of the engine. A thread that waits does the work meanwhile: the test's thread in
a call of the harness, and a body, or a thread of a body, in a call of its own. Sync bodies never
run within the loop, so the loop is never entered twice, and a body may block or stop in a debugger.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, TypeVar

from cloaca_core.engine.runtime.thread_calls import CallFuture
from cloaca_core.errors import RunnerClosedError, RunnerUsageError
from cloaca_testing.running_loops import beside_running_loop
from cloaca_testing.virtual_loop import BOOT, REAL_LIMIT, StandstillError, VirtualLoop

if TYPE_CHECKING:
    from cloaca_core.engine.execute.executor import PendingCall
    from cloaca_testing.stand_ins import StandIns

T = TypeVar("T")

MICROSECOND: Final = 1e-6
"""Instants are whole microseconds; a timer that is late by less is due."""
YEAR: Final = 366 * 86_400.0
"""Seconds after which a wait has certainly waited for something that does not come."""
SOCKETS: Final = 5.0
"""Seconds of real time after which a coroutine waits for something else than its socket."""
LOOKS_UP: Final = 0.005
"""Seconds between two looks of a thread that waits for another thread."""


class EngineKilled(SystemExit):
    """Unwinds all code of an engine that a test has killed. asyncio lets this kind of exception out
    of a loop at once.
    """


class EngineDiedError(RunnerClosedError):
    """The engine was killed during a call of the test; the next one has begun."""


def despite_kills(look: Callable[[], T]) -> T:
    """Look at something; once more if the engine is killed meanwhile."""
    while True:
        with suppress(EngineDiedError):
            return look()


class Happened(NamedTuple):
    """How often the test has acted, and how many bodies have begun: all that a program of the test
    can have changed.
    """

    acts: int
    bodies: int


class DrivenLoop(VirtualLoop):
    """The loop of one engine. It returns when nothing is left to do at this instant."""

    def __init__(self, driver: Driver, now: float) -> None:
        super().__init__(now)
        self.driver: Driver = driver
        self.thread: int | None = None

    def patience(self) -> float:
        """Sockets are waited for while there are any, beside the loop's own, and a coroutine that
        may use them.
        """
        return SOCKETS if self.has_sockets() and self.driver.has_coroutines() else 0.0

    def idle(self) -> None:
        self.stop()

    async def named(self, coroutine: Coroutine[Any, Any, T], name: str) -> T:
        """Await a coroutine as real work of this name."""
        with self.real_work(name):
            return await coroutine

    def is_here(self) -> bool:
        """Whether this thread is within the loop, in the body of a coroutine for instance."""
        return self.thread == threading.get_ident()


class Driver:
    """Of one harness. ``loop`` is the loop of its engine, another one after each kill; ``context``
    has the context variables of the test; ``killed`` is set from a kill until the next engine,
    which ``revive`` starts. ``has_coroutines`` tells whether async bodies run. ``look_again`` wakes
    triggers that rest.
    """

    kind_of_loop: ClassVar[type[DrivenLoop]] = DrivenLoop

    def __init__(self, stand_ins: StandIns, *, autoskip: bool) -> None:
        self.revive: Callable[[], None] = _no_next
        self.stand_ins: StandIns = stand_ins
        self.autoskip: bool = autoskip
        self.killed: bool = False
        self.has_coroutines: Callable[[], bool] = _never
        self.look_again: Callable[[], object] = _never
        self._acts = 0
        self.context: contextvars.Context = contextvars.copy_context()
        self.loop: DrivenLoop = self.kind_of_loop(self, BOOT)
        self._bodies: deque[Callable[[], None]] = deque()
        self._dead: list[DrivenLoop] = []
        self._entered = threading.Lock()
        self._owner = threading.get_ident()
        self._depth = 0

    def queue(self, body: Callable[[], None]) -> None:
        """Have a sync body called, by a thread that waits."""
        self._bodies.append(body)

    @property
    def happened(self) -> Happened:
        """The counts of acts and of begun bodies at this moment."""
        return Happened(self._acts, self.stand_ins.begun)

    def kill(self) -> None:
        """Let the engine come no further: all of its code is unwound from here on."""
        self.killed = True
        raise EngineKilled

    @property
    def is_driving(self) -> bool:
        """Whether a call of the test is under way."""
        return self._depth > 0

    def check_alive(self) -> None:
        """Go on unwinding, if the engine was killed."""
        if self.killed:
            raise EngineKilled

    def next_loop(self) -> DrivenLoop:
        """Make the loop of the next engine; it goes on at the same time. Returns the old one."""
        before, self.loop = self.loop, self.kind_of_loop(self, self.loop.time())
        self._dead.append(before)  # closed last: threads of the database may still answer to it
        self._bodies.clear()
        self.killed = False
        return before

    def close(self) -> None:
        """Close all loops."""
        for loop in [*self._dead, self.loop]:
            loop.close()

    # -- at one instant ----------------------------------------------------------------------

    def run(self, coroutine: Coroutine[Any, Any, T], name: str) -> T:
        """Run a coroutine that needs no time on the loop; ``name`` says what it does."""
        task = self.loop.create_task(self.loop.named(coroutine, name))
        self.drive(task.done)
        return task.result()

    def settle(self) -> None:
        """Do all that there is to do at this instant."""
        self._through_kills(lambda: self.drive(_never))

    def drive(self, is_over: Callable[[], bool]) -> bool:
        """Work until ``is_over``, or until nothing is left to do at this instant; whether it is
        over.
        """
        with self._driving():
            while True:
                self._pass()
                if is_over():
                    return True
                if not self._call_body():
                    return is_over()

    @contextmanager
    def _driving(self) -> Iterator[None]:
        if self.loop.is_here():
            raise RunnerUsageError(
                "an async body cannot wait by blocking: the engine of a harness would wait for it; "
                "use harness.async_runner, and await the call"
            )
        self.check_alive()
        if threading.get_ident() != self._owner:
            yield
            return
        if not self._depth:
            self.context = contextvars.copy_context()
        self._depth += 1
        try:
            with beside_running_loop():
                yield
        finally:
            self._depth -= 1

    def _pass(self) -> None:
        """Run the loop until it is idle."""
        with self._entered:
            self.loop.thread = threading.get_ident()
            self.loop.count_anew()
            try:
                self.loop.run_forever()
            except EngineKilled:
                self.killed = True
                raise
            finally:
                self.loop.thread = None
        self.check_alive()
        self.stand_ins.raise_interruption()

    def _call_body(self) -> bool:
        """Call the next body; False if there is none."""
        try:
            body = self._bodies.popleft()
        except IndexError:
            return False
        body()
        self.check_alive()
        self.stand_ins.raise_interruption()
        return True

    # -- time --------------------------------------------------------------------------------

    def go_to(self, when: float) -> None:
        """Let time pass until ``when``; all that is due meanwhile happens at its instant."""
        self.act()
        while self._skip(when):
            self._settle_with_triggers()
        self.loop.jump_to(when)
        self.act()

    def act(self) -> None:
        """The test acts, or looks: do all that there is to do, with triggers that rested."""
        self._acts += 1
        self.look_again()
        self.settle()

    def _settle_with_triggers(self) -> None:
        """Do all that there is to do. Triggers that rest look again at what bodies have done."""
        bodies = self.stand_ins.begun
        self.settle()
        if self.stand_ins.begun > bodies:
            self.look_again()
            self.settle()

    def go_on(self, more: Callable[[], bool]) -> None:
        """Do all that there is to do at this instant; with ``autoskip`` also later, while ``more``
        is to come.
        """
        self.act()
        most = self.loop.time() + YEAR
        while self.autoskip and more() and self._skip(most):
            self._settle_with_triggers()

    def _through_kills(self, act: Callable[[], object]) -> None:
        """Act; if that kills the engine, act once more with the next one."""
        while True:
            try:
                act()
            except EngineKilled:
                if self._is_within_body():
                    raise
                self.revive()
            else:
                return

    def _skip(self, most: float) -> bool:
        """Go to the next timer; False if there is none up to ``most``."""
        when = self.loop.next_timer()
        if when is None or when > most + MICROSECOND:
            return False
        self.loop.jump_to(when)
        return True

    def answer(self, call: PendingCall) -> None:
        """Work until this call of a body is answered. A body that has to wait here leaves at once
        if it can, before any other is called: else bodies that wait would stand one on the other.
        """
        with self._driving():
            self._pass()
            if call.is_answered():
                return
            self.loop.call_soon_threadsafe(call.suspend)
        self.wait_for(call.is_answered, None, "a body waits for something that does not come")

    def wait_for(self, is_over: Callable[[], bool], seconds: float | None, why: str) -> None:
        """Work until ``is_over``; after so many ``seconds`` of virtual time ``TimeoutError``.

        Time passes if that was allowed by a number of seconds or ``autoskip``, and in a body, whose
        thread is the test's: nothing else could go on meanwhile. Else ``StandstillError``.
        """
        try:
            self._wait_for(is_over, seconds, why)
        except EngineKilled:
            if self._is_within_body():
                raise
            self.revive()
            raise EngineDiedError("the engine was killed, as crash_at has asked for") from None

    def _wait_for(self, is_over: Callable[[], bool], seconds: float | None, why: str) -> None:
        most = self.loop.time() + (YEAR if seconds is None else seconds)
        may_skip = seconds is not None or self.autoskip or self._is_within_body()
        while not self.drive(is_over):
            if threading.get_ident() != self._owner and self._is_over_elsewhere(is_over):
                return
            if may_skip and self._skip(most):
                continue
            if seconds is not None:
                self.loop.jump_to(most)
                raise TimeoutError
            raise StandstillError(why)

    def _is_within_body(self) -> bool:
        return self._depth > 0 or threading.get_ident() != self._owner

    def _is_over_elsewhere(self, is_over: Callable[[], bool]) -> bool:
        """Give other threads some real time, on which a thread of a body may wait."""
        never = threading.Event()
        for _ in range(round(REAL_LIMIT / LOOKS_UP)):
            if is_over() or self._bodies:
                return is_over()
            never.wait(LOOKS_UP)
            if not self._entered.locked():
                break
        return is_over()


def _never() -> bool:
    """Is never over."""
    return False


def _no_next() -> None:
    """There is no next engine yet."""


class DrivenFuture(CallFuture[T]):
    """The answer to a call of the engine: a thread that waits for it drives the engine."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        super().__init__()

    def join(self) -> None:
        self._driver.wait_for(lambda: not self._end.empty(), None, _NO_ANSWER)
        super().join()

    def _wait(self, timeout: float | None) -> None:
        if not self.has_arrived():
            self._driver.wait_for(self.has_arrived, timeout, _NO_ANSWER)


_NO_ANSWER: Final = (
    "nothing is left to do at this instant, and the call still waits: let time pass before, "
    "with harness.clock.advance, or by autoskip=True"
)
