"""Decides which waiting runs a busy runner gives to an idle runner. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloaca_core._engine.plan.active_run import ActiveRun


def surplus(waiting: Sequence[ActiveRun], begun: int) -> Sequence[ActiveRun]:
    """The half of these runs whose turn comes last here, and the one in the middle. Those stay that
    begin here within a second anyway, as so many have ``begun`` within the last one.
    """
    in_turn = sorted(waiting, key=_turn)
    return in_turn[max(begun, len(in_turn) // 2) :]


def _turn(run: ActiveRun) -> tuple[int, int, str]:
    """Its place in the order in which runs get slots."""
    row = run.row
    return -row.priority, row.claimable_at or row.created_at, row.id
