"""The row of a map, which the journal writes when the map is opened."""

from typing import Final, NamedTuple

from cloaca_core.store.batch import Kind
from cloaca_core.values.times.instants import Instant

ALL: Final = 2**31 - 1
"""Greater than each index of an item."""


class MapRow(NamedTuple):
    """A map as it was opened last: for this ``attempt`` of its task, by the owner in ``epoch`` and
    by this ``version`` of the workflow.

    ``items`` is their number, ``digest`` that of the items with their labels. ``decision`` counts
    the digests that the map has had, from 1. ``labels`` is their JSON list; None where the index of
    each item is its label. ``again`` is a JSON object of the items that had begun before and begin
    anew: by index, the first of their attempts that counts. None if there are none.
    """

    run_id: str
    task_id: str
    attempt: int
    epoch: int
    version: str
    items: int
    digest: str
    decision: int
    labels: str | None
    again: str | None

    @property
    def key(self) -> tuple[str, str]:
        """Its key."""
        return (self.run_id, self.task_id)


class ItemMark(NamedTuple):
    """The state and the times of an attempt of an item."""

    item: int
    attempt: int
    status: str
    started_at: Instant | None
    ended_at: Instant | None
    retry_at: Instant | None


class ItemRestart(NamedTuple):
    """An item that a retry or a fork has chosen: it begins anew when its map is opened for
    ``first_attempt`` of its task, in this ``round``.
    """

    run_id: str
    task_id: str
    item: int
    first_attempt: int
    round: int


def _texts(row: MapRow) -> int:
    return len(row.labels or "") + len(row.again or "")


MAPS: Final = Kind("maps", _texts)
