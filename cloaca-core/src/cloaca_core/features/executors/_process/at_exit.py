"""Ends worker processes when the interpreter exits, also in the middle of their calls.

The interpreter waits for the threads that read from them, so an endless call in an executor that
nothing shut down would hold it for ever.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Protocol, cast


class _ExitHooks(Protocol):
    """The part of ``threading`` by which the standard library's own executors end.

    It is not public, but nothing public runs before threads are waited for: ``atexit`` comes after
    that, and from 3.13 on so does the end of the main thread.
    """

    def _register_atexit(self, hook: Callable[[], None]) -> None: ...


class AtExit:
    """Whether the interpreter of the process ``owner`` exits; calls ``kill_all`` when it begins to.

    A process that is forked from it inherits the hook, and ends nothing.
    """

    def __init__(self, owner: int, kill_all: Callable[[], None]) -> None:
        self._owner = owner
        self._kill_all = kill_all
        self.begun = False
        cast(_ExitHooks, threading)._register_atexit(self._begin)

    def _begin(self) -> None:
        if os.getpid() != self._owner:
            return
        self.begun = True
        self._kill_all()
