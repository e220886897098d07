"""Applies the overlap policy of a schedule to its ticks; the outcome is rows. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from cloaca_core.features.schedules.records import Cancellation, NewTick, ScheduleRow
from cloaca_core.features.schedules.timing.overlap import Queue, Skip, Start, meet, overlap_policy
from cloaca_core.values.states import TickOutcome
from cloaca_core.values.text import storable_text
from cloaca_core.values.times.instants import to_datetime


@dataclass(frozen=True, slots=True)
class Met:
    """Ticks as they are written, and the runs that are cancelled for them."""

    ticks: tuple[NewTick, ...]
    cancelled: tuple[Cancellation, ...]

    @property
    def last_tick(self) -> int | None:
        """The newest that makes a run."""
        return max((each.tick for each in self.ticks if each.run_id is not None), default=None)


def meet_in_turn(
    row: ScheduleRow, ticks: Sequence[NewTick], under_way: Sequence[str], grace: int
) -> Met:
    """Decide these ticks, oldest first, while runs of their schedule are under way; each tick also
    respects the run of the tick before. Children of cancelled runs have ``grace`` µs to end.
    """
    policy = overlap_policy(row.overlap_policy)
    running, written, cancelled = list(under_way), list[NewTick](), list[Cancellation]()
    for tick in ticks:
        match meet(policy, running):
            case Start(cancel=old):
                cancelled += [_cancellation(row, run_id, tick, grace) for run_id in old]
                running = [run_id for run_id in running if run_id not in old]
                made = tick
            case Queue(behind=behind):
                made = tick._replace(behind=behind)
            case Skip():
                made = tick._replace(run_id=None, outcome=TickOutcome.SKIPPED, input="{}")
            case outcome:
                assert_never(outcome)
        written.append(made)
        running += [made.run_id] if made.run_id is not None else []
    return Met(tuple(written), tuple(cancelled))


def _cancellation(row: ScheduleRow, run_id: str, tick: NewTick, grace: int) -> Cancellation:
    assert tick.run_id is not None
    schedule = row.id if row.name is None else f"{row.name!r} ({row.id})"
    return Cancellation(
        id=run_id,
        schedule_id=row.id,
        tick=tick.tick,
        tick_run=tick.run_id,
        error_message=storable_text(
            f"cancelled by schedule {schedule}: its tick of "
            f"{to_datetime(tick.tick).isoformat()} came before this run had ended"
        ),
        ended_at=tick.created_at,
        children_at=tick.created_at + grace,
    )
