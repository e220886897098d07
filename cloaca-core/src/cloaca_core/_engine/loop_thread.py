"""The daemon thread that an engine's loop runs on, and how other threads call into it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from cloaca_core._engine.answer import Answer

T = TypeVar("T")


class LoopThread:
    """An event loop on a thread that never keeps the interpreter alive.

    No lock is held: a signal handler may call in the middle of another call.
    """

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._is_open = False
        self._thread = threading.Thread(target=self._serve, name="cloaca-engine", daemon=True)

    def start(self) -> None:
        """Begin to run the loop. RuntimeError when the system gives no thread."""
        self._is_open = True
        try:
            self._thread.start()
        except RuntimeError:
            self._is_open = False
            self.loop.close()
            raise

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Answer[T]:
        """Run a coroutine on the loop; the future may be waited for on any other thread.

        It is cancelled when the thread is being stopped: the loop may not get round to it.
        """
        answer: Answer[T] = Answer()
        sent = False
        if self.takes_calls():
            with suppress(RuntimeError):  # the loop has just been closed
                self.loop.call_soon_threadsafe(self._begin, coroutine, answer)
                sent = True
        if not (sent and self.takes_calls()):
            answer.cancel()
            answer.end()
            if not sent or self.loop.is_closed():
                coroutine.close()  # it will not begin any more
        return answer

    def _begin(self, coroutine: Coroutine[Any, Any, T], answer: Answer[T]) -> None:
        task = self.loop.create_task(coroutine)
        task.add_done_callback(partial(_end, answer))
        answer.add_done_callback(partial(self._follow, task))

    def _follow(self, task: asyncio.Task[T], answer: concurrent.futures.Future[T]) -> None:
        """Nobody waits for a call whose answer was cancelled."""
        if answer.cancelled():
            with suppress(RuntimeError):  # the loop is closed
                self.loop.call_soon_threadsafe(task.cancel)

    def takes_calls(self) -> bool:
        """True from ``start`` to ``stop``."""
        return self._is_open

    def is_current(self) -> bool:
        """True on the loop's own thread."""
        return threading.current_thread() is self._thread

    def stop(self) -> None:
        """Cancel what is left on the loop, end the thread and wait for it. Safe to call twice."""
        self._is_open = False
        with suppress(RuntimeError):  # the loop is closed already
            self.loop.call_soon_threadsafe(self._cancel_rest)
        if self._thread.ident is not None and not self.is_current():
            self._thread.join()

    def _cancel_rest(self) -> None:
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.call_soon(self.loop.call_soon, self.loop.stop)

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            self.loop.close()


def _end(answer: Answer[T], task: asyncio.Task[T]) -> None:
    _settle(answer, task)
    answer.end()


def _settle(answer: Answer[T], task: asyncio.Task[T]) -> None:
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
    """The outcome of work on a loop of its own, which ends with it."""
    thread = LoopThread()
    thread.start()
    try:
        return thread.submit(coroutine).result()
    finally:
        thread.stop()
