"""Finds the user code that makes a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from cloaca_core.engine.execute.current_work import CURRENT_WORK

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloaca_core.engine.execute.attempt import AttemptWork

calling_work: Final = cast("Callable[[], AttemptWork | None]", CURRENT_WORK.get)
"""The body or follow-up that calls; None for a call of the program itself."""
