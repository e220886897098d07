"""A program whose runner is to be killed: submits a run whose body executes on a Dask cluster."""

from __future__ import annotations

import json
import sys
import threading

from distributed import Client
from executors import bodies

import cloaca


def main(url: str, scheduler: str, context: str) -> None:
    """Say the run's id, and stay until killed."""
    with (
        Client(scheduler) as client,
        cloaca.DefaultRunner(
            url, registry=bodies.registry(), executors={"there": client.get_executor()}
        ) as runner,
    ):
        sys.stdout.write(runner.submit("meeting", json.loads(context)).id + "\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
