"""The user code that runs here, apart from all that runs it: programs that only look ask, too."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cloaca_core.engine.execute.work import Work

CURRENT_WORK: Final[ContextVar[Work | None]] = ContextVar("cloaca_work", default=None)
"""The user code of an attempt, an ``AttemptWork``, that runs in this thread or coroutine."""
