"""Time measurement, shared by the programs of all engines."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Awaitable, Callable

WARM_UP = 5
LEAST, MOST = 20, 300
SECONDS = 8.0
"""Limit of a measurement that has at least ``LEAST`` samples."""
FIRST_ONLY = "PEERS_FIRST_ONLY"
"""The variable that makes a program end after its first result."""


def enough(count: int, started: float) -> bool:
    """True when so many samples since then are enough."""
    return count >= MOST or (count >= LEAST and time.perf_counter() - started > SECONDS)


def tell_first() -> None:
    """Print the time of the first result, by a clock that all processes share."""
    print(f"first_result_at {time.monotonic():.6f}", flush=True)


def tell(samples: list[float]) -> None:
    """Print the median in ms, in the line that the calling program reads."""
    print(f"median_ms {statistics.median(samples):.3f} of {len(samples)}", flush=True)


def measure(one: Callable[[], object]) -> None:
    """Report the first call; time many further calls and report the median."""
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
    """Do the same for an async engine."""
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
