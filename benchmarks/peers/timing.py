"""The clock that all engines are measured with."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Awaitable, Callable

WARM_UP = 5
LEAST, MOST = 20, 300
SECONDS = 8.0
"""How long a measurement may take when ``LEAST`` are done."""
FIRST_ONLY = "PEERS_FIRST_ONLY"
"""The variable that asks a program to end after its first result."""


def enough(count: int, started: float) -> bool:
    """Whether so many samples, taken since then, will do."""
    return count >= MOST or (count >= LEAST and time.perf_counter() - started > SECONDS)


def tell_first() -> None:
    """The line about the first result: when it was there, by a clock that all processes share."""
    print(f"first_result_at {time.monotonic():.6f}", flush=True)


def tell(samples: list[float]) -> None:
    """The one line that whoever started this program reads: the median in ms."""
    print(f"median_ms {statistics.median(samples):.3f} of {len(samples)}", flush=True)


def measure(one: Callable[[], object]) -> None:
    """Tell of the first call; time further ones, again and again, and tell the median."""
    one()
    tell_first()
    if FIRST_ONLY in os.environ:
        return
    for _ in range(WARM_UP - 1):
        one()
    samples: list[float] = []
    started = time.perf_counter()
    while not enough(len(samples), started):
        before = time.perf_counter()
        one()
        samples.append((time.perf_counter() - before) * 1000)
    tell(samples)


async def measure_awaited(one: Callable[[], Awaitable[object]]) -> None:
    """The same for an engine that is awaited."""
    await one()
    tell_first()
    if FIRST_ONLY in os.environ:
        return
    for _ in range(WARM_UP - 1):
        await one()
    samples: list[float] = []
    started = time.perf_counter()
    while not enough(len(samples), started):
        before = time.perf_counter()
        await one()
        samples.append((time.perf_counter() - before) * 1000)
    tell(samples)
