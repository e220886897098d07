"""Latency, throughput, memory and idle cost on SQLite with ``synchronous=FULL``.

Run by ``invoke bench`` in an environment with the built wheels. The floor is measured in turns
with cloaca, so that a busy disk or neighbour slows both; medians are compared. Exits with 1 when
a target is missed.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cloaca
from benchmarks import workflows
from benchmarks.floor import Floor

ROUNDS = 7
IDLE_SECONDS = 20.0


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
        """Whether the target is met."""
        if self.better == "at most":
            return self.value <= self.target
        return self.value >= self.target

    def __str__(self) -> str:
        verdict = "ok    " if self.holds else "MISSED"
        value = f"{self.value:,.2f} {self.unit}"
        target = f"{self.better} {self.target:,g}"
        return f"{verdict} {self.what:<44} {value:>20}  {target:<18} {self.beside}"


def main() -> int:
    """Measure everything and print a line per figure."""
    workflows.define()
    lines: list[Line] = []
    with tempfile.TemporaryDirectory(prefix="cloaca-bench-", dir=Path.cwd()) as name:
        folder = Path(name)
        floor = Floor(folder / "floor.db")
        with cloaca.DefaultRunner(f"sqlite:///{folder / 'bench.db'}") as runner:
            lines += _latencies(runner, floor)
            lines += _throughputs(runner, floor)
        lines += _idle(folder)
        lines += _memory(folder)
    lines += _import_time()
    for line in lines:
        print(line)
    return 0 if all(line.holds for line in lines) else 1


# -- latency -------------------------------------------------------------------------------------


def _latencies(runner: cloaca.DefaultRunner, floor: Floor) -> list[Line]:
    one, one_floor = _compared(lambda: _execute(runner, "one"), lambda: floor.run(1), 60)
    chain, chain_floor = _compared(
        lambda: _execute(runner, "chain"), lambda: floor.run(*[1] * workflows.CHAIN), 15
    )
    fan, fan_floor = _compared(
        lambda: _execute(runner, "fan_out"), lambda: floor.run(1, workflows.WIDTH, 1), 8
    )
    return [
        Line("one-task run, p50", one, "ms", "at most", 1.5),
        Line("one-task run, ratio to the floor", one / one_floor, "x", "at most", 3),
        Line("chain of ten, p50", chain, "ms", "at most", 6, f"floor {chain_floor:.2f} ms"),
        Line("1 -> 100 -> 1, p50", fan, "ms", "at most", 30, f"floor {fan_floor:.2f} ms"),
    ]


def _execute(runner: cloaca.DefaultRunner, name: str) -> None:
    runner.execute(name, workflows.CONTEXT).raise_for_status()


def _compared(
    ours: Callable[[], object], floor: Callable[[], object], times: int
) -> tuple[float, float]:
    """The medians of both in ms, taken in turns."""
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


def _throughputs(runner: cloaca.DefaultRunner, floor: Floor) -> list[Line]:
    thousand, thousand_floor = _rates(runner, floor, 1_000)
    ten, ten_floor = _rates(runner, floor, 10_000)
    return [
        Line(
            "1,000 one-task runs in flight",
            thousand,
            "runs/s",
            "at least",
            8_000,
            f"floor {thousand_floor:,.0f}",
        ),
        Line(
            "10,000 one-task runs in flight",
            ten,
            "runs/s",
            "at least",
            8_000 * 0.8,
            f"floor {ten_floor:,.0f}",
        ),
        Line("10,000 compared with 1,000", ten / thousand * 100, "%", "at least", 80),
    ]


def _rates(runner: cloaca.DefaultRunner, floor: Floor, count: int) -> tuple[float, float]:
    """Median runs per second of both, taken in turns."""
    samples: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        samples[0].append(count / _milliseconds(lambda: _run_all(runner, count)) * 1000)
        samples[1].append(count / _milliseconds(lambda: floor.many(count)) * 1000)
    return statistics.median(samples[0]), statistics.median(samples[1])


def _run_all(runner: cloaca.DefaultRunner, count: int) -> None:
    for handle in runner.submit_many("one", [workflows.CONTEXT] * count):
        handle.wait()


# -- what it costs to have it --------------------------------------------------------------------


def _idle(folder: Path) -> list[Line]:
    with cloaca.DefaultRunner(f"sqlite:///{folder / 'idle.db'}") as runner:
        _execute(runner, "one")
        before = time.process_time()
        time.sleep(IDLE_SECONDS)
        used = time.process_time() - before
    return [Line("idle runner, share of a core", used / IDLE_SECONDS * 100, "%", "at most", 0.5)]


def _memory(folder: Path) -> list[Line]:
    """The peak while 100,000 runs pass through one call, over the peak of the first 10,000."""
    with cloaca.DefaultRunner(f"sqlite:///{folder / 'memory.db'}") as runner:
        _run_all(runner, 10_000)
        first = _peak_mib()
        for handle in runner.submit_many("one", (workflows.CONTEXT for _ in range(100_000))):
            handle.wait()
        growth = _peak_mib() - first
    what = "growth while 100,000 runs pass"
    return [Line(what, growth, "MiB", "at most", 50, f"first: {first:.0f} MiB")]


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _import_time() -> list[Line]:
    code = "import time; t = time.perf_counter(); import cloaca; print(time.perf_counter() - t)"
    samples = [
        float(
            subprocess.run(
                [sys.executable, "-I", "-c", code], capture_output=True, check=True
            ).stdout
        )
        for _ in range(ROUNDS)
    ]
    return [Line("import cloaca", statistics.median(samples) * 1000, "ms", "at most", 100)]


if __name__ == "__main__":
    raise SystemExit(main())
