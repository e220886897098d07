"""Decides which runs that wait for slots a busy runner gives to an idle runner. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cloaca_core.engine.execute.work import Stage

if TYPE_CHECKING:
    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.run.active_run import ActiveRun


def surplus(waiting: Sequence[ActiveRun], begun: int) -> Sequence[ActiveRun]:
    """The half of these runs whose turn comes last here, and the one in the middle. Runs stay that
    are likely to begin here within a second, as ``begun`` runs have begun within the last second.
    """
    in_turn = sorted(waiting, key=_turn)
    return in_turn[max(begun, len(in_turn) // 2) :]


def only_waits_for_slots(run: ActiveRun, attempts: Sequence[Attempt]) -> bool:
    """Whether no body of a run has begun here, and all its ready tasks, whose attempts these are,
    wait for a slot.
    """
    if not attempts or not run.life.goes_on or run.waits is not None:
        return False
    begun_here = any(row.epoch == run.epoch for row in run.latest.values())
    return not begun_here and all(map(_waits, attempts))


def _waits(attempt: Attempt) -> bool:
    """Whether an attempt has not begun, and is not about to. No attempt is marked before its
    turn.
    """
    has_begun = attempt.stage not in (Stage.HELD, Stage.QUEUED)
    return not (has_begun or attempt.ahead or attempt.marked)


def _turn(run: ActiveRun) -> tuple[int, int, str]:
    """The sort key for the order in which runs get slots."""
    row = run.row
    return -row.priority, row.claimable_at or row.created_at, row.id
