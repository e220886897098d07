"""Step 7: stop a run, hold one, and run a failed one again.

A handle steers its run, and so does any other process that has opened the database. What is done to
a run is written into the database: a run that is paused, or has failed, can wait there for months.
"""

from __future__ import annotations

import os
import threading
import time

import cloaca

DATABASE = os.environ.get("DATABASE_URL", "sqlite://:memory:")

under_way = threading.Event()
go_on = threading.Event()
shelf: list[str] = []

with cloaca.WorkflowBuilder("copy") as builder:
    builder.description("Copies for ever, unless it is stopped")

    @cloaca.task(id="copy")
    def copy(context: cloaca.Context, handle: cloaca.TaskHandle) -> cloaca.Context:
        """A thread cannot be interrupted, so the body looks whether it should end."""
        while not handle.cancelled:
            under_way.set()
            time.sleep(0.001)
        context.set("cleaned_up", True)
        return context

    @cloaca.task(id="publish", dependencies=["copy"])
    def publish(context: cloaca.Context) -> cloaca.Context:
        """Never starts: its run is being cancelled."""
        context.set("published", True)
        return context


with cloaca.WorkflowBuilder("invoice") as builder:
    builder.description("Is held between its two tasks")

    @cloaca.task(id="write")
    def write(context: cloaca.Context) -> cloaca.Context:
        """Waits until the run has been paused."""
        under_way.set()
        go_on.wait()
        context.set("written", True)
        return context

    @cloaca.task(id="send", dependencies=["write"])
    def send(context: cloaca.Context) -> cloaca.Context:
        """Starts once the run is resumed."""
        print("  sent")
        return context


with cloaca.WorkflowBuilder("bread") as builder:
    builder.description("Fails as long as there is no flour")

    @cloaca.task(id="knead")
    def knead(context: cloaca.Context) -> cloaca.Context:
        """Succeeds, and so runs once only."""
        print("  kneaded")
        return context

    @cloaca.task(id="bake", dependencies=["knead"], retry_attempts=1)
    def bake(context: cloaca.Context, handle: cloaca.TaskHandle) -> cloaca.Context:
        """Fails in the first round, for lack of flour."""
        if "flour" not in shelf:
            raise LookupError("there is no flour")
        context.set("baked", f"in attempt {handle.attempt}")
        return context


def stop(runner: cloaca.DefaultRunner) -> None:
    """Cancel a run whose body is in the middle of its work."""
    run = runner.submit("copy")
    under_way.wait()
    answer = run.cancel(reason="the disk is nearly full", by="the operator")
    print("changed:", answer.changed)
    result = run.result()
    print("it is:", result.status, "-", result.error_message)
    print("its tasks:", {name: task.status for name, task in run.tasks().items()})
    try:
        result.raise_for_status()
    except cloaca.RunCancelledError as error:
        print("raised:", error.status)
    print("cancelled again:", run.cancel())


def hold(runner: cloaca.DefaultRunner) -> None:
    """Pause a run, look at it, and let it go on."""
    under_way.clear()
    run = runner.submit("invoice")
    under_way.wait()
    run.pause(reason="the price is being checked")
    go_on.set()
    while run.tasks()["write"].status != "Completed":
        time.sleep(0.001)
    print("it is:", run.status(), "and send is", run.tasks()["send"].status)
    run.resume()
    print("it is:", run.result().status)
    try:
        run.pause()
    except cloaca.RunEndedError as error:
        print("refused:", error.status)


def mend(runner: cloaca.DefaultRunner) -> None:
    """Let a run fail, mend the cause, and run it again."""
    run = runner.submit("bread")
    print("it is:", run.result().status, "-", run.tasks()["bake"].error)
    print("a retry would:")
    print(runner.plan_retry(run.id))
    shelf.append("flour")
    result = runner.retry(run.id).result()
    print("it is:", result.status, "- baked", result.final_context.get("baked"))


def main() -> None:
    """Stop one, hold one, mend one."""
    with cloaca.DefaultRunner(DATABASE) as runner:
        stop(runner)
        hold(runner)
        mend(runner)


if __name__ == "__main__":
    main()
