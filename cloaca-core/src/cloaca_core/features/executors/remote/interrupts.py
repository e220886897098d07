"""Tells what signals have raised in a body from what the body raises by itself."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType, TracebackType
from typing import Any, Final

from cloaca_core.errors import BodyCancelled

SIGNALS: Final = (signal.SIGINT,) if sys.platform == "win32" else (signal.SIGINT, signal.SIGUSR1)
"""SIGINT comes from outside, for example from Ctrl-C in a terminal, if a pool keeps Python's own
handler. ``ProcessExecutor`` sends SIGUSR1, to ask a call to end.
"""


class Interrupts:
    """A block in which what the handlers of these signals raise is noted. Handlers run on the main
    thread only, so on others nothing is.
    """

    __slots__ = ("_handlers", "_raised")

    def __init__(self) -> None:
        self._handlers: list[tuple[signal.Signals, Callable[..., Any], Callable[..., Any]]] = []
        self._raised: list[BaseException] = []

    def raised(self, error: BaseException) -> bool:
        """Whether a signal has raised this error, or an error that caused it."""
        known, seen = {id(each) for each in self._raised}, set[int]()
        found: BaseException | None = error
        while known and found is not None and id(found) not in seen:
            if id(found) in known:
                return True
            seen.add(id(found))
            found = found.__context__ if found.__cause__ is None else found.__cause__
        return False

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number in SIGNALS:
            handler = signal.getsignal(number)
            if callable(handler):  # not one of the system's, nor one that was set outside of Python
                noting = partial(self._note, handler)
                self._handlers.append((number, handler, noting))
                signal.signal(number, noting)

    def __exit__(self, _: object, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler, noting in self._handlers:
            if signal.getsignal(number) is noting:  # else the body has set one of its own
                signal.signal(number, handler)

    def _note(self, handler: Callable[..., Any], number: int, frame: FrameType | None) -> None:
        try:
            handler(number, frame)
        except (KeyboardInterrupt, BodyCancelled) as error:
            self._raised.append(error)
            raise
