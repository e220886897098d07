"""The types of executors that a runner takes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Protocol, TypeAlias, runtime_checkable


@runtime_checkable
class Interruptible(Protocol):
    """A future whose call can be told to end."""

    def interrupt(self) -> None:
        """Tell it, if it runs."""


ExecutorLike: TypeAlias = Executor | Callable[[], Executor]
"""An executor, which stays the user's, or a function that makes one for the runner."""
