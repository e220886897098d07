"""A visitor who acts, and what the log of actions has of that."""

from __future__ import annotations

from typing import Final

import cloaca

ANN: Final = cloaca.Visitor("steer", "ann")


def last_act(program: cloaca.DefaultRunner) -> tuple[str, str | None]:
    """The kind of the newest action in the log, and who did it."""
    (action,) = program.actions(limit=1)
    return action.kind, action.by
