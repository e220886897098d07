"""Records the defaults of an input with the first entry of its run."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cloaca_core.features.inputs.records import FILLED_INPUTS, FilledInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloaca_core.engine.record.entries import Draft
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.rows import AttemptRow
    from cloaca_core.run.watcher import EndedWait


class FilledInputRows(NamedTuple):
    """The defaults that one entry writes."""

    row: FilledInput

    def add_to(self, draft: Draft) -> None:
        """Put them into a batch."""
        draft.put(FILLED_INPUTS, (self.row,))

    @property
    def weight(self) -> int:
        """The approximate size in bytes."""
        return FILLED_INPUTS.weight((self.row,))

    def ended_waits(self, _: ActiveRun, __: Sequence[AttemptRow]) -> list[EndedWait]:
        """They end no wait."""
        return []


def filled(run: ActiveRun, now: int) -> Sequence[FilledInputRows]:
    """The rows to write as the run begins with its defaults."""
    return (FilledInputRows(FilledInput(run.id, run.defaults, now)),)
