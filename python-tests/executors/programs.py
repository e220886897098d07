"""Dask's scheduler and workers as programs of their own, which a test may kill."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def environment() -> dict[str, str]:
    """Variables of a program that imports the bodies by name, as workers do."""
    paths = [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


class Programs:
    """A cluster at one address, of which each part can be started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = _free_port()
        self._started: list[subprocess.Popen[bytes]] = []

    @property
    def address(self) -> str:
        """The address of the scheduler."""
        return f"tcp://127.0.0.1:{self._port}"

    def scheduler(self) -> subprocess.Popen[bytes]:
        """Start the scheduler. Clients and workers wait until it is up."""
        options = ["--host", "127.0.0.1", "--port", str(self._port), "--no-dashboard"]
        return self._start("dask_scheduler", *options)

    def worker(self) -> subprocess.Popen[bytes]:
        """Start a worker of two threads."""
        return self._start("dask_worker", self.address, "--no-nanny", "--nthreads", "2")

    def close(self) -> None:
        """Kill all that were started."""
        for process in self._started:
            process.kill()
            process.wait()

    def _start(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{program}", *arguments],
            cwd=self._folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._started.append(process)
        return process


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
