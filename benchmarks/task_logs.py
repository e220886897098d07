"""Measures how late a follower sees the lines of a body, and what ten lines a task cost."""

from __future__ import annotations

import logging
import random
import statistics
import time

import cloaca
from benchmarks import measuring

LINES = 100
PAIRS = 5
RUNS = 2_000
A_TASK = 10
"""Lines of a task whose cost is measured."""
LATE_MS = 200.0
COST = 1.5
"""Times the processor time of a bulk of runs whose bodies log in vain. Such a run takes 0.14 ms,
and ten lines that are kept 0.04 ms; where runs come one after the other it is 1.1.
"""
LOG = logging.getLogger("benchmark")


def measure(url: str) -> list[measuring.Line]:
    """Measure on one database; a client of its own connections follows."""
    with cloaca.WorkflowBuilder("talking"):
        cloaca.task(id="only")(_talk)
    with cloaca.WorkflowBuilder("ten_lines"):
        cloaca.task(id="only")(_ten_lines)
    return [*_lateness(url), _cost(url)]


def _talk(_: cloaca.Context) -> None:
    for number in range(LINES):
        LOG.info("%d", time.monotonic_ns())
        time.sleep(number * 37 % 250 / 1_000)


def _ten_lines(_: cloaca.Context) -> None:
    for number in range(A_TASK):
        LOG.info("page %d of %d", number, A_TASK)


def _lateness(url: str) -> list[measuring.Line]:
    with cloaca.DefaultRunner(url) as runner, cloaca.Client(url) as client:
        run = runner.submit("talking")
        late = [
            (time.monotonic_ns() - int(line.message)) / 1e6
            for line in client.get_run(run.id).follow_logs()
        ]
    late = late[1:]  # before that the follower had not said that it listens
    median, most = statistics.median(late), statistics.quantiles(late, n=20)[-1]
    what = "a line to a follower elsewhere"
    return [
        measuring.Line(f"{what}, median", median, "ms", "at most", LATE_MS),
        measuring.Line(f"{what}, 95 %", most, "ms", "at most", LATE_MS),
    ]


def _cost(url: str) -> measuring.Line:
    ratios = [_pair(url) for _ in range(PAIRS)]
    what = f"{A_TASK} lines a task, in bulk"
    return measuring.Line(what, statistics.median(ratios), "times", "at most", COST, "CPU")


def _pair(url: str) -> float:
    """The ratio of two bulks, measured in random turns: the machine may grow busy meanwhile."""
    levels = ["INFO", "none"]
    random.shuffle(levels)
    seconds = {level: _bulk(url, level) for level in levels}
    return seconds["INFO"] / seconds["none"]


def _bulk(url: str, level: str) -> float:
    """The seconds of the processor that a bulk of runs takes."""
    config = cloaca.DefaultRunnerConfig(task_log_level=level, max_active_runs=RUNS)
    with cloaca.DefaultRunner(url, config=config) as runner:
        runner.execute("ten_lines").raise_for_status()
        began = time.process_time()
        for run in runner.submit_many("ten_lines", [{}] * RUNS):
            run.wait()
        return time.process_time() - began
