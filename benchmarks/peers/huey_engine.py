"""Huey: calls a task, which a consumer's thread in the same process runs; the handle waits.

The consumer gets no signals: it polls for tasks, every 0.1 s at first, and the handle polls for the
result.
"""

from __future__ import annotations

import sys

from huey import SqliteHuey

from benchmarks.peers.timing import measure


def main(url: str) -> None:
    """Start a consumer and call the task."""
    huey = SqliteHuey(filename=url.removeprefix("sqlite://"))

    @huey.task()
    def step() -> int:
        return 1

    consumer = huey.create_consumer(workers=1, worker_type="thread")
    consumer.start()
    measure(lambda: step()(blocking=True))
    consumer.stop(graceful=True)


if __name__ == "__main__":
    main(sys.argv[1])
