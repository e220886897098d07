"""The daemon thread that runs an engine's loop, and the calls of other threads into it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import operator
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, Final, Generic, NoReturn, TypeVar

from cloaca_core.engine.runtime.loop_care import (
    breakdown_reason,
    has_closed,
    keep_waking,
    stay_with,
    tell_of_callback,
)
from cloaca_core.engine.runtime.thread_calls import CallFuture, ParkedCall
from cloaca_core.errors import SHUT_DOWN, RunnerClosedError
from cloaca_core.logs import SafeLogger

log = SafeLogger("cloaca.engine")

T = TypeVar("T")

TURNS: Final = 20
"""Turns of the loop in which cancelled tasks can end, also tasks that wait for one another."""

THINGS_PER_PASS: Final = 500
"""Received in one pass of the loop; other callbacks, such as heartbeats, run in between."""


class Mailbox(Generic[T]):
    """``put`` from any thread; ``receive`` is called for each thing, in order, on the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, receive: Callable[[T], None]) -> None:
        self._loop = loop
        self._receive = receive
        self._things: deque[T] = deque()
        self._signalled = False

    def put(self, thing: T) -> None:
        """Add a thing. It is dropped if the loop has been closed."""
        self._things.append(thing)
        if not self._signalled:
            self._signalled = True
            try:
                self._loop.call_soon_threadsafe(self._empty)
            except RuntimeError:  # the loop is closed: nothing is received any more
                self._signalled = False
                self._things.clear()

    def _empty(self) -> None:
        self._signalled = False
        try:
            for _ in range(min(len(self._things), THINGS_PER_PASS)):
                self._receive(self._things.popleft())
        finally:
            if self._things:  # too many for one pass, or one that could not be received
                self._loop.call_soon(self._empty)


