"""Keeps a fork from happening while SQLite works on another thread.

SQLite's own locks (memory, page cache, randomness) are taken for moments on a connection's thread.
A child that is forked in such a moment inherits them locked for ever, and its first use of SQLite
hangs, whatever file it opens. So a fork waits, for a bounded time, until no statement runs.
"""

from __future__ import annotations

import os
import threading
from typing import Final

PATIENCE_S: Final = 1.0
"""A statement that takes longer does not keep the fork waiting; then the risk is the caller's."""


class ForkGate:
    """As a context manager it holds forks back. Many may work at once; a fork waits for all of
    them, and they wait for the fork.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew in the child, which has none of the parent's threads."""
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._working = 0
        self._forking = 0

    def __enter__(self) -> None:
        # The lock itself: each transaction passes here, and a condition's own methods are Python.
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
        """Wait until nothing works; nothing begins to until the fork is over."""
        with self._changed:
            self._forking += 1
            self._changed.wait_for(lambda: not self._working, PATIENCE_S)

    def after_fork(self) -> None:
        """Let work begin again, in the parent."""
        with self._changed:
            self._forking -= 1
            self._changed.notify_all()


GATE: Final = ForkGate()
"""The one of this process: SQLite's locks are the process's, not a connection's."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=GATE.before_fork,
        after_in_parent=GATE.after_fork,
        after_in_child=GATE.reset,
    )
