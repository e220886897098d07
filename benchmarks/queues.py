"""Measures how long a run takes to move to another queue and back, and claims beside such queues.

``python -m benchmarks.queues URL`` is the other process: it serves the queue ``gpu`` until its
stdin ends.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import cloaca
from benchmarks import measuring

PAIRS = 100
CLAIMS = 100
OTHERS = 60_000
"""Runs that wait in a queue that nobody serves."""
MOVES_MS = 10.0
CLAIM_PERCENT = 110.0


def measure(url: str) -> list[measuring.Line]:
    """Measure both on one database."""
    define()
    with cloaca.DefaultRunner(url, queues=["default"]) as runner:
        with _serving_gpu(url):
            lines = [_moves(runner)]
        with cloaca.Client(url) as client:
            lines.append(_claims(client))
    return lines


def define() -> None:
    """Register three tasks in a row, of which the second asks for another queue, and the same three
    in the usual one.
    """
    for name, queue in (("moves", "gpu"), ("stays", None)):
        with cloaca.WorkflowBuilder(name):
            cloaca.task(id="first")(_nothing)
            cloaca.task(id="second", dependencies=["first"], queue=queue)(_nothing)
            cloaca.task(id="third", dependencies=["second"])(_nothing)


def _nothing(_: cloaca.Context) -> None:
    """Do nothing."""


def _moves(runner: cloaca.DefaultRunner) -> measuring.Line:
    """A run that moves there and back beside one that stays, measured in pairs."""
    for name in ("stays", "moves"):
        _took(runner, name)
    pairs = [(_took(runner, "moves"), _took(runner, "stays")) for _ in range(PAIRS)]
    moves, stays = (statistics.median(each) for each in zip(*pairs, strict=True))
    more = statistics.median(moved - stayed for moved, stayed in pairs)
    beside = f"a run that moves {moves:.1f} ms, one that stays {stays:.1f}"
    what = "to another queue and back, median"
    return measuring.Line(what, more, "ms", "at most", MOVES_MS, beside)


def _claims(client: cloaca.Client) -> measuring.Line:
    """Runs that are claimed, before and after many wait in another queue."""
    _took(client, "stays")
    alone = [_took(client, "stays") for _ in range(CLAIMS)]
    client.submit_many("stays", [None] * OTHERS, queue="tape")
    beside_them = [_took(client, "stays") for _ in range(CLAIMS)]
    before, after = statistics.median(alone), statistics.median(beside_them)
    beside = f"{before:.2f} ms without them, {after:.2f} beside"
    what = f"a claimed run beside {OTHERS:,} of another queue"
    return measuring.Line(what, after / before * 100, "%", "at most", CLAIM_PERCENT, beside)


def _took(client: cloaca.Client, name: str) -> float:
    """Milliseconds from the submission of a run to its end."""
    begun = time.perf_counter()
    client.execute(name)
    return (time.perf_counter() - begun) * 1000


@contextmanager
def _serving_gpu(url: str) -> Iterator[None]:
    """Start the other process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.queues", url],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        yield


def main(url: str) -> None:
    """Run as the other process."""
    define()
    with cloaca.DefaultRunner(url, queues=["gpu"]):
        print("ready", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
