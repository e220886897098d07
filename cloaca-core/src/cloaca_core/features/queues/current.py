"""Keeps the queue of a run current while a runner has it: who takes it over finds it there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cloaca_core.features.queues.records import IN_QUEUES, InQueue
from cloaca_core.run.remaining import queue_of_what_is_left

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloaca_core.engine.record.entries import Draft
    from cloaca_core.engine.record.run_entry import Beside
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.rows import AttemptRow
    from cloaca_core.run.watcher import EndedWait


class InQueueRows(NamedTuple):
    """The queue that one entry writes."""

    row: InQueue

    def add_to(self, draft: Draft) -> None:
        """Put it into a batch."""
        draft.put(IN_QUEUES, (self.row,))

    @property
    def weight(self) -> int:
        """About how many bytes it holds."""
        return IN_QUEUES.weight((self.row,))

    def ended_waits(self, _: ActiveRun, __: Sequence[AttemptRow]) -> list[EndedWait]:
        """It ends no wait."""
        return []


def current_queue(run: ActiveRun) -> Sequence[Beside]:
    """What to write with a fact of a run after which other queues may be asked for."""
    queue = queue_of_what_is_left(run)
    if queue is None or queue == run.row.queue:
        return ()
    run.row = run.row._replace(queue=queue)
    deadline = run.limit.deadline
    row = InQueue(run.id, queue, None if deadline is None else deadline.at)
    return (InQueueRows(row),)
