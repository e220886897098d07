"""The types of executors that a runner takes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import NamedTuple, Protocol, TypeAlias, runtime_checkable


@runtime_checkable
class Interruptible(Protocol):
    """A future whose call can be asked to end."""

    def interrupt(self) -> None:
        """Tell it, if it runs."""


Begun: TypeAlias = Callable[[float], None]
"""Receives the number of seconds for which a call has run. Must not wait; any thread may call
it.
"""


class OnStart(NamedTuple):
    """``begun`` is called when a call begins. If that costs a message, it may be called up to
    ``within`` seconds later, and not at all for a call that has ended by then.
    """

    begun: Begun
    within: float


ExecutorLike: TypeAlias = Executor | Callable[[], Executor]
"""An executor, which stays the user's, or a function that makes one for the runner."""
