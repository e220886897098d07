"""Measures how soon a run is Cancelled whose coroutine sleeps, and calls on many runs.

``python -m benchmarks.steering URL`` is the other process: it cancels the runs whose ids it reads,
and answers with the instants at which it has asked.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import cloaca
from benchmarks import measuring, workflows

CANCELS = 100
MANY = 10_000
LONG = 600.0
"""Seconds that the body would sleep."""
ALONE_MS = 50.0
ACROSS_MS = 200.0
MANY_SECONDS = 2.0


def measure(url: str) -> list[measuring.Line]:
    """Measure all on one database."""
    _define()
    lines: list[measuring.Line] = []
    with cloaca.DefaultRunner(url) as runner:
        lines += _latency("one process", ALONE_MS, runner, lambda run: _cancel(runner, run))
        with _other_process(url) as cancel:
            lines += _latency("two processes", ACROSS_MS, runner, cancel)
        lines += _many(runner)
    return lines


def _define() -> None:
    with cloaca.WorkflowBuilder("sleeps"):
        cloaca.task(id="only")(_sleep)


async def _sleep(_: cloaca.Context) -> None:
    await asyncio.sleep(LONG)


def _cancel(runner: cloaca.Client, run_id: str) -> float:
    """Cancel a run; when that was asked."""
    run = runner.get_run(run_id)
    asked = time.monotonic()
    run.cancel()
    return asked


def _latency(
    what: str, most: float, runner: cloaca.DefaultRunner, cancel: Callable[[str], float]
) -> list[measuring.Line]:
    """The time from the call to the moment at which a caller that waits for the run is told."""
    taken: list[float] = []
    for number in range(CANCELS):
        run = runner.submit("sleeps")
        while not run.info().active_bodies:
            time.sleep(0.001)
        time.sleep(number % 10 / 100)  # at another point of a pause that a runner may make
        asked = cancel(run.id)
        run.wait(timeout=LONG)
        taken.append((time.monotonic() - asked) * 1000)
        assert run.status() == "Cancelled"
    p50, p95 = statistics.median(taken), statistics.quantiles(taken, n=20)[-1]
    beside = f"p50 {p50:.1f}, least {min(taken):.1f}, most {max(taken):.0f} ms"
    return [measuring.Line(f"cancel, {what}, p95", p95, "ms", "at most", most, beside)]


@contextmanager
def _other_process(url: str) -> Iterator[Callable[[str], float]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.steering", url],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None
        stdout.readline()

        def cancel(run_id: str) -> float:
            print(run_id, file=stdin, flush=True)
            return float(stdout.readline())

        yield cancel
        stdin.close()


def _many(runner: cloaca.DefaultRunner) -> list[measuring.Line]:
    runner.pause_workflow("one")
    runner.submit_many("one", [workflows.CONTEXT] * MANY)
    calls = {
        "pause": runner.pause_many,
        "resume": runner.resume_many,
        "cancel": runner.cancel_many,
        "retry": runner.retry_many,
    }
    lines: list[measuring.Line] = []
    for name, call in calls.items():
        began = time.perf_counter()
        assert call(workflow_name="one").changed == MANY
        seconds = time.perf_counter() - began
        lines.append(
            measuring.Line(f"{name} of {MANY:,} runs", seconds, "s", "at most", MANY_SECONDS)
        )
    return lines


def main(url: str) -> None:
    """Run as the other process."""
    with cloaca.Client(url) as client:
        print("ready", flush=True)
        for line in sys.stdin:
            print(_cancel(client, line.strip()), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
