"""Ends worker processes when the interpreter exits, whatever calls they run.

The standard library's hook waits for the calls of all its pools, so an endless call in an executor
that nothing shut down would hold the interpreter for ever. Hooks run in the reverse order of their
registration, and that of the pools is registered when ``concurrent.futures.process`` is imported.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import process as _registered_before  # noqa: F401 - see above
from typing import Protocol, cast


class _ExitHooks(Protocol):
    """The part of ``threading`` by which the standard library's own executors end.

    It is not public, but nothing public runs before these hooks: ``atexit`` comes after them, and
    from 3.13 on so does the end of the main thread.
    """

    def _register_atexit(self, hook: Callable[[], None]) -> None: ...


class AtExit:
    """Whether this interpreter exits, and what ends before it does. Forked processes inherit it."""

    def __init__(self, end_workers: Callable[[], None]) -> None:
        self._end_workers = end_workers
        self.begun = False
        cast(_ExitHooks, threading)._register_atexit(self._begin)

    def refuse(self) -> None:
        """Refuse what would start a process after all have been ended."""
        if self.begun:
            raise RuntimeError("the interpreter exits")

    def _begin(self) -> None:
        self.begun = True
        self._end_workers()
