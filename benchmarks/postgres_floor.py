"""The floor: the same rows written with bare psycopg, fenced, one pipeline per commit.

No plan, no checks, no engine: only the database, the driver and a thread take time.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from queue import SimpleQueue
from typing import LiteralString, TypeAlias

import psycopg

from benchmarks.rows import CHANGE, INPUT, run_ids

_INSERT_RUN = """
    INSERT INTO cloaca_run (id, workflow, version, input, tags, created_at, owner, epoch, status,
        started_at) VALUES (%s, 'public::embedded::w', '0', %s, '{}', 1, 'r', 1, 'Running', 1)"""
_FENCE = "SELECT id, epoch FROM cloaca_run WHERE id = ANY(%s) FOR NO KEY UPDATE"
_INSERT_ATTEMPT = """
    INSERT INTO cloaca_attempt (run_id, task_id, attempt, epoch, status, change, started_at,
        ended_at, crashes) VALUES (%s, %s, 1, 1, 'Completed', %s, 1, 2, 0)"""
_END_RUN = """
    UPDATE cloaca_run SET status = 'Completed', final_context = %s, ended_at = 3 WHERE id = %s"""

Write: TypeAlias = tuple[LiteralString, Sequence[tuple[object, ...]]]


class PostgresFloor:
    """A migrated schema behind one thread."""

    def __init__(self, url: str, schema: str) -> None:
        self._commits: SimpleQueue[tuple[Sequence[Write], threading.Event]] = SimpleQueue()
        self._runs = 0
        threading.Thread(target=self._serve, args=(url, schema), daemon=True).start()

    def run(self, *widths: int) -> None:
        """Write one run: a commit that inserts it, then one for each step of so many tasks."""
        (run,) = self._ids(1)
        self._commit((_INSERT_RUN, [(run, INPUT)]))
        for position, width in enumerate(widths):
            fence: Write = (_FENCE, [([run],)])
            attempts = (_INSERT_ATTEMPT, [(run, f"{position}-{i}", CHANGE) for i in range(width)])
            if position == len(widths) - 1:
                self._commit(fence, attempts, (_END_RUN, [(INPUT, run)]))
            else:
                self._commit(fence, attempts)

    def many(self, count: int) -> None:
        """Write so many one-task runs, inserted in one commit and ended in another."""
        runs = self._ids(count)
        self._commit((_INSERT_RUN, [(run, INPUT) for run in runs]))
        self._commit(
            (_FENCE, [(runs,)]),
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

    def _serve(self, url: str, schema: str) -> None:
        with psycopg.connect(url, autocommit=True, prepare_threshold=0) as raw:
            raw.execute("SELECT set_config('search_path', %s, false)", [schema])
            # A plan made while the tables were empty would scan them later.
            raw.execute("SET enable_seqscan = off")
            cursor = raw.cursor()
            while True:
                writes, done = self._commits.get()
                with raw.pipeline(), raw.transaction():
                    for sql, rows in writes:
                        cursor.executemany(sql, rows)
                done.set()
