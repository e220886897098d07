"""Measures what a step of a body costs beside a task of a chain, in turns, on one runner."""

from __future__ import annotations

import statistics
import time

import cloaca
from benchmarks import measuring, workflows

PAIRS = 40
WARM_UP = 5
STEPS = workflows.CHAIN
MOST = 1.5
"""Times the cost of a task of the chain."""


def measure(url: str) -> list[measuring.Line]:
    """Measure plain and async steps on one database; the workflows of ``workflows`` are known."""
    with cloaca.WorkflowBuilder("steps"):
        cloaca.task(id="only")(_steps)
    with cloaca.WorkflowBuilder("async_steps"):
        cloaca.task(id="only")(_async_steps)
    names = ("one", "chain", "steps", "async_steps")
    taken: dict[str, list[float]] = {name: [] for name in names}
    with cloaca.DefaultRunner(url) as runner:
        for _ in range(PAIRS):
            for name in names:
                began = time.perf_counter()
                runner.execute(name).raise_for_status()
                taken[name].append((time.perf_counter() - began) * 1000)
    one, chain, plain, later = [statistics.median(taken[name][WARM_UP:]) for name in names]
    task = (chain - one) / (workflows.CHAIN - 1)
    lines: list[measuring.Line] = []
    for what, whole in (("step", plain), ("async step", later)):
        step = (whole - one) / STEPS
        beside = f"{step:.2f} ms, a task {task:.2f} ms"
        lines.append(
            measuring.Line(
                f"{what}, to a task of a chain", step / task, "times", "at most", MOST, beside
            )
        )
    return lines


def _steps(_: cloaca.Context, handle: cloaca.TaskHandle) -> None:
    for number in range(STEPS):
        handle.step("step", int, number)


async def _async_steps(_: cloaca.Context, handle: cloaca.AsyncTaskHandle) -> None:
    for number in range(STEPS):
        await handle.step("step", _later, number)


async def _later(number: int) -> int:
    return number
