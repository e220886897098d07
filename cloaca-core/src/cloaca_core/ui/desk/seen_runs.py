"""Keeps what was seen of large runs, so that their rows, which come in chunks, fit together."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Final

from cloaca_core.observe import Inspection

_MOST_TASKS: Final = 30_000
"""Tasks of all runs that are kept together; about 1 kB each."""


class SeenRuns:
    """Runs as they were seen, by id and instant; those that were asked for last stay. Any thread
    may call.
    """

    def __init__(self, most_tasks: int = _MOST_TASKS) -> None:
        self._most = most_tasks
        self._runs: OrderedDict[tuple[str, str], Inspection] = OrderedDict()
        self._lock = Lock()

    def find(self, run_id: str, at: str) -> Inspection | None:
        """A run as it was seen at an instant, if it was kept."""
        with self._lock:
            seen = self._runs.get((run_id, at))
            if seen is not None:
                self._runs.move_to_end((run_id, at))
            return seen

    def keep(self, seen: Inspection) -> None:
        """Keep a run, and drop others that are too many by now."""
        with self._lock:
            self._runs[seen.tree.run.id, seen.timeline.at] = seen
            while sum(len(each.tree.tasks) for each in self._runs.values()) > self._most:
                self._runs.popitem(last=False)
