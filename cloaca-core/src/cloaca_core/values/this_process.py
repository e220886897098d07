"""Distinguishes a forked process from its parent, by a number that each fork changes.

The number is read at each call of a runner and around each body; ``os.getpid`` would ask the
operating system each time. A fork in C code that runs none of Python's hooks is not noticed.
"""

from __future__ import annotations

import os


class _Process:
    """``forks`` is how many forks lead from the first process to this one."""

    __slots__ = ("forks",)

    def __init__(self) -> None:
        self.forks: int = 0

    def count(self) -> None:
        """Note that this process was just forked off."""
        self.forks += 1


THIS_PROCESS = _Process()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=THIS_PROCESS.count)
