"""Huey: a task, called, and a consumer's thread in the same process; its handle waits.

Its consumer is told of nothing: it looks for tasks, every 0.1 s at first, and the handle for the
result in its own rhythm.
"""

from __future__ import annotations

import sys

from huey import SqliteHuey

from benchmarks.peers.timing import measure


def main(url: str) -> None:
    """A consumer beside the one who calls."""
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
