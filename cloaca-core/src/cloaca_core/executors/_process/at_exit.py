"""Ends worker processes when the interpreter exits, whatever calls they run.

The standard library's hook waits for the calls of all its pools, so an endless call in an executor
that nothing shut down would hold the interpreter for ever. Hooks run in the reverse order of their
registration, and that of the pools is registered when ``concurrent.futures.process`` is imported.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import process as _registered_before  # noqa: F401 - see above
from typing import Protocol, cast
from weakref import WeakSet


class _ExitHooks(Protocol):
    """The part of ``threading`` by which the standard library's own executors end.

    It is not public, but nothing public runs before these hooks: ``atexit`` comes after them, and
    from 3.13 on so does the end of the main thread.
    """

    def _register_atexit(self, hook: Callable[[], None]) -> None: ...


class Ending(Protocol):
    """What ends at the exit."""

    def end(self) -> None:
        """Wait until nothing of it is left; its process has been killed."""


class AtExit:
    """Whether the interpreter of the process ``owner`` exits, and what ends before it does.

    A process that is forked from it inherits the hook, and ends nothing.
    """

    def __init__(self, owner: int, kill_all: Callable[[], None]) -> None:
        self._owner = owner
        self._kill_all = kill_all
        self._endings: WeakSet[Ending] = WeakSet()
        self._kept: list[Ending] = []
        self.begun = False
        cast(_ExitHooks, threading)._register_atexit(self._begin)

    def add(self, ending: Ending) -> None:
        """End this as well. Raises ``RuntimeError`` at the exit: it would come too late."""
        if self.begun:
            raise RuntimeError("the interpreter exits")
        self._endings.add(ending)

    def keep(self, ending: Ending) -> None:
        """Keep this from being freed before the exit."""
        self._kept.append(ending)

    def _begin(self) -> None:
        if os.getpid() != self._owner:
            return
        self.begun = True
        self._kill_all()
        # The pools' hook comes next. Their threads may not be about to end then: up to Python
        # 3.13.0 it wakes each by a pipe that the thread closes as it ends.
        for ending in list(self._endings):
            ending.end()
