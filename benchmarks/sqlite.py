"""Benchmark on SQLite with ``synchronous=FULL``.

Run by ``invoke bench`` in an environment with the built wheels. Exits with 1 when a target is
missed.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import cloaca
from benchmarks import (
    limited_bodies,
    measuring,
    pruning,
    queues,
    schedules,
    steering,
    steps,
    task_logs,
    workflows,
)
from benchmarks.sqlite_floor import SqliteFloor

TARGETS = measuring.Targets(one=1.5, ratio=3, chain=6, fan_out=30, rate=8_000)


def main() -> int:
    """Measure everything and print a line per figure."""
    workflows.define()
    lines: list[measuring.Line] = []
    with tempfile.TemporaryDirectory(prefix="cloaca-bench-", dir=Path.cwd()) as name:
        url = f"sqlite:///{name}/"
        floor = SqliteFloor(Path(name) / "floor.db")
        with cloaca.DefaultRunner(f"{url}bench.db") as runner:
            lines += measuring.latencies(runner, floor, TARGETS)
            lines += measuring.throughputs(runner, floor, TARGETS)
        lines += measuring.idle(f"{url}idle.db")
        lines += measuring.memory(f"{url}memory.db")
        file = Path(name) / "pruning.db"
        lines += pruning.measure(f"{url}{file.name}", lambda: file.stat().st_size)
        lines += schedules.measure(f"{url}schedules.db")
        lines += queues.measure(f"{url}queues.db")
        lines += limited_bodies.measure(f"{url}limits.db")
        lines += steering.measure(f"{url}steering.db")
        lines += steps.measure(f"{url}steps.db")
        lines += task_logs.measure(f"{url}task_logs.db")
    return measuring.report(lines + measuring.import_time())


if __name__ == "__main__":
    raise SystemExit(main())
