"""Who waits for which run, and the results that are still at hand.

One place serves every ``result()`` of the process: a run that ends here wakes its waiters
directly, runs of others are asked for together when the database has changed.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Container
from typing import Final, NamedTuple, TypeAlias

from cloaca_core._engine.record.weight import attempt_weight
from cloaca_core.records.rows import AttemptRow, RunRow

RECENT_RUNS: Final = 12_000
RECENT_BYTES: Final = 32 << 20


_Plain: TypeAlias = tuple[object, ...]


class Ended(NamedTuple):
    """A run that has ended, with the latest attempt of each of its tasks."""

    row: RunRow
    attempts: tuple[AttemptRow, ...]


class RecentRuns:
    """The last runs that ended here. Read by any thread, written by the engine's loop.

    Kept as plain tuples: the garbage collector stops looking at those, and it would spend more
    time on thousands of rows than they save.
    """

    def __init__(self) -> None:
        self._runs: OrderedDict[str, tuple[int, _Plain, tuple[_Plain, ...]]] = OrderedDict()
        self._bytes = 0

    def add(self, ended: Ended) -> None:
        """Keep it, and forget the oldest beyond the bounds."""
        weight = _weight(ended)
        rows = tuple([tuple(row) for row in ended.attempts])
        self._runs[ended.row.id] = (weight, tuple(ended.row), rows)
        self._bytes += weight
        while len(self._runs) > RECENT_RUNS or self._bytes > RECENT_BYTES:
            _, (oldest, _, _) = self._runs.popitem(last=False)
            self._bytes -= oldest

    def __contains__(self, run_id: str) -> bool:
        return run_id in self._runs

    def get(self, run_id: str) -> Ended | None:
        """The run, if it is still at hand."""
        if (found := self._runs.get(run_id)) is None:
            return None
        _, row, attempts = found
        return Ended(RunRow._make(row), tuple(map(AttemptRow._make, attempts)))


def _weight(ended: Ended) -> int:
    row = ended.row
    weight = len(row.final_context or "") + len(row.error_message or "") + len(row.tags)
    return weight + sum([attempt_weight(attempt) for attempt in ended.attempts])


class Waiters:
    """Futures by run. Belongs to the engine's loop."""

    def __init__(self) -> None:
        self._futures: dict[str, list[asyncio.Future[Ended]]] = {}

    def add(self, run_id: str) -> asyncio.Future[Ended]:
        """A future that is done when the run has ended."""
        future: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self._futures.setdefault(run_id, []).append(future)
        return future

    def discard(self, run_id: str, future: asyncio.Future[Ended]) -> None:
        """Nobody waits for this future any more."""
        futures = self._futures.get(run_id, [])
        if future in futures:
            futures.remove(future)
            if not futures:
                del self._futures[run_id]

    def wake(self, run_id: str, ended: Ended) -> None:
        """The run has ended."""
        for future in self._futures.pop(run_id, ()):
            if not future.done():
                future.set_result(ended)

    def fail_all(self, error: Exception) -> None:
        """Nobody will be woken any more."""
        for futures in self._futures.values():
            for future in futures:
                if not future.done():
                    future.set_exception(error)
        self._futures.clear()

    def elsewhere(self, local: Container[str]) -> list[str]:
        """The runs that are waited for and not in ``local``."""
        return [run_id for run_id in self._futures if run_id not in local]
