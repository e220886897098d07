"""Measurements on every database: latency, throughput, memory and idle cost.

The floor and cloaca are measured in turns, so that a busy disk or machine slows both; medians are
compared.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

import cloaca
from benchmarks import workflows

ROUNDS = 7
IDLE_SECONDS = 20.0


class Floor(Protocol):
    """The cost of the same writes without an engine."""

    def run(self, *widths: int) -> None:
        """Write one run: a commit that inserts it, then one for each step of so many tasks."""

    def many(self, count: int) -> None:
        """Write so many one-task runs, inserted in one commit and ended in another."""


class Targets(NamedTuple):
    """Targets in ms, as a multiple of the floor, and in runs per second."""

    one: float
    ratio: float
    chain: float
    fan_out: float
    rate: float


@dataclass(frozen=True, slots=True)
class Line:
    """One measured figure beside its target. ``better`` is "at most" or "at least"."""

    what: str
    value: float
    unit: str
    better: str
    target: float
    beside: str = ""

    @property
    def holds(self) -> bool:
        """True when the target is met."""
        if self.better == "at most":
            return self.value <= self.target
        return self.value >= self.target

    def __str__(self) -> str:
        verdict = "ok    " if self.holds else "MISSED"
        value = f"{self.value:,.2f} {self.unit}"
        target = f"{self.better} {self.target:,g}"
        return f"{verdict} {self.what:<44} {value:>20}  {target:<18} {self.beside}"


def report(lines: list[Line]) -> int:
    """Print a line per figure; return 1 when a target is missed."""
    for line in lines:
        print(line)
    return 0 if all(line.holds for line in lines) else 1


# -- latency -------------------------------------------------------------------------------------


def latencies(runner: cloaca.DefaultRunner, floor: Floor, targets: Targets) -> list[Line]:
    """Measure single runs, one after the other."""
    one, one_floor = _compared(lambda: _execute(runner, "one"), lambda: floor.run(1), 60)
    chain, chain_floor = _compared(
        lambda: _execute(runner, "chain"), lambda: floor.run(*[1] * workflows.CHAIN), 15
    )
    fan, fan_floor = _compared(
        lambda: _execute(runner, "fan_out"), lambda: floor.run(1, workflows.WIDTH, 1), 8
    )
    return [
        Line("one-task run, p50", one, "ms", "at most", targets.one),
        Line("one-task run, ratio to the floor", one / one_floor, "x", "at most", targets.ratio),
        Line(
            "chain of ten, p50",
            chain,
            "ms",
            "at most",
            targets.chain,
            f"floor {chain_floor:.2f} ms",
        ),
        Line(
            "1 -> 100 -> 1, p50", fan, "ms", "at most", targets.fan_out, f"floor {fan_floor:.2f} ms"
        ),
    ]


def _execute(runner: cloaca.DefaultRunner, name: str) -> None:
    runner.execute(name, workflows.CONTEXT).raise_for_status()


def _compared(
    ours: Callable[[], object], floor: Callable[[], object], times: int
) -> tuple[float, float]:
    """The medians of cloaca and the floor in ms, measured in turns."""
    ours()
    floor()
    samples: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for action, found in zip((ours, floor), samples, strict=True):
            found += [_milliseconds(action) for _ in range(times)]
    return statistics.median(samples[0]), statistics.median(samples[1])


def _milliseconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return (time.perf_counter() - start) * 1000


# -- throughput ----------------------------------------------------------------------------------


def throughputs(runner: cloaca.DefaultRunner, floor: Floor, targets: Targets) -> list[Line]:
    """Measure many runs at once."""
    thousand, thousand_floor, ten, ten_floor = _rates(runner, floor, 1_000, 10_000)
    return [
        Line(
            "1,000 one-task runs in flight",
            thousand,
            "runs/s",
            "at least",
            targets.rate,
            f"floor {thousand_floor:,.0f}",
        ),
        Line(
            "10,000 one-task runs in flight",
            ten,
            "runs/s",
            "at least",
            targets.rate * 0.8,
            f"floor {ten_floor:,.0f}; {ten / thousand:.0%} of the other rate",
        ),
    ]


def _rates(runner: cloaca.DefaultRunner, floor: Floor, *counts: int) -> list[float]:
    """Median runs per second of cloaca and the floor for so many runs, measured in turns, so that a
    grown database, a checkpoint or a busy machine affects all of them.
    """
    actions = [
        (count, action)
        for count in counts
        for action in (partial(_run_all, runner, count), partial(floor.many, count))
    ]
    rounds = [
        [count / _milliseconds(action) * 1000 for count, action in actions] for _ in range(ROUNDS)
    ]
    return [statistics.median(rates) for rates in zip(*rounds, strict=True)]


def _run_all(runner: cloaca.DefaultRunner, count: int) -> None:
    for handle in runner.submit_many("one", [workflows.CONTEXT] * count):
        handle.wait()


# -- idle cost, memory, import --------------------------------------------------------------------


def idle(url: str) -> list[Line]:
    """Measure the cost of an idle runner."""
    with cloaca.DefaultRunner(url) as runner:
        _execute(runner, "one")
        before = time.process_time()
        time.sleep(IDLE_SECONDS)
        used = time.process_time() - before
    return [Line("idle runner, share of a core", used / IDLE_SECONDS * 100, "%", "at most", 0.5)]


def memory(url: str) -> list[Line]:
    """Measure how much 100,000 runs in one call raise the peak over that of the first 10,000."""
    with cloaca.DefaultRunner(url) as runner:
        _run_all(runner, 10_000)
        first = _peak_mib()
        for handle in runner.submit_many("one", (workflows.CONTEXT for _ in range(100_000))):
            handle.wait()
        growth = _peak_mib() - first
    what = "growth while 100,000 runs pass"
    return [Line(what, growth, "MiB", "at most", 50, f"first: {first:.0f} MiB")]


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def import_time() -> list[Line]:
    """Measure the import, and the loading of the engine at the first name of a runner."""
    samples = [_import_times() for _ in range(ROUNDS)]
    alone, with_runner = (statistics.median(each) * 1000 for each in zip(*samples, strict=True))
    beside = f"{with_runner:.0f} ms with DefaultRunner"
    return [Line("import cloaca", alone, "ms", "at most", 100, beside)]


_IMPORTING = """
import time
start = time.perf_counter()
import cloaca
alone = time.perf_counter()
cloaca.DefaultRunner
print(alone - start, time.perf_counter() - start)
"""


def _import_times() -> tuple[float, float]:
    """Seconds, in a new process: the package alone, and together with a runner's name."""
    done = subprocess.run([sys.executable, "-I", "-c", _IMPORTING], capture_output=True, check=True)
    alone, with_runner = map(float, done.stdout.split())
    return alone, with_runner
