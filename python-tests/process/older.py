"""The work in the dumps of ``python-tests/data``, and the program that did half of it.

``python older.py URL`` leaves runs in every state behind and dies. A dump of that database, with
the identity of its process made up, is kept for each schema that was ever released.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable

import cloaca

TAGS = {"customer": "Änne & Söhne", "kind": "first"}


def nothing() -> None:
    """The default of ``entered``: a body goes on at once."""


def define(registry: cloaca.Registry, entered: Callable[[], None] = nothing) -> None:
    """The workflows; ``entered`` is called by the bodies that the old program did not finish."""
    with cloaca.WorkflowBuilder("chain", registry=registry):

        @cloaca.task
        def first(context: cloaca.Context) -> None:
            context["trail"] = [*context["trail"], os.getpid()]

        @cloaca.task(dependencies=[first])
        def second(context: cloaca.Context) -> None:
            entered()
            context["second"] = "ü"

        @cloaca.task(dependencies=[second])
        def third(context: cloaca.Context) -> None:
            context["third"] = context["second"] * 2

    with cloaca.WorkflowBuilder("again", registry=registry):

        @cloaca.task(retry_attempts=2, retry_delay_ms=60_000, retry_jitter=False)
        def again(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            if handle.attempt == 1:
                raise ConnectionError("not yet")
            context["attempt"] = handle.attempt

    with cloaca.WorkflowBuilder("broken", registry=registry):

        @cloaca.task(retry_attempts=1)
        def breaks(context: cloaca.Context) -> None:
            raise ValueError("no money")

        @cloaca.task(dependencies=[breaks])
        def sends(context: cloaca.Context) -> None:
            context["sent"] = True

    with cloaca.WorkflowBuilder("done", registry=registry):

        @cloaca.task
        def only(context: cloaca.Context) -> None:
            context["twice"] = context["n"] * 2


def leave_behind(url: str) -> None:
    """Runs that are ended, running, waiting for a retry and not begun; then die."""
    registry, inside = cloaca.Registry(), threading.Event()

    def hold() -> None:
        inside.set()
        threading.Event().wait()

    define(registry, hold)
    runner = cloaca.DefaultRunner(url, registry=registry)
    runner.submit("done", {"n": 21}, tags=TAGS, idempotency_key="once").wait()
    runner.submit("broken", {"paid": None}).wait()
    waiting = runner.submit("again", {"n": 2**53 + 1}, tags=TAGS)
    runner.submit("chain", {"trail": [0]}, idempotency_key="half")
    inside.wait()
    while waiting.tasks()["again"].status != "Waiting":
        time.sleep(0.01)  # nothing tells when a failed attempt has been recorded
    runner.stop()
    runner.submit("done", {"n": 4}, tags=TAGS, idempotency_key="later")
    os._exit(0)


if __name__ == "__main__":
    leave_behind(sys.argv[1])
