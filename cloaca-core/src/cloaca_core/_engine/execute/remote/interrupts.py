"""Tells a KeyboardInterrupt that a signal has raised from one that a body raises by itself."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType


class Interrupts:
    """A block in which SIGINT is noted before it is handled: ``came`` says whether it has come.

    It comes from outside, for example from Ctrl-C in a terminal, to a pool that leaves Python's own
    handler in place. Handlers run on the main thread only, so on others nothing comes.
    """

    __slots__ = ("_handler", "came")

    def __init__(self) -> None:
        self.came = False
        self._handler: Callable[[int, FrameType | None], object] | None = None

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            handler = signal.getsignal(signal.SIGINT)
            if callable(handler):  # not one of the system's, nor one that was set outside of Python
                self._handler = handler
                signal.signal(signal.SIGINT, self._note)

    def __exit__(self, _: object, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._handler is not None and signal.getsignal(signal.SIGINT) == self._note:
            signal.signal(signal.SIGINT, self._handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        assert self._handler is not None
        self._handler(number, frame)
