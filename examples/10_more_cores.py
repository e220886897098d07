"""More cores: the same count of primes with one worker process, with two, with more.

A body in plain Python keeps one core busy, however many threads there are. `executor="cpu"` sends
it to the workers of an executor that the runner was given: processes here, with `--dask` those of a
Dask cluster on this machine. They import this file, so its work starts under `if __name__ == …`.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from math import isqrt
from pathlib import Path

import cloaca
from cloaca.executors import ExecutorLike, process

DATABASE = os.environ.get("DATABASE_URL", ":memory:")
BLOCKS = 24
PRIMES = {1_000: 168, 20_000: 2_262, 2_000_000: 148_933}
"""How many primes there are below a number, from a table of them."""


def count_block(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, int]:
    """Count the primes of one block of numbers; the task's name says which one."""
    block, below = int(handle.task_id.removeprefix("block_")), context.get("below")
    first, end = block * below // BLOCKS, (block + 1) * below // BLOCKS
    divisors = primes_below(isqrt(end) + 1)
    return {handle.task_id: sum(is_prime(number, divisors) for number in range(first, end))}


def primes_below(end: int) -> list[int]:
    found: list[int] = []
    for number in range(2, end):
        if is_prime(number, found):
            found.append(number)
    return found


def is_prime(number: int, divisors: Sequence[int]) -> bool:
    for divisor in divisors:
        if divisor * divisor > number:
            break
        if number % divisor == 0:
            return False
    return number > 1


def add_up(context: cloaca.Context) -> dict[str, int]:
    """Join the blocks. Quick work stays in the runner's own process: it names no executor."""
    return {"primes": sum(context.get(name) for name in NAMES)}


NAMES = [f"block_{block}" for block in range(BLOCKS)]

with cloaca.WorkflowBuilder("primes") as builder:
    builder.description("Counts primes, block by block")
    for name in NAMES:
        cloaca.task(id=name, executor="cpu")(count_block)
    cloaca.task(id="add_up", dependencies=NAMES)(add_up)


# -- measure -------------------------------------------------------------------------------------


def main() -> None:
    given = arguments()
    print(f"{BLOCKS} tasks count the primes below {given.below:,}")
    print("workers  seconds  speed-up")
    with ThreadPoolExecutor(4) as threads:
        print(f"threads  {measure(threads, given.below, given.rounds):7.2f}")
    seconds: dict[int, float] = {}
    for workers in given.workers:
        with workers_on_dask(workers) if given.dask else worker_processes(workers) as cpu:
            seconds[workers] = measure(cpu, given.below, given.rounds)
        speed_up = seconds[given.workers[0]] / seconds[workers]
        print(f"{workers:7}  {seconds[workers]:7.2f}  {speed_up:8.2f}")
    if given.plot is not None:
        given.plot.write_text(plot(seconds), encoding="utf-8")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--below", type=int, default=2_000_000, help="count primes below this")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4], help="how many")
    parser.add_argument("--rounds", type=int, default=1, help="the quickest of so many counts")
    parser.add_argument("--dask", action="store_true", help="on a Dask cluster of this machine")
    parser.add_argument("--plot", type=Path, help="write the speed-up here, as SVG")
    return parser.parse_args()


def measure(cpu: ExecutorLike, below: int, rounds: int) -> float:
    """Seconds of the quickest run. A small one before them starts the workers."""
    with cloaca.DefaultRunner(DATABASE, executors={"cpu": cpu}) as runner:
        count(runner, 1_000)
        return min(count(runner, below) for _ in range(rounds))


def count(runner: cloaca.DefaultRunner, below: int) -> float:
    """Seconds of one run, whose result is checked."""
    started = time.perf_counter()
    result = runner.execute("primes", {"below": below})
    seconds = time.perf_counter() - started
    result.raise_for_status()
    primes = result.final_context["primes"]
    assert primes == PRIMES.get(below, primes)
    return seconds


@contextmanager
def worker_processes(workers: int) -> Iterator[ExecutorLike]:
    """The runner starts them, and ends them when it closes."""
    yield process(workers=workers)


@contextmanager
def workers_on_dask(workers: int) -> Iterator[ExecutorLike]:
    """A cluster is its program's: this one starts it and ends it."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield client.get_executor()


# -- the plot ------------------------------------------------------------------------------------

WIDTH, HEIGHT, LEFT, TOP, SIDE = 480, 320, 60, 40, 230


def plot(seconds: Mapping[int, float]) -> str:
    """Draw the speed-up over the number of workers; the dashed line is as many times as workers."""
    first, most = min(seconds), max(max(seconds), 2)
    speed_up = {workers: seconds[first] / took for workers, took in seconds.items()}
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in [at(*each, most) for each in speed_up.items()])
    (x0, y0), (x1, y1) = at(0, 0, most), at(most, most, most)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}"',
        '  font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<path d="M{x0} {y1} V{y0} H{x1}" fill="none" stroke="#555"/>',
        f'<path d="M{x0} {y0} L{x1} {y1}" stroke="#999" stroke-dasharray="5 4"/>',
        f'<polyline points="{points}" fill="none" stroke="#3f51b5" stroke-width="2"/>',
        *(dot(*at(*each, most), f"{each[1]:.2f}") for each in speed_up.items()),
        *(text(at(n, 0, most)[0], y0 + 20, n) for n in range(most + 1)),
        *(text(x0 - 16, at(0, n, most)[1] + 5, n) for n in range(1, most + 1)),
        text((x0 + x1) / 2, y0 + 42, "worker processes"),
        text(x0 + 16, TOP - 16, "times as fast as one"),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def at(workers: float, times: float, most: int) -> tuple[float, float]:
    """Where a point is drawn."""
    x = LEFT + (WIDTH - LEFT - 40) * workers / most
    return round(x, 1), round(TOP + SIDE - SIDE * times / most, 1)


def dot(x: float, y: float, label: str) -> str:
    return f'<circle cx="{x}" cy="{y}" r="4" fill="#3f51b5"/>{text(x, y + 20, label)}'


def text(x: float, y: float, words: object) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle" fill="#333">{words}</text>'


if __name__ == "__main__":
    main()
