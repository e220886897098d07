"""Keeps what was seen of large runs: their rows, which come in chunks, fit together, and one that
has ended is not read anew each time that anything in the database has changed.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Final

from cloaca_tools.views import Snapshot

_MOST_TASKS: Final = 30_000
"""Tasks of all runs that are kept together; about 1 kB each."""


class SeenRuns:
    """Runs as they were seen, by id and instant; those that were asked for last stay. Any thread
    may call.
    """

    def __init__(self, most_tasks: int = _MOST_TASKS) -> None:
        self._most = most_tasks
        self._runs: OrderedDict[tuple[str, str], Snapshot] = OrderedDict()
        self._lock = Lock()

    def find(self, run_id: str, at: str) -> Snapshot | None:
        """A run as it was seen at an instant, if it was kept."""
        with self._lock:
            seen = self._runs.get((run_id, at))
            if seen is not None:
                self._runs.move_to_end((run_id, at))
            return seen

    def latest(self, run_id: str) -> Snapshot | None:
        """A run as it was seen last, if that was kept."""
        with self._lock:
            seen = [each for (kept, _), each in self._runs.items() if kept == run_id]
            return max(seen, key=lambda each: each.inspection.timeline.at, default=None)

    def keep(self, snapshot: Snapshot) -> None:
        """Keep a run, and drop others that are too many by now."""
        seen = snapshot.inspection
        with self._lock:
            self._runs[seen.tree.run.id, seen.timeline.at] = snapshot
            self._runs.move_to_end((seen.tree.run.id, seen.timeline.at))
            while sum(len(each.inspection.tree.tasks) for each in self._runs.values()) > self._most:
                self._runs.popitem(last=False)
