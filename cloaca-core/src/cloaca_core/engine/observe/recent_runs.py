"""Caches the results of runs that ended here: a caller that waits for one needs no thread hop and
no read.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, NamedTuple, TypeAlias

from cloaca_core.run.rows import AttemptRow, RunRow
from cloaca_core.store.batch import attempt_weight
from cloaca_core.values.states import RunStatus

RECENT_RUNS: Final = 12_000
RECENT_BYTES: Final = 32 << 20


_Plain: TypeAlias = tuple[object, ...]
_STATUS: Final = RunRow._fields.index("status")


class Ended(NamedTuple):
    """A run that has ended, with the latest attempt of each of its tasks."""

    row: RunRow
    attempts: tuple[AttemptRow, ...]


class RecentRuns:
    """The last runs that ended here. Any thread reads it; the engine's loop writes it.

    Kept as plain tuples: the garbage collector stops looking at those, and it would spend more time
    on thousands of rows than they save.
    """

    def __init__(self) -> None:
        self._runs: OrderedDict[str, tuple[int, _Plain, tuple[_Plain, ...]]] = OrderedDict()
        self._bytes = 0

    def add(self, ended: Ended) -> None:
        """Keep a run, in place of an earlier round of it, and evict the oldest beyond the
        bounds.
        """
        if (earlier := self._runs.pop(ended.row.id, None)) is not None:
            self._bytes -= earlier[0]
        weight = _weight(ended)
        rows = tuple([tuple(row) for row in ended.attempts])
        self._runs[ended.row.id] = (weight, tuple(ended.row), rows)
        self._bytes += weight
        while len(self._runs) > RECENT_RUNS or self._bytes > RECENT_BYTES:
            _, (oldest, _, _) = self._runs.popitem(last=False)
            self._bytes -= oldest

    def has_completed(self, run_id: str) -> bool:
        """Whether the run is cached and has completed: then no retry can have begun another round
        of it.
        """
        found = self._runs.get(run_id)
        return found is not None and found[1][_STATUS] == RunStatus.COMPLETED

    def get(self, run_id: str) -> Ended | None:
        """The run, if it is still cached."""
        if (found := self._runs.get(run_id)) is None:
            return None
        _, row, attempts = found
        return Ended(RunRow._make(row), tuple(map(AttemptRow._make, attempts)))


def _weight(ended: Ended) -> int:
    row = ended.row
    weight = len(row.final_context or "") + len(row.error_message or "") + len(row.tags)
    return weight + sum([attempt_weight(attempt) for attempt in ended.attempts])
