"""Delays a fork while SQLite works on another thread.

A connection's thread takes SQLite's internal locks (memory, page cache, randomness) for moments. A
child that is forked in such a moment inherits them locked for ever, and its first use of SQLite
hangs, with any file. So a fork waits, for a limited time, until no statement runs.
"""

from __future__ import annotations

import os
import threading
from typing import Final

PATIENCE_S: Final = 1.0
"""Longest delay of a fork; after it the fork happens, at the caller's risk."""


class ForkGate:
    """A context manager that delays forks. Many threads may work in it at once; a fork waits for
    all of them, and new work waits for the fork.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start again in the child, which has none of the parent's threads."""
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._working = 0
        self._forking = 0

    def __enter__(self) -> None:
        # The lock itself, for speed: each transaction comes here, and Condition is slower.
        with self._lock:
            while self._forking:
                self._changed.wait()
            self._working += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._working -= 1
            if self._forking:
                self._changed.notify_all()

    def before_fork(self) -> None:
        """Wait until no thread works; keep others from starting until the fork is over."""
        with self._changed:
            self._forking += 1
            self._changed.wait_for(lambda: not self._working, PATIENCE_S)

    def after_fork(self) -> None:
        """Let threads work again, in the parent."""
        with self._changed:
            self._forking -= 1
            self._changed.notify_all()


GATE: Final = ForkGate()
"""The gate of this process: SQLite's locks belong to the process, not to a connection."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=GATE.before_fork,
        after_in_parent=GATE.after_fork,
        after_in_child=GATE.reset,
    )
