"""Measures an item of a map beside a task of a fixed fan, in pairs, with bodies that do nothing.

``python -m benchmarks.maps sqlite`` or ``python -m benchmarks.maps URL``, the URL of a PostgreSQL
in which a schema is made and dropped. ``--count calls`` prints the calls of Python functions
instead; under callgrind with ``--instr-atstart=no``, ``--count fan`` and ``--count map`` have it
count the instructions of a run of 1,000.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import cloaca
from benchmarks import filled
from benchmarks.instructions import SETTLED, Calls, instructions
from benchmarks.measuring import Line, report

FAN: Final = 1_000
PAIRS: Final = 15
LARGE: Final = (10_000, 100_000)
MOST_OF_A_TASK: Final = 1.0
MOST_OF_LARGE: Final = 1.2
MOST_MIB: Final = 60.0


def define() -> None:
    """Register a fan of tasks, and maps with results in the context and in rows."""
    with cloaca.WorkflowBuilder("fan"):
        for branch in range(FAN):
            cloaca.task(id=f"b{branch}")(_nothing)
    with cloaca.WorkflowBuilder("map"):
        cloaca.task(id="each", map="items")(_nothing_of)
    with cloaca.WorkflowBuilder("large"):
        cloaca.task(id="each", map="items", results="rows")(_nothing_of)


def _nothing(_: cloaca.Context) -> None:
    """Do nothing."""


def _nothing_of(_: cloaca.Context, item: int) -> None:
    """Do nothing."""


def _fan(runner: cloaca.DefaultRunner) -> None:
    runner.execute("fan", {"a": 1}).raise_for_status()


def _map(runner: cloaca.DefaultRunner, items: int = FAN, workflow: str = "map") -> None:
    runner.execute(workflow, {"a": 1, "items": range(items)}).raise_for_status()


# -- cost ------------------------------------------------------------------------------------------


def measure(runner: cloaca.DefaultRunner) -> Iterator[Line]:
    """An item beside a task, and items of large maps beside those of a small one."""
    _fan(runner)
    _map(runner)
    pairs = []
    for _ in range(PAIRS):
        took = {act: _cpu(act, runner) for act in random.sample([_fan, _map], 2)}  # order only
        pairs.append((took[_map], took[_fan]))
    item, task = (statistics.median(each) / FAN * 1e6 for each in zip(*pairs, strict=True))
    ratio = statistics.median(one / other for one, other in pairs)
    beside = f"{item:.0f} µs of an item, {task:.0f} of a task"
    yield Line("item of a map, CPU of a task", ratio, "x", "at most", MOST_OF_A_TASK, beside)
    for items in LARGE:
        before = _peak_mib()
        large = _cpu(partial(_map, items=items, workflow="large"), runner) / items * 1e6
        small = statistics.median(_cpu(_map, runner) for _ in range(5)) / FAN * 1e6
        beside = f"{large:.0f} µs, {small:.0f} of 1,000"
        what = f"item of {items:,}, CPU of one of 1,000"
        yield Line(what, large / small, "x", "at most", MOST_OF_LARGE, beside)
        growth = _peak_mib() - before
        yield Line(f"growth of a map of {items:,}", growth, "MiB", "at most", MOST_MIB)


def _cpu(act: Callable[[cloaca.DefaultRunner], None], runner: cloaca.DefaultRunner) -> float:
    """Seconds of this process."""
    before = time.process_time()
    act(runner)
    return time.process_time() - before


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# -- counts ----------------------------------------------------------------------------------------


def count_calls(url: str) -> None:
    """Print the calls of Python functions of an item and of a task."""
    calls = Calls()  # before the runner: threads that are there already are not counted
    with cloaca.DefaultRunner(url) as runner:
        for act, what in ((_fan, "a task"), (_map, "an item")):
            act(runner)
            before = calls.total
            with calls.counted():
                act(runner)
            print(f"{(calls.total - before) / FAN:6.1f} calls of {what}")


def count_instructions(url: str, act: Callable[[cloaca.DefaultRunner], None]) -> None:
    """Have callgrind count the instructions of a fan or a map."""
    with cloaca.DefaultRunner(url) as runner:
        act(runner)
        time.sleep(SETTLED)
        with instructions():
            act(runner)


def main() -> int:
    """Measure, and print a line per figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.maps")
    parser.add_argument("database", help="sqlite, or the URL of a PostgreSQL")
    parser.add_argument("--count", choices=("calls", "fan", "map"))
    given = parser.parse_args()
    define()
    with filled.databases(given.database, ["maps"]) as (url,):
        if given.count == "calls":
            count_calls(url)
        elif given.count is not None:
            count_instructions(url, _fan if given.count == "fan" else _map)
        else:
            with cloaca.DefaultRunner(url) as runner:
                return report(list(measure(runner)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
