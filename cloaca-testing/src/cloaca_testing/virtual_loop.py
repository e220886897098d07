"""A loop on which time passes only because nothing is left to do before it.

Timers run out in their order at exactly their instants, so days take milliseconds and instants can
be compared for equality. Knows no engine.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any, Final, NoReturn, TypeVar, TypeVarTuple, cast

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

BOOT: Final = 1000.0
"""The monotonic time when the first loop is made."""
REAL_LIMIT: Final = 60.0
"""Seconds of real time for work outside the loop."""
MOST_JUMPS: Final = 500_000
"""A test for which time jumps more often waits for something that does not come."""
MOST_PASSES: Final = 5_000
"""Passes of the loop at one instant; more are a loop that never sleeps."""
RESOLUTION: Final = 1e-9
"""Seconds by which a timer may be early, as on a real loop."""


class StandstillError(AssertionError):
    """The test waits for something that does not come by itself."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """``time()`` is virtual: where any other loop would wait for the next timer, it jumps to it.

    It waits for real only for work that is done elsewhere: in threads of ``run_in_executor``, and
    within ``real_work``.
    """

    def __init__(self, now: float = BOOT) -> None:
        self._now = now
        self._jumps = 0
        self._passes = 0
        self._outside: dict[object, str] = {}
        self._descriptors = _JumpingSelector(self)
        super().__init__(self._descriptors)

    def time(self) -> float:
        """Seconds; see the class."""
        return self._now

    def stand_still(self, seconds: float) -> None:
        """Let time pass without a timer, as while the host sleeps: all are late afterwards."""
        self._now += seconds

    @contextmanager
    def real_work(self, name: str) -> Iterator[None]:
        """Within, wait for real where nothing is ready: ``name`` is under way and will wake this
        loop, as a thread does or a descriptor.
        """
        key = object()
        self._outside[key] = name
        try:
            yield
        finally:
            self._outside.pop(key, None)

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """As any loop's."""
        future = super().run_in_executor(executor, func, *args)
        self._outside[future] = f"a thread with {func!r}"
        future.add_done_callback(lambda each: self._outside.pop(each, None))
        return future

    async def shutdown_default_executor(self, *args: Any) -> None:
        """As any loop's."""
        with self.real_work("the end of threads"):
            await super().shutdown_default_executor(*args)

    # -- time --------------------------------------------------------------------------------

    def has_sockets(self) -> bool:
        """Whether it watches descriptors beside its own."""
        return len(self._descriptors.get_map()) > 1

    def looks_outside(self) -> bool:
        """Whether anything may come by a descriptor."""
        return True

    def patience(self) -> float:
        """Seconds of real time for which something may still come by a descriptor."""
        return 0.0

    def idle(self) -> None:
        """Nothing is ready and nothing is under way: go to the next timer."""
        if (when := self.next_timer()) is None:
            self.fail("nothing is left that could wake the test")
        self.jump_to(when)

    def next_timer(self) -> float | None:
        """The instant of the next timer; None without one."""
        timers = cast("list[asyncio.TimerHandle]", self._scheduled)  # type: ignore[attr-defined]  # there is no other way
        if not timers or timers[0].when() == math.inf:
            return None
        return timers[0].when()

    def jump_to(self, when: float) -> None:
        """Let it be that time, if it has not passed."""
        self._passes = 0
        self._jumps += 1
        if self._jumps > MOST_JUMPS:
            self.fail(f"{MOST_JUMPS} timers have run out")
        self._now = max(self._now, when)
        # After some months a tick of the real clock is too small to be seen in this number.
        self._clock_resolution = max(RESOLUTION, math.ulp(self._now))

    def count_anew(self) -> None:
        """Count passes from here: nothing was left to do before."""
        self._passes = 0

    def one_pass(self) -> None:
        """Count a pass of the loop at this instant."""
        self._passes += 1
        if self._passes > MOST_PASSES:
            self.fail(f"{MOST_PASSES} passes of the loop take no time")

    def fail(self, reason: str) -> NoReturn:
        """End the test, and say where it and its tasks wait."""
        self._jumps = self._passes = 0  # the clean-up has to run as well
        self._outside.clear()
        waiting = sorted(filter(None, map(_place, asyncio.all_tasks(self))))
        raise StandstillError("\n  ".join([f"{reason}; there wait:", *waiting]))

    def outside(self) -> list[str]:
        """Names of the work that runs outside of the loop."""
        return list(self._outside.values())


def _place(task: asyncio.Task[Any]) -> str:
    """The lines at which a task waits, the outermost first; "" where it has not begun."""
    inner: Any = task.get_coro()
    places = []
    while (frame := getattr(inner, "cr_frame", None)) is not None:
        places.append(f"{frame.f_code.co_qualname}, line {frame.f_lineno}")
        inner = inner.cr_await
    return " > ".join(places)


class _JumpingSelector(selectors.BaseSelector):
    """Finds ready descriptors, and waits for them only if there is work outside the loop."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._real = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._loop.one_pass()
        ready = self._real.select(0) if self._loop.looks_outside() else []
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if not (outside := self._loop.outside()):
            if (patience := self._loop.patience()) and (ready := self._real.select(patience)):
                return ready
            self._loop.idle()
            return []
        if not (ready := self._real.select(REAL_LIMIT)):
            self._loop.fail(f"{REAL_LIMIT:g} s went by without {', '.join(outside)}")
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def close(self) -> None:
        self._real.close()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()
