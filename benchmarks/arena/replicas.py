"""Processes of the adapter, and the samples that they print."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

ADAPTER: Final = "benchmarks.arena.adapter"
SAMPLE_EVERY_S: Final = 1.0


class Sample(NamedTuple):
    """A figure that a process has told at a time of this program's monotonic clock."""

    at: float
    instance: int
    metric: str
    value: float


class Replicas:
    """So many processes that work on one database, together at a rate of runs a second."""

    def __init__(self, url: str, folder: Path, number: int, rate: float, workers: int) -> None:
        self.samples: list[Sample] = []
        self._rate = rate / number
        self._rate_file = folder / "rate"
        self._variables = {
            "DATABASE_URL": url,
            "PRODUCER_RATE_CONTROL_FILE": str(self._rate_file),
            "WORKER_COUNT": str(workers),
            "SAMPLE_EVERY_S": str(SAMPLE_EVERY_S),
        }
        self._log = folder / "replicas.log"
        self._processes: dict[int, subprocess.Popen[str]] = {}
        self._number = number

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start them all, and end them."""
        self.set_rate(1)
        try:
            for instance in range(self._number):
                self.start(instance)
            yield
        finally:
            for each in self._processes.values():
                each.terminate()
            for each in self._processes.values():
                each.wait()

    def start(self, instance: int) -> None:
        """Start a process."""
        with self._log.open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", ADAPTER],
                env={
                    **os.environ,
                    **self._variables,
                    "BENCH_INSTANCE_ID": str(instance),
                    "PYTHONPATH": os.pathsep.join(sys.path),
                },
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._processes[instance] = process
        threading.Thread(target=self._listen, args=(process, instance), daemon=True).start()

    def kill(self, instance: int) -> None:
        """Kill a process as a machine that loses its power does."""
        self._processes[instance].kill()
        self._processes[instance].wait()

    def set_rate(self, times: float) -> None:
        """Submit so many times the rate from now on."""
        self._rate_file.write_text(str(self._rate * times))

    def ended(self) -> list[int]:
        """The instances whose processes have ended without having been told to."""
        return [name for name, each in self._processes.items() if each.poll() is not None]

    def between(self, metric: str, begin: float, end: float) -> list[float]:
        """What all processes told of a metric in a time, in its order."""
        return [
            each.value
            for each in list(self.samples)
            if each.metric == metric and begin <= each.at < end
        ]

    def _listen(self, process: subprocess.Popen[str], instance: int) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            record = json.loads(line)
            if record["kind"] == "adapter":
                at = time.monotonic()
                self.samples.append(Sample(at, instance, record["metric"], record["value"]))
