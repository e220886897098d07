"""The user code from which a call comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from cloaca_core._engine.execute.current_work import CURRENT_WORK

if TYPE_CHECKING:
    from cloaca_core._engine.execute.attempt import AttemptWork


def calling_work() -> AttemptWork | None:
    """The body or follow-up that calls; None for a call of the program itself."""
    return cast("AttemptWork | None", CURRENT_WORK.get())
