"""The floor: the same rows written with bare ``sqlite3``, and one thread hop per commit.

No plan, no checks, no engine: only the database and a thread take time.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from queue import SimpleQueue
from typing import TypeAlias

from benchmarks.rows import CHANGE, INPUT, run_ids

_INSERT_RUN = """
    INSERT INTO cloaca_run (id, workflow, version, input, tags, created_at, owner, epoch, status,
        started_at) VALUES (?, 'public::embedded::w', '0', ?, '{}', 1, 'r', 1, 'Running', 1)"""
_INSERT_ATTEMPT = """
    INSERT INTO cloaca_attempt (run_id, task_id, attempt, epoch, status, change, started_at,
        ended_at, crashes) VALUES (?, ?, 1, 1, 'Completed', ?, 1, 2, 0)"""
_END_RUN = """
    UPDATE cloaca_run SET status = 'Completed', final_context = ?, ended_at = 3 WHERE id = ?"""

Write: TypeAlias = tuple[str, Sequence[tuple[str, ...]]]


class SqliteFloor:
    """A database of its own behind one thread."""

    def __init__(self, path: Path) -> None:
        self._commits: SimpleQueue[tuple[Sequence[Write], threading.Event]] = SimpleQueue()
        self._path = path
        self._runs = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def run(self, *widths: int) -> None:
        """Write one run: a commit that inserts it, then one for each step of so many tasks."""
        (run,) = self._ids(1)
        self._commit((_INSERT_RUN, [(run, INPUT)]))
        for position, width in enumerate(widths):
            attempts = (_INSERT_ATTEMPT, [(run, f"{position}-{i}", CHANGE) for i in range(width)])
            if position == len(widths) - 1:
                self._commit(attempts, (_END_RUN, [(INPUT, run)]))
            else:
                self._commit(attempts)

    def many(self, count: int) -> None:
        """Write so many one-task runs, inserted in one commit and ended in another."""
        runs = self._ids(count)
        self._commit((_INSERT_RUN, [(run, INPUT) for run in runs]))
        self._commit(
            (_INSERT_ATTEMPT, [(run, "0", CHANGE) for run in runs]),
            (_END_RUN, [(INPUT, run) for run in runs]),
        )

    def _ids(self, count: int) -> list[str]:
        start, self._runs = self._runs, self._runs + count
        return run_ids(start, count)

    def _commit(self, *writes: Write) -> None:
        done = threading.Event()
        self._commits.put((writes, done))
        done.wait()

    def _serve(self) -> None:
        raw = _open(self._path)
        while True:
            writes, done = self._commits.get()
            raw.execute("BEGIN IMMEDIATE")
            for sql, rows in writes:
                raw.executemany(sql, rows)
            raw.execute("COMMIT")
            done.set()


def _open(path: Path) -> sqlite3.Connection:
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute("PRAGMA journal_mode=WAL")
    raw.execute("PRAGMA synchronous=FULL")
    schema = files("cloaca_sqlite").joinpath("migrations/0001_base.sql")
    raw.executescript(schema.read_text("utf-8"))
    return raw
