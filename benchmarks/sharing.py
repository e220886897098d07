"""Measures whether a second runner on the same database makes the work faster.

``python -m benchmarks.sharing URL`` is this second runner, until its stdin ends.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import psycopg

import cloaca
from benchmarks import measuring, workflows
from cloaca_postgres.sessions.session import Session

RUNS = 10_000
ROUNDS = 5
OPENING_SECONDS = 2.0
"""Seconds after which a new runner has made all of its first statements."""
IDLE_SECONDS = 45.0

_LEFT = b"SELECT count(*) FROM cloaca_run WHERE ended_at IS NULL"
_TOOK = b"SELECT max(ended_at) - min(created_at) FROM cloaca_run WHERE id >= %s"


def two_runners(url: str, raw: psycopg.Connection) -> list[measuring.Line]:
    """Compare the rate of two runners with that of one, measured in turns."""
    alone: list[float] = []
    shared: list[float] = []
    with cloaca.DefaultRunner(url) as runner:
        for _ in range(ROUNDS):
            alone.append(_rate(runner, raw))
            with _another(url):
                shared.append(_rate(runner, raw))
    ratio = statistics.median(shared) / statistics.median(alone)
    beside = f"one {statistics.median(alone):,.0f} runs/s, two {statistics.median(shared):,.0f}"
    return [
        measuring.Line("two runners compared with one", ratio * 100, "%", "at least", 100, beside)
    ]


def idle_statements(url: str) -> list[measuring.Line]:
    """Count all transactions that a runner makes after its work."""
    made = 0
    run = Session.run

    async def counted(self: Session, *arguments: Any) -> Any:
        nonlocal made
        made += 1
        return await run(self, *arguments)

    with cloaca.DefaultRunner(url) as runner, mock.patch.object(Session, "run", counted):
        time.sleep(OPENING_SECONDS)
        runner.execute("one", workflows.CONTEXT)
        made = 0
        time.sleep(IDLE_SECONDS)
    what = "statements of an idle runner"
    return [measuring.Line(what, made / IDLE_SECONDS, "/s", "at most", 0.1)]


def _rate(runner: cloaca.DefaultRunner, raw: psycopg.Connection) -> float:
    """Runs per second, from the first submission to the last end."""
    first = runner.submit_many("one", [workflows.CONTEXT] * RUNS)[0]
    while _asked(raw, _LEFT):
        time.sleep(0.05)
    return RUNS / _asked(raw, _TOOK, first.id) * 1e6


def _asked(raw: psycopg.Connection, question: bytes, *values: object) -> int:
    ((answer,),) = raw.execute(question, values).fetchall()
    return int(answer)


@contextmanager
def _another(url: str) -> Iterator[None]:
    """Start a second runner, in another process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.sharing", url],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        yield


def main(url: str) -> None:
    """Run as the second runner."""
    workflows.define()
    with cloaca.DefaultRunner(url):
        print("ready", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
