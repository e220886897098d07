"""What a call into the engine comes to, for callers that a signal may interrupt anywhere.

Whoever waits for a ``concurrent.futures.Future`` holds its lock for moments, and the engine needs
that lock to answer. A signal handler that comes in such a moment and calls the engine itself, to
shut it down for instance, would wait for it for ever.
"""

from __future__ import annotations

import concurrent.futures
from queue import Empty, SimpleQueue
from typing import TypeVar

T = TypeVar("T")


class Answer(concurrent.futures.Future[T]):
    """A future that is waited for without its lock."""

    def __init__(self) -> None:
        super().__init__()
        self._arrival: SimpleQueue[None] = SimpleQueue()
        self._arrived = False
        self._end: SimpleQueue[None] = SimpleQueue()
        self.add_done_callback(_arrive)

    def result(self, timeout: float | None = None) -> T:
        """As a future's."""
        self._wait(timeout)
        return super().result(0)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """As a future's."""
        self._wait(timeout)
        return super().exception(0)

    def has_arrived(self) -> bool:
        """As ``done``, without the lock."""
        return self._arrived

    def end(self) -> None:
        """The call is over, also one whose answer nobody wants any more."""
        self._end.put(None)

    def join(self) -> None:
        """Return when the call is over; once."""
        self._end.get()

    def _wait(self, timeout: float | None) -> None:
        if self.has_arrived():
            return
        try:
            self._arrival.get(timeout=timeout)
        except Empty:
            raise TimeoutError from None
        finally:
            if self.has_arrived():
                self._arrival.put(None)  # for whoever else waits


def _arrive(answer: concurrent.futures.Future[T]) -> None:
    assert isinstance(answer, Answer)
    answer._arrived = True
    answer._arrival.put(None)
