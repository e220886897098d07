"""A call of a thread that waits for one answer of the engine, and does nothing else meanwhile.

It takes the place of a future, an asyncio task and their callbacks where the engine can answer
directly. Only the calling thread waits for it; it holds no lock, so a signal handler that
interrupts the wait may call the engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final, Generic, TypeVar

from cloaca_core.engine.runtime.call_future import next_of
from cloaca_core.errors import SHUT_DOWN, RunnerClosedError

T = TypeVar("T")

_NO_RUN: Final[tuple[str, ...]] = ()


class UnansweredError(Exception):
    """The time of a wait is over; the call is not answered yet."""


class ParkedCall(Generic[T]):
    """The first answer counts. ``run`` has the id of the run that is waited for, once that is
    durable. ``leave`` is called on the engine's loop when the caller has stopped waiting.
    """

    __slots__ = ("_answers", "is_withdrawn", "leave", "run")

    def __init__(self) -> None:
        self._answers: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()
        self.is_withdrawn: bool = False
        self.run: tuple[str, ...] = _NO_RUN
        self.leave: Callable[[], object] | None = None

    # -- the caller --------------------------------------------------------------------------

    def result(self, timeout: float | None) -> T:
        """Wait for the answer; ``UnansweredError`` after so many seconds. To be called once."""
        try:
            answer, error = next_of(self._answers, timeout)
        except Empty:
            raise UnansweredError from None
        if error is not None:
            raise error
        return answer  # type: ignore[return-value] # None is an answer only if T is None

    # -- the engine's loop -------------------------------------------------------------------

    def answer(self, value: T) -> None:
        """Wake the caller with a result."""
        self._answers.put((value, None))

    def fail(self, error: BaseException) -> None:
        """Wake the caller with an error; any thread."""
        self._answers.put((None, error))

    def accept(self, run_id: str) -> None:
        """The run that is waited for is durable."""
        self.run = (run_id,)

    def follow(self, task: asyncio.Task[T]) -> None:
        """Answer with the result of a task, which is cancelled when the caller stops waiting."""
        self.leave = task.cancel
        task.add_done_callback(self._settle)
        if self.is_withdrawn:
            task.cancel()

    def _settle(self, task: asyncio.Task[T]) -> None:
        if task.cancelled():
            self.fail(RunnerClosedError(SHUT_DOWN))
        elif (error := task.exception()) is not None:
            self.fail(error)
        else:
            self.answer(task.result())

    def left(self) -> None:
        """The caller has stopped waiting."""
        if self.leave is not None:
            self.leave()
