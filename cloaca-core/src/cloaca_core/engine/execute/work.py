"""A piece of user code that a thread or a loop can run, and the clock of its running time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Final

from cloaca_core.values.times.clock import Clock

if TYPE_CHECKING:
    import threading

THREADS: Final = "threads"
COROUTINES: Final = "coroutines"
HERE: Final = frozenset({THREADS, COROUTINES})
"""The places of work in the engine's own process. All other places are executors."""

ENGINE_PROCESS: Final = "process"
"""The failure domain of the engine's process. An executor outside of it is a domain of its own,
with the name of its place. Bodies of one domain die together.
"""

LEAST_CHECK: Final = 0.001
"""Seconds; a timer that fires a little early checks again after this time, not at once."""


class BodyClock:
    """Measures the seconds spent in user code, without the time spent waiting for other runs.

    The thread that runs the body drives it; the engine's loop reads it.
    """

    __slots__ = ("_now", "_resumed", "_spent")

    def __init__(self, clock: Clock) -> None:
        self._now = clock.monotonic
        self._spent = 0.0
        self._resumed: float | None = None

    def start(self) -> None:
        """The body begins or continues. It may have continued already."""
        if self._resumed is None:
            self._resumed = self._now()

    def restart(self, ago: float) -> None:
        """The body began, or began again, ``ago`` seconds ago."""
        self._spent, self._resumed = 0.0, self._now() - ago

    def pause(self) -> None:
        """The body has ended, or waits for another run."""
        if (resumed := self._resumed) is not None:
            self._resumed = None
            self._spent += self._now() - resumed

    def spent(self) -> float:
        """Seconds up to now."""
        spent = self._spent  # first: if the body pauses in between, its time must not count twice
        resumed = self._resumed
        return spent + (0.0 if resumed is None else self._now() - resumed)


class Stage(Enum):
    """The progress of a piece of work. ``HELD`` work has not been handed to an executor yet."""

    HELD = -1
    QUEUED = 0
    RUNNING = 1
    RAN = 2


class Line:
    """Works that stand in a ``SlotQueue`` one after the other, each from the instant at which the
    work before it was taken: other work that came earlier than that is first. ``now`` is the clock
    in µs. ``waiting`` is the number of its works that wait in the queue. Belongs to the queue.
    """

    __slots__ = ("has_first", "now", "others", "waiting")

    def __init__(self, now: Callable[[], int]) -> None:
        self.now: Callable[[], int] = now
        self.has_first: bool = False
        self.others: deque[Work] = deque()
        self.waiting: int = 0


class Work(ABC):
    """A piece of user code. ``finished`` is called with it on the engine's loop when it has run.

    ``abandoned`` work has been given up: its outcome is ignored. If ``leaves`` is set its thread
    ends with it, since another thread has its slot. ``holds_slot`` is false while it waits for
    another run. ``stage`` is ``QUEUED`` once an executor has it; the thread that runs it sets the
    later stages. It waits for a slot of its ``place``, in the order of its run's ``priority`` and
    of ``since``, the instant at which the run became claimable; work in a ``line``, of the instant
    at which its turn came there.
    """

    __slots__ = (
        "abandoned",
        "clock",
        "finished",
        "holds_slot",
        "is_async",
        "leaves",
        "line",
        "place",
        "priority",
        "since",
        "stage",
    )

    def __init__(
        self,
        *,
        is_async: bool,
        clock: Clock,
        finished: Callable[[Work], None] = lambda _: None,
        priority: int = 0,
        since: int = 0,
    ) -> None:
        self.is_async: bool = is_async
        self.place: str = COROUTINES if is_async else THREADS
        self.abandoned: bool = False
        self.clock: BodyClock = BodyClock(clock)
        self.holds_slot: bool = True
        self.leaves: bool = False
        self.line: Line | None = None
        self.stage: Stage = Stage.HELD
        self.finished: Callable[[Work], None] = finished
        self.priority: int = priority
        self.since: int = since

    def begin(self) -> None:
        """Its thread or loop is about to run it."""
        self.clock.start()
        self.stage = Stage.RUNNING

    def given_up(self) -> None:  # noqa: B027 - most works hold nothing
        """It was abandoned, and may be running: end what it holds. On the engine's loop."""

    @abstractmethod
    def run(self) -> None:
        """Run it on this thread. Must not raise."""

    @abstractmethod
    async def run_async(self) -> None:
        """Run it on this thread's loop. Must not raise, except when abandoned work is cancelled."""

    @abstractmethod
    def broke(self, error: BaseException) -> None:
        """Handle an error that ``run`` raised in spite of its contract. Must not raise."""


def sealed(lock: threading.Lock, work: Work) -> bool:
    """Keep running work from being abandoned, or its coroutine from being cancelled: its outcome is
    about to count. False if it was abandoned. On its thread or loop; ``lock`` is that of its place.
    """
    with lock:
        if not work.abandoned:
            work.stage = Stage.RAN
        return not work.abandoned
