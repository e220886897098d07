"""Builds the row of a map that is opened, and puts it into an entry of the journal. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from cloaca_core.features.maps.openings import again_text
from cloaca_core.features.maps.records import MAPS, MapRow
from cloaca_core.values.payloads.json_values import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloaca_core.engine.record.entries import Draft
    from cloaca_core.features.maps.items import Items
    from cloaca_core.features.maps.openings import Opening
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.rows import AttemptRow
    from cloaca_core.run.watcher import EndedWait
    from cloaca_core.values.payloads.json_values import JsonValue


def map_row(run: ActiveRun, mark: AttemptRow, items: Items, opening: Opening) -> MapRow:
    """The row of a map that is opened with this mark."""
    labels = None if items.labels is None else encode(cast("JsonValue", list(items.labels)))
    return MapRow(
        run.id,
        mark.task_id,
        mark.attempt,
        run.epoch,
        run.row.runs_by,
        len(items.values),
        items.digest,
        opening.decision,
        labels,
        again_text(opening.again),
    )


class MapOpened(NamedTuple):
    """What an entry writes of a map."""

    row: MapRow

    @property
    def weight(self) -> int:
        """About how many bytes it holds."""
        return MAPS.weight((self.row,))

    def add_to(self, draft: Draft) -> None:
        """Put it into a batch."""
        draft.put(MAPS, (self.row,))

    def ended_waits(self, _: ActiveRun, __: Sequence[AttemptRow]) -> list[EndedWait]:
        """A map waits for nothing."""
        return []
