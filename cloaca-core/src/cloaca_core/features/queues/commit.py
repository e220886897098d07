"""What queues write with a batch: in which queue a run is that stays with its owner."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from cloaca_core.features.queues.records import IN_QUEUES, InQueue
from cloaca_core.features.queues.sql import QueueQueries
from cloaca_core.store.sql.commit_part import Array, LastRows

if TYPE_CHECKING:
    from cloaca_core.store.sql.base import Queries


def queue_commit(queries: Queries, _: Array) -> LastRows[InQueue]:
    """The last queue of each run is written."""
    put = queries.of(QueueQueries).put_in_queue
    return LastRows(IN_QUEUES, put, InQueue._fields, attrgetter("run_id"))
