"""The places where bodies and polls run, without threads: the real accounts of slots, kept.

Coroutines run on the engine's own loop. Sync code is called outside of the loop, by the thread that
drives it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.engine.execute.coroutines import BodyLoop
from cloaca_core.engine.execute.executor import Executor, PendingCall
from cloaca_core.engine.execute.work import COROUTINES, THREADS, Stage, Work
from cloaca_core.engine.runtime.loop_thread import Mailbox
from cloaca_core.errors import CloacaError
from cloaca_core.features.triggers.poll import MANY, Poll, PollPlaces, Returned
from cloaca_testing.driver import DrivenLoop, EngineKilled

if TYPE_CHECKING:
    from cloaca_core.definition.triggers.definition import Trigger
    from cloaca_core.engine.execute.executor import Pools
    from cloaca_testing.driver import Driver, Happened


class LoopCoroutines(BodyLoop):
    """Async bodies on the loop of the engine."""

    def _start_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._arrivals = Mailbox(self._loop, self._start)

    def close(self) -> None:
        """Cancel all that run; the loop is the engine's."""
        for each in list(self.running.values()):
            each.cancel()


class DrivenCoroutines(LoopCoroutines):
    """The same, with the context variables of the test."""

    def __init__(self, slots: int, driver: Driver) -> None:
        super().__init__(slots, driver.loop)
        self._driver = driver

    def _start(self, work: Work) -> None:
        if not work.abandoned:
            context = self._driver.context.copy()
            self.running[work] = self._driver.loop.create_task(self._run(work), context=context)


class DrivenCalls(LoopCoroutines):
    """Sync code, called by the thread that drives the loop; ``begun`` has the work that runs."""

    def __init__(self, slots: int, driver: Driver) -> None:
        super().__init__(slots, driver.loop)
        self._driver = driver
        self.begun: dict[Work, None] = {}

    @property
    def is_starting(self) -> bool:
        begun = [work for work in self.begun if work.holds_slot and not work.abandoned]
        return len(begun) < self.under_way

    def _start(self, work: Work) -> None:
        if not work.abandoned:
            self._driver.queue(partial(self._call, work))

    def _call(self, work: Work) -> None:
        if not self._begins(work):
            return
        self.begun[work] = None
        try:
            self._driver.context.copy().run(work.run)
        except EngineKilled:
            raise
        except BaseException as error:  # noqa: BLE001 - as on a thread of the bodies
            work.broke(error)
        self._driver.check_alive()
        self._has_returned(work)

    def _has_returned(self, work: Work) -> None:
        """The body has returned: report it."""
        del self.begun[work]
        work.stage = Stage.RAN
        self._reports.put(work)


class DrivenExecutor(Executor):
    """Bodies by way of the driver of its loop, whatever executor they name."""

    def __init__(
        self,
        thread_slots: int,
        async_slots: int,
        loop: asyncio.AbstractEventLoop,
        broken: Callable[[str], None] = lambda _: None,
        _: Pools | None = None,
    ) -> None:
        super().__init__(thread_slots, async_slots, loop, broken)
        assert isinstance(loop, DrivenLoop)
        self._driver = driver = loop.driver
        calls, coroutines = self._bodies(thread_slots, async_slots)
        self._calls, self._coroutines = calls, coroutines
        self._places = {THREADS: calls, COROUTINES: coroutines}
        driver.has_coroutines = lambda: bool(coroutines.running)

    def _bodies(self, threads: int, coroutines: int) -> tuple[DrivenCalls, DrivenCoroutines]:
        """The places of sync and of async bodies, so many of each."""
        return DrivenCalls(threads, self._driver), DrivenCoroutines(coroutines, self._driver)

    def add_threads(self, place: str, slots: int) -> str:  # noqa: ARG002 - there are no threads
        return THREADS

    def submit(self, work: Work) -> None:
        self._stand_in(work)
        super().submit(work)

    def reserve(self, work: Work) -> bool:
        self._stand_in(work)
        return super().reserve(work)

    def _stand_in(self, work: Work) -> None:
        if isinstance(work, Attempt):
            self._driver.stand_ins.apply(work)

    def call_made(self, call: PendingCall) -> None:
        if not self._driver.loop.is_here():
            self._driver.answer(call)

    def running(self) -> Iterator[Work]:
        for work in [*self._calls.begun, *self._coroutines.running]:
            if work.stage is Stage.RUNNING:
                yield work

    def close(self) -> None:
        self._calls.close()
        self._coroutines.close()


class _Last(NamedTuple):
    """The last poll of a trigger; how much had happened by then, and the events that the poll
    before it has found.
    """

    poll: Poll
    happened: Happened
    known: set[object]


class DrivenPolls(PollPlaces):
    """Functions of triggers by way of the driver. A trigger that has found nothing new rests until
    a body has run, or the test has acted: each poll until then would find the same, and an hour
    has 3,600 of a second each.
    """

    def __init__(self, driver: Driver) -> None:
        super().__init__(driver.loop)
        self._driver = driver
        self._calls = DrivenCalls(MANY, driver)
        self._last: dict[Trigger, _Last] = {}

    def rests(self, trigger: Trigger) -> bool:
        last = self._last.get(trigger)
        if last is None or last.happened != self._driver.happened:
            return False
        return _events(last.poll) <= last.known

    def start(self, poll: Poll) -> None:
        before = self._last.get(poll.trigger)
        known = set() if before is None else _events(before.poll)
        self._last[poll.trigger] = _Last(poll, self._driver.happened, known)
        poll.stage = Stage.QUEUED
        if poll.is_async and poll.trigger not in self._loops:
            self._loops[poll.trigger] = DrivenCoroutines(1, self._driver)
        (self._loops[poll.trigger] if poll.is_async else self._calls).submit(poll)

    def close(self) -> None:
        super().close()
        self._calls.close()


def _events(poll: Poll) -> set[object]:
    """The events that a poll has found, by their keys; one without a key is like no other."""
    if not isinstance(poll.outcome, Returned):
        return set()
    from cloaca_core.definition.triggers.result import read_results  # most tests have no trigger

    try:
        results = read_results(poll.outcome.value)
    except CloacaError:
        return set()
    return {each.idempotency_key or object() for each in results if each.fires}