class LoopThread:
    """An event loop on a thread that never keeps the interpreter alive.

    ``died`` is called on the thread when it ends before it was stopped; ``failure`` has the reason
    from then on. No lock is held: a signal handler may make a call in the middle of another call.
    """

    def __init__(
        self,
        died: Callable[[], None] = lambda: None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.loop: asyncio.AbstractEventLoop = asyncio.new_event_loop() if loop is None else loop
        self.failure: str | None = None
        self._died = died
        self._is_open = False
        self._has_ended = False
        self._over: CallFuture[None] = CallFuture()
        self._calls: dict[CallFuture[Any], Coroutine[Any, Any, Any]] = {}
        self._parked: set[ParkedCall[Any]] = set()
        self._arrivals: Mailbox[Callable[[], None]] = Mailbox(self.loop, operator.call)
        self._thread = threading.Thread(target=self._serve, name="cloaca-engine", daemon=True)

    def start(self) -> None:
        """Begin to run the loop. Raises RuntimeError when the system has no thread."""
        self._is_open = True
        try:
            self._thread.start()
        except RuntimeError:
            self._is_open = False
            self.loop.close()
            raise

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> CallFuture[T]:
        """Run a coroutine on the loop. Any other thread may wait for the future.

        The future is cancelled when the thread is being stopped: the loop may not get to it. When
        the thread has died, or dies, the future raises ``RunnerClosedError``.
        """
        answer: CallFuture[T] = self._new_answer()
        sent = False
        if self.takes_calls():
            self._calls[answer] = coroutine  # before it is sent: ``fail`` looks here
            with suppress(RuntimeError):  # the loop has just been closed
                self.loop.call_soon_threadsafe(self._begin, coroutine, answer)
                sent = True
        if not (sent and self.takes_calls()):
            if self._calls.pop(answer, None) is not None or not sent:
                self._cut_short(answer)
            if not sent or self.loop.is_closed():
                coroutine.close()  # it will not begin any more
        return answer

    def park(self, call: ParkedCall[Any], begin: Callable[[], None]) -> None:
        """Call ``begin`` on the loop, which arranges the answer. If the thread is stopped or dies
        before the answer, the caller gets ``RunnerClosedError``.
        """
        self._parked.add(call)  # before it is sent: ``fail`` looks here
        if self.takes_calls():
            self._arrivals.put(begin)
        if not self.takes_calls():
            self._end_parked(call)

    def unpark(self, call: ParkedCall[Any]) -> None:
        """The caller no longer waits: it has its answer, or has given up."""
        self._parked.discard(call)
        if call.is_withdrawn:
            with suppress(RuntimeError):  # the loop is closed
                self.loop.call_soon_threadsafe(call.left)

    def _end_parked(self, call: ParkedCall[Any]) -> None:
        call.fail(RunnerClosedError(SHUT_DOWN if self.failure is None else self.failure))

    def _new_answer(self) -> CallFuture[Any]:
        return CallFuture()

    def _begin(self, coroutine: Coroutine[Any, Any, T], answer: CallFuture[T]) -> None:
        task = self.loop.create_task(coroutine)
        task.add_done_callback(partial(self._end, answer))
        answer.add_done_callback(partial(self._follow, task))

    def _follow(self, task: asyncio.Task[T], answer: concurrent.futures.Future[T]) -> None:
        """Cancel a call whose answer was cancelled: no caller waits for it."""
        if answer.cancelled():
            with suppress(RuntimeError):  # the loop is closed
                self.loop.call_soon_threadsafe(task.cancel)

    def _end(self, answer: CallFuture[T], task: asyncio.Task[T]) -> None:
        if self._calls.pop(answer, None) is None:  # it was cut short
            _ = task.cancelled() or task.exception()  # retrieved, or asyncio would log it
            return
        _settle(answer, task)
        answer.end()

    def _cut_short(self, answer: CallFuture[T]) -> None:
        """Answer a call that nothing else will answer."""
        if self.failure is None:
            answer.cancel()
        else:
            with suppress(concurrent.futures.InvalidStateError):  # it was answered or cancelled
                answer.set_exception(RunnerClosedError(self.failure))
        answer.end()

    def takes_calls(self) -> bool:
        """Whether calls are accepted: from ``start`` until the thread is stopped or fails."""
        return self._is_open

    def is_current(self) -> bool:
        """True on the loop's own thread."""
        return threading.current_thread() is self._thread

    def stop(self) -> None:
        """Cancel all tasks on the loop, end the thread and wait for it. Safe to call twice."""
        self._is_open = False
        with suppress(RuntimeError):  # the loop is closed already
            self.loop.call_soon_threadsafe(self._cancel_rest)
        if self._thread.ident is None or self.is_current():
            return
        self._over.result()
        if self.loop.is_closed():  # else the thread stays with it
            self._thread.join()

    def fail(self, failure: str) -> None:
        """Take no more calls, and answer those under way with ``RunnerClosedError``. The loop
        itself continues. Call it on the loop's own thread.
        """
        self.failure = self.failure or failure  # a first failure is the cause of later ones
        self._is_open = False
        for call in list(self._parked):
            self._end_parked(call)
        for answer in list(self._calls):  # callers take calls of their own back meanwhile
            if (coroutine := self._calls.pop(answer, None)) is None:
                continue
            self._cut_short(answer)
            if inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED and self._has_ended:
                coroutine.close()  # it will not begin any more

    def _cancel_rest(self) -> None:
        for call in list(self._parked):
            self._end_parked(call)
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.call_soon(self._leave, TURNS)

    def _leave(self, turns: int) -> None:
        """Stop the loop once all tasks have ended, or after this number of turns."""
        if turns and asyncio.all_tasks(self.loop):
            self.loop.call_soon(self._leave, turns - 1)
        else:
            self.loop.call_soon(self._stop)  # behind the callbacks of the last task

    def _stop(self) -> None:
        self._has_ended = True
        self.loop.stop()

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.set_exception_handler(tell_of_callback)
        keep_waking(self.loop)
        try:
            while not self._has_ended:  # a log handler may stop the loop; it must go on
                self.loop.run_forever()
        except BaseException as error:  # noqa: BLE001 - callers wait for this loop
            self._die(error)
        closed = has_closed(self.loop)
        self._over.set_result(None)
        if not closed:
            stay_with(self.loop)

    def _die(self, error: BaseException) -> NoReturn:
        self._has_ended = True
        self.fail(breakdown_reason("engine thread", error))
        with suppress(BaseException):  # a log handler may be the cause, and raise again
            self._died()
            log.critical("%s", self.failure, exc_info=error)
        self._over.set_result(None)
        stay_with(self.loop)


def _settle(answer: CallFuture[T], task: asyncio.Task[T]) -> None:
    if task.cancelled():
        answer.cancel()
        return
    error = task.exception()
    if not answer.set_running_or_notify_cancel():
        return
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(task.result())


def run_on_own_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a new loop and thread, which end with it; returns its result."""
    thread = LoopThread()
    thread.start()
    try:
        return thread.submit(coroutine).result()
    finally:
        thread.stop()
