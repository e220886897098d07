"""Notifies open streams of the signals that end servers.

A server such as uvicorn waits for all answers before it tells the application that it ends, and a
stream is an answer that does not end by itself. So while a stream is open, a handler of ours stands
before the server's, and calls it.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final, TypeAlias

_SIGNALS: Final = tuple(
    [
        getattr(signal, name)
        for name in ("SIGINT", "SIGTERM", "SIGQUIT", "SIGBREAK")
        if hasattr(signal, name)
    ]
)
_Handler: TypeAlias = Callable[[int, FrameType | None], object]


class Signals:
    """One for the process, as handlers are. Signals are heard in programs whose server runs in the
    main thread: Python sets handlers there only.
    """

    def __init__(self) -> None:
        self._told: dict[object, Callable[[], object]] = {}
        self._ours: dict[int, tuple[_Handler, _Handler]] = {}

    @contextmanager
    def telling(self, tell: Callable[[], None]) -> Iterator[None]:
        """Have ``tell`` called on the running loop at each signal that asks the server to end."""
        loop, key = asyncio.get_running_loop(), object()
        self._told[key] = lambda: loop.call_soon_threadsafe(tell)
        self._stand_before()
        try:
            yield
        finally:
            del self._told[key]
            if not self._told:
                self._step_aside()

    def _stand_before(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number in _SIGNALS:
            before = signal.getsignal(number)
            if number not in self._ours and callable(before):  # others end the process, or nothing
                ours = self._handler(before)
                self._ours[number] = ours, before
                signal.signal(number, ours)

    def _step_aside(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number, (ours, before) in self._ours.items():
            if signal.getsignal(number) is ours:  # else the program has set another one
                signal.signal(number, before)
        self._ours.clear()

    def _handler(self, before: _Handler) -> _Handler:
        def handle(number: int, frame: FrameType | None) -> None:
            for tell in list(self._told.values()):
                with suppress(RuntimeError):  # its loop has ended
                    tell()
            before(number, frame)

        return handle


SIGNALS: Final = Signals()
"""The signals of this process."""
