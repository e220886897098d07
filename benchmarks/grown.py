"""Measures a database of millions of runs beside an empty one: runs, claims, listings, counts.

``python -m benchmarks.grown sqlite`` or ``python -m benchmarks.grown URL``, the URL of a PostgreSQL
in which schemas are made and dropped. ``--runs`` is the number of ended runs and of waiting ones.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import cloaca
from benchmarks import filled, workflows
from benchmarks.measuring import Line, report

BLOCKS = 300
RUNS_OF_A_BLOCK = 8
CLAIMS_OF_A_BLOCK = 100
PAGE = 100
MOST_SLOWER = 5.0
"""In percent, compared with an empty database."""
MOST_FOR_A_PAGE_MS = 50.0

# -- measure -------------------------------------------------------------------------------------


def _slower(grown: Callable[[], object], empty: Callable[[], object]) -> tuple[float, float, float]:
    """By how many percent the first takes longer, in pairs in random order; the medians in ms."""
    pairs: list[tuple[float, float]] = []
    for _ in range(BLOCKS):
        took = {}
        for action in random.sample([grown, empty], 2):  # order only, no secret
            start = time.perf_counter()
            action()
            took[action] = (time.perf_counter() - start) * 1000
        pairs.append((took[grown], took[empty]))
    ratio = statistics.median([one / other for one, other in pairs])
    medians = [statistics.median(each) for each in zip(*pairs, strict=True)]
    return (ratio - 1) * 100, medians[0], medians[1]


def _one_by_one(runner: cloaca.DefaultRunner) -> None:
    for _ in range(RUNS_OF_A_BLOCK):
        runner.execute("one", workflows.CONTEXT)


def _claimed(runner: cloaca.DefaultRunner) -> None:
    for handle in runner.submit_many("one", [workflows.CONTEXT] * CLAIMS_OF_A_BLOCK):
        handle.wait()


def _compared(grown_url: str, empty_url: str) -> Iterator[Line]:
    config = cloaca.DefaultRunnerConfig(max_active_runs=20)
    for what, act, count, settings in (
        ("one-task runs", _one_by_one, RUNS_OF_A_BLOCK, None),
        ("runs that are claimed 20 at a time", _claimed, CLAIMS_OF_A_BLOCK, config),
    ):
        with (
            cloaca.DefaultRunner(grown_url, config=settings) as grown,
            cloaca.DefaultRunner(empty_url, config=settings) as empty,
        ):
            for each in (grown, empty):
                act(each)
            percent, one, other = _slower(partial(act, grown), partial(act, empty))
        beside = f"{one / count:.3f} ms, {other / count:.3f} when empty"
        yield Line(f"{what}, slower", percent, "%", "at most", MOST_SLOWER, beside)


def _filters(runs: int) -> dict[str, dict[str, Any]]:
    """Each filter, and some at once."""
    end = datetime.now(UTC) - timedelta(seconds=2 * runs)
    statuses = ("Completed", "Failed", "Pending", "Waiting", "Paused", "Running", "Cancelling")
    return {
        "any": {},
        **{status: {"status": status} for status in statuses},
        "several states": {"status": ["Failed", "Waiting"]},
        "a workflow": {"workflow_name": "one"},
        "a workflow that failed": {"workflow_name": "one", "status": "Failed"},
        "a workflow that waits": {"workflow_name": "one", "status": "Waiting"},
        "a tag": {"tags": {"kind": "k10"}},
        "a parent": {"parent_id": filled.PARENT},
        "an hour": {"since": end, "until": end + timedelta(hours=1)},
        "an hour that failed": {
            "since": end,
            "until": end + timedelta(hours=1),
            "status": "Failed",
        },
        "an hour that waits": {"since": end, "until": end + timedelta(hours=1), "status": "Paused"},
        "an error that failed": {"status": "Failed", "error": "VALUEERROR: ORDER 100"},
        "an error that none has": {"status": "Failed", "error": "no such error"},
        "an error of any": {"error": "no such error"},
    }


def _looked_at(url: str, runs: int) -> Iterator[Line]:
    """Listings are pages from an index; a count reads all that it counts, so it has no target."""
    with cloaca.Client(url) as client:
        for name, wanted in _filters(runs).items():
            found, page = _timed(partial(client.list_runs, **wanted, limit=PAGE))
            number, count = _timed(partial(client.count_runs, **wanted))
            beside = f"{len(found)} of {number:,}; counted in {count:,.0f} ms"
            reads_all = "error" in wanted or name == "Pending"  # these are listed by no index
            most = float("inf") if reads_all else MOST_FOR_A_PAGE_MS
            yield Line(f"list_runs, {name}", page, "ms", "at most", most, beside)


def _timed(look: Callable[[], Any]) -> tuple[Any, float]:
    """The answer, and the shortest of three times in ms."""
    took = []
    for _ in range(3):
        start = time.perf_counter()
        found = look()
        took.append((time.perf_counter() - start) * 1000)
    return found, min(took)


def main() -> int:
    """Fill, measure, and print a line per figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.grown")
    parser.add_argument("database", help="sqlite, or the URL of a PostgreSQL")
    parser.add_argument("--runs", type=int, default=1_000_000)
    given = parser.parse_args()
    workflows.define()
    start = time.perf_counter()
    with filled.databases(given.database, ["grown", "empty"]) as (grown, empty):
        filled.fill(grown, given.runs, given.runs)
        print(f"filled in {time.perf_counter() - start:.0f} s", flush=True)
        lines = [*_looked_at(grown, given.runs), *_compared(grown, empty)]
    return report(lines)


if __name__ == "__main__":
    raise SystemExit(main())
