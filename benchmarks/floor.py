"""The floor: the same rows written with bare ``sqlite3``, and one thread hop per commit.

No plan, no checks, no engine: what is left is what the database and a thread cost.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from queue import SimpleQueue

INPUT = '{"a":1,"b":"two","c":[1,2,3],"d":{"x":1.5},"e":true}'
CHANGE = '{"set":{},"removed":[]}'

_INSERT_RUN = """
    INSERT INTO cloaca_run (id, workflow, version, input, tags, created_at, owner, epoch, status,
        started_at) VALUES (?, 'public::embedded::w', '0', ?, '{}', 1, 'r', 1, 'Running', 1)"""
_INSERT_ATTEMPT = """
    INSERT INTO cloaca_attempt (run_id, task_id, attempt, epoch, status, change, started_at,
        ended_at, crashes) VALUES (?, ?, 1, 1, 'Completed', ?, 1, 2, 0)"""
_END_RUN = """
    UPDATE cloaca_run SET status = 'Completed', final_context = ?, ended_at = 3 WHERE id = ?"""


class Floor:
    """A connection on a thread of its own."""

    def __init__(self, path: Path) -> None:
        self._jobs: SimpleQueue[tuple[Callable[[sqlite3.Connection], None], threading.Event]]
        self._jobs = SimpleQueue()
        self._path = path
        self._next = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        raw = sqlite3.connect(self._path, isolation_level=None)
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute("PRAGMA synchronous=FULL")
        if not raw.execute("SELECT 1 FROM sqlite_master").fetchone():
            raw.executescript(
                files("cloaca_sqlite").joinpath("migrations/0001_initial.sql").read_text("utf-8")
            )
        while True:
            job, done = self._jobs.get()
            raw.execute("BEGIN IMMEDIATE")
            job(raw)
            raw.execute("COMMIT")
            done.set()

    def _commit(self, job: Callable[[sqlite3.Connection], None]) -> None:
        done = threading.Event()
        self._jobs.put((job, done))
        done.wait()

    def ids(self, count: int) -> list[str]:
        """Fresh ids, in order."""
        start, self._next = self._next, self._next + count
        return [f"00000000-0000-7000-8000-{number:012d}" for number in range(start, self._next)]

    def run(self, *steps: int) -> None:
        """One run: a commit that inserts it, then one per step of so many tasks."""
        (run,) = self.ids(1)
        self._commit(lambda raw: raw.execute(_INSERT_RUN, (run, INPUT)) and None)
        task = 0
        for position, width in enumerate(steps):
            rows = [(run, f"t{task + each}", CHANGE) for each in range(width)]
            task += width
            last = position == len(steps) - 1
            self._commit(lambda raw, rows=rows, last=last: _step(raw, rows, run if last else None))

    def many(self, count: int) -> None:
        """``count`` one-task runs, all inserted in one commit and ended in another."""
        runs = self.ids(count)
        self._commit(lambda raw: raw.executemany(_INSERT_RUN, [(r, INPUT) for r in runs]) and None)
        self._commit(lambda raw: _end_all(raw, runs))


def _step(raw: sqlite3.Connection, rows: list[tuple[str, str, str]], ended: str | None) -> None:
    raw.executemany(_INSERT_ATTEMPT, rows)
    if ended is not None:
        raw.execute(_END_RUN, (INPUT, ended))


def _end_all(raw: sqlite3.Connection, runs: list[str]) -> None:
    raw.executemany(_INSERT_ATTEMPT, [(run, "t0", CHANGE) for run in runs])
    raw.executemany(_END_RUN, [(INPUT, run) for run in runs])
