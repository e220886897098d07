"""Measures how fast bodies follow each other in the places of a limit, over several processes.

``python -m benchmarks.limited_bodies URL`` measures on a SQLite file that is made, or a PostgreSQL
in which a schema is made and dropped. ``--another`` makes it another process, which does what it is
told by its stdin.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

import cloaca
from benchmarks.measuring import Line, report

PLACES: Final = 50
BODIES: Final = 2_000
GIVEN_BEFORE: Final = 10_000
"""Places that are given while a snapshot is open, before it is measured."""
LEAST: Final = {100: 90.0, 10: 75.0}
"""Per cent of the ideal rate, by the ms that a body takes."""
RATE: Final = 100
RATED_SECONDS: Final = 8
OFF_RATE: Final = 5
_times: list[tuple[float, float]] = []
"""When bodies of this process began and ended, by the clock of the machine."""


def define() -> None:
    """Register a workflow for each length of a body, and one with a rate."""
    limit = cloaca.Limit("places", total=PLACES)
    for ms in (0, *LEAST):
        with cloaca.WorkflowBuilder(f"takes {ms} ms"):
            cloaca.task(id="only", limits=[limit])(_body(ms / 1_000))
        with cloaca.WorkflowBuilder(f"without a limit {ms} ms"):
            cloaca.task(id="only")(_body(ms / 1_000))
    with cloaca.WorkflowBuilder("rated"):
        cloaca.task(id="only", limits=[cloaca.Limit("rate", rate=f"{RATE}/s")])(_body(0))


def _body(seconds: float) -> Callable[[cloaca.Context], Awaitable[None]]:
    async def body(_: cloaca.Context) -> None:
        begun = time.monotonic()
        await asyncio.sleep(seconds)
        _times.append((begun, time.monotonic()))

    return body


class Asked(NamedTuple):
    """So many runs of a workflow, by one process."""

    workflow: str
    runs: int


def work(runner: cloaca.DefaultRunner, asked: Asked) -> list[tuple[float, float]]:
    """Let them run to their ends; when their bodies began and ended."""
    _times.clear()
    handles = runner.submit_many(asked.workflow, [{} for _ in range(asked.runs)])
    for each in handles:
        each.result().raise_for_status()
    return list(_times)


def serve(url: str) -> None:
    """Be another process."""
    define()
    with cloaca.DefaultRunner(url) as runner:
        for line in sys.stdin:
            print(json.dumps(work(runner, Asked(*json.loads(line)))), flush=True)


class Others:
    """Other processes that work beside this one."""

    def __init__(self, url: str, number: int) -> None:
        command = [sys.executable, "-m", "benchmarks.limited_bodies", "--another", url]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        pipe = subprocess.PIPE
        self._processes = [
            subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, text=True)
            for _ in range(number)
        ]
        self.work(Asked("takes 0 ms", 1))()  # they are open

    def work(self, asked: Asked) -> Callable[[], list[tuple[float, float]]]:
        """Let each of them work. Returns what waits for all of them."""
        for each in self._processes:
            assert each.stdin is not None
            print(json.dumps(asked), file=each.stdin, flush=True)
        return self._worked

    def _worked(self) -> list[tuple[float, float]]:
        lines = [each.stdout.readline() for each in self._processes if each.stdout is not None]
        return [(begun, ended) for line in lines for begun, ended in json.loads(line)]

    def close(self) -> None:
        """They end."""
        for each in self._processes:
            each.communicate()


@contextmanager
def _others(url: str, number: int) -> Iterator[Others]:
    others = Others(url, number)
    try:
        yield others
    finally:
        others.close()


def measure(url: str) -> list[Line]:
    """Measure on one database, at last while a snapshot is open on PostgreSQL."""
    define()
    lines: list[Line] = []
    with cloaca.DefaultRunner(url) as runner:
        with _others(url, 1) as others:
            for ms, least in LEAST.items():
                lines += _share(runner, others, ms, least, "")
            if url.startswith("postgres"):
                under = f", {GIVEN_BEFORE:,} under a snapshot"
                with _snapshot(url):
                    _together(runner, others, Asked("takes 0 ms", GIVEN_BEFORE // 2))
                    for ms, least in LEAST.items():
                        lines += _share(runner, others, ms, least, under)
        with _others(url, 2) as others:
            lines.append(_rated(runner, others))
    return lines


def _together(
    runner: cloaca.DefaultRunner, others: Others, asked: Asked
) -> list[tuple[float, float]]:
    """All processes work, each this much; when bodies began and ended, in their order."""
    worked = others.work(asked)
    own = work(runner, asked)
    return sorted([*own, *worked()])


def _share(
    runner: cloaca.DefaultRunner, others: Others, ms: int, least: float, when: str
) -> list[Line]:
    times = _together(runner, others, Asked(f"takes {ms} ms", BODIES // 2))
    free = _together(runner, others, Asked(f"without a limit {ms} ms", BODIES // 2))
    took, alone = [max(ended for _, ended in each) - each[0][0] for each in (times, free)]
    ideal = BODIES / PLACES * ms / 1_000
    at_once = _most_at_once(times)
    what = f"bodies of {ms} ms in {PLACES} places{when}"
    beside = f"{took:.2f} s, ideal {ideal:.2f} s, without a limit {alone:.2f} s"
    return [
        Line(what, 100 * ideal / took, "%", "at least", least, beside),
        Line(f"{what}: at once", at_once, "", "at most", PLACES),
    ]


def _most_at_once(times: list[tuple[float, float]]) -> int:
    steps = [(begun, 1) for begun, _ in times] + [(ended, -1) for _, ended in times]
    most = now = 0
    for _, step in sorted(steps):  # at one instant those that end come first
        now += step
        most = max(most, now)
    return most


def _rated(runner: cloaca.DefaultRunner, others: Others) -> Line:
    """How far the worst second is off the rate: not the first, in which there is a burst, nor the
    last, in which the bodies end.
    """
    times = _together(runner, others, Asked("rated", RATE * RATED_SECONDS // 3))
    first = times[0][0]
    counted = Counter(int(begun - first) for begun, _ in times)
    told = [counted[second] for second in range(1, RATED_SECONDS - 1)]
    off = max(abs(each - RATE) for each in told)
    what = f"starts a second off {RATE}, three processes"
    return Line(what, off, "", "at most", OFF_RATE, " ".join(map(str, told)))


@contextmanager
def _snapshot(url: str) -> Iterator[None]:
    import psycopg  # not where only SQLite is measured

    with psycopg.connect(url.partition("?")[0]) as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT count(*) FROM pg_class")
        yield


def main() -> int:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.limited_bodies")
    parser.add_argument("database", help='the URL of a PostgreSQL, or "sqlite"')
    parser.add_argument("--another", action="store_true", help="be another process")
    given = parser.parse_args()
    if given.another:
        serve(given.database)
        return 0
    from benchmarks import filled  # not where only SQLite is measured

    with filled.databases(given.database, ["limits"]) as (url,):
        return report(measure(url))


if __name__ == "__main__":
    raise SystemExit(main())
