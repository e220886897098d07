"""Measures whether a map of child runs spreads over two processes: 1,000 children whose bodies wait
20 ms, by one process and by two, in turns.

``python -m benchmarks.spreading URL`` measures on a PostgreSQL in which a schema is made and
dropped; ``--second`` makes it the second process, until its stdin ends.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

import cloaca
from benchmarks import filled
from benchmarks.measuring import Line, report

CHILDREN: Final = 1_000
BODY_SECONDS: Final = 0.02
PAIRS: Final = 5
LEAST: Final = 1.6
"""Times as fast as one process."""


class Took(NamedTuple):
    """One map: seconds, and seconds of CPU of the process that submits it."""

    wall: float
    cpu: float


def define() -> None:
    """Register a map of runs, and the workflow of these."""
    with cloaca.WorkflowBuilder("sleeper"):
        cloaca.task(id="only")(_sleep)
    with cloaca.WorkflowBuilder("map of sleepers"):
        items: list[object] = list(range(CHILDREN))
        cloaca.child("each", "sleeper", map=items, context={"number": "item"}, outputs=["number"])


def _sleep(_: cloaca.Context) -> None:
    """A body that waits for something else than this machine's cores."""
    time.sleep(BODY_SECONDS)


def measure(url: str) -> list[Line]:
    """The map by one process beside that by two."""
    define()
    pairs: list[tuple[Took, Took]] = []
    with cloaca.DefaultRunner(url) as runner:
        _took(runner)
        for _ in range(PAIRS):
            alone = _took(runner)
            with _another(url):
                pairs.append((alone, _took(runner)))
    times = statistics.median(alone.wall / shared.wall for alone, shared in pairs)
    one, two = zip(*pairs, strict=True)
    beside = f"one {_told(one)}, two {_told(two)}"
    return [Line("two processes to one, map of runs", times, "times", "at least", LEAST, beside)]


def _told(found: tuple[Took, ...]) -> str:
    wall, cpu = (statistics.median(each) for each in zip(*found, strict=True))
    return f"{wall:.2f} s ({cpu:.2f} s CPU)"


def _took(runner: cloaca.DefaultRunner) -> Took:
    begun, used = time.perf_counter(), _cpu()
    runner.execute("map of sleepers").raise_for_status()
    return Took(time.perf_counter() - begun, _cpu() - used)


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


@contextmanager
def _another(url: str) -> Iterator[None]:
    """Start the second process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.spreading", "--second", url],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        yield


def serve(url: str) -> None:
    """Run as the second process."""
    define()
    with cloaca.DefaultRunner(url):
        print("ready", flush=True)
        sys.stdin.read()


def main() -> int:
    """Measure, and print the figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.spreading")
    parser.add_argument("database", help="the URL of a PostgreSQL")
    parser.add_argument("--second", action="store_true", help="be the second process")
    given = parser.parse_args()
    if given.second:
        serve(given.database)
        return 0
    with filled.databases(given.database, ["spreading"]) as (url,):
        return report(measure(url))


if __name__ == "__main__":
    raise SystemExit(main())
