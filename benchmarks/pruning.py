"""Measures what a prune costs the runs beside it, and whether the database stays flat.

The running work is 1,000 runs each second. Rounds with and without a prune beside them alternate,
so that a busy machine slows both.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import cloaca
from benchmarks import measuring, workflows

PER_SECOND = 1_000
SECONDS = 5
"""Of each round with or without a prune."""
PAIRS = 3
OLD_RUNS = 30_000
"""More than one round can delete."""
FILLS = 10
FILL = 5_000


def measure(url: str, size: Callable[[], int]) -> list[measuring.Line]:
    """Measure both; ``size`` tells the bytes of the database."""
    with cloaca.DefaultRunner(url) as runner:
        return _beside(runner) + _flat(runner, size)


def _beside(runner: cloaca.DefaultRunner) -> list[measuring.Line]:
    """Compare the time that 1,000 runs take."""
    alone: list[float] = []
    beside: list[float] = []
    rates: list[float] = []
    _bursts(runner)
    for _ in range(PAIRS):
        alone += _bursts(runner)
        _run_all(runner, OLD_RUNS)
        with _pruning(runner, rates):
            beside += _bursts(runner)
    without, with_it = statistics.median(alone), statistics.median(beside)
    return [
        measuring.Line(
            "1,000 runs beside a prune, more time",
            (with_it / without - 1) * 100,
            "%",
            "at most",
            10,
            f"{without:.0f} ms alone, {with_it:.0f} ms beside",
        ),
        measuring.Line(
            "runs deleted beside 1,000 runs/s",
            statistics.median(rates),
            "runs/s",
            "at least",
            PER_SECOND,
        ),
    ]


def _bursts(runner: cloaca.DefaultRunner) -> list[float]:
    """Submit 1,000 runs each second; the ms that each thousand takes to its end."""
    found = []
    for _ in range(SECONDS):
        began = time.perf_counter()
        _run_all(runner, PER_SECOND)
        found.append((time.perf_counter() - began) * 1000)
        time.sleep(max(0, 1 - (time.perf_counter() - began)))
    return found


def _run_all(runner: cloaca.DefaultRunner, count: int) -> None:
    for handle in runner.submit_many("one", [workflows.CONTEXT] * count):
        handle.wait()


@contextmanager
def _pruning(runner: cloaca.DefaultRunner, rates: list[float]) -> Iterator[None]:
    """Delete all runs so far in another thread; notes how many a second that was."""
    now = datetime.now(UTC)

    def prune() -> None:
        began = time.perf_counter()
        rates.append(runner.prune(before=now).runs / (time.perf_counter() - began))

    thread = threading.Thread(target=prune)
    thread.start()
    yield
    thread.join()


def _flat(runner: cloaca.DefaultRunner, size: Callable[[], int]) -> list[measuring.Line]:
    """Fill and prune in turns; compare the sizes after the first rounds with the last."""
    runner.prune(before=datetime.now(UTC))
    sizes = []
    for _ in range(FILLS):
        _run_all(runner, FILL)
        runner.prune(before=datetime.now(UTC))
        sizes.append(size() / 2**20)
    beside = " ".join(f"{each:.1f}" for each in sizes) + " MiB"
    growth = (max(sizes[FILLS // 2 :]) / max(sizes[: FILLS // 2]) - 1) * 100
    return [measuring.Line("growth over ten fills and prunes", growth, "%", "at most", 10, beside)]
