"""Step 8: a run waits for a person, for as long as that takes.

While it waits it is a row in the database and nothing else: no program has it in memory, and all of
them may be closed. A person decides in any program that opens the database, a web page for example,
which needs none of the workflow's code.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import cloaca


@dataclass
class Payment:
    """The data that go with a decision."""

    amount: int


with cloaca.WorkflowBuilder("refund") as builder:
    builder.description("Pays money back, once a person has signed")

    @cloaca.task(id="price")
    def price(context: cloaca.Context) -> cloaca.Context:
        """Runs once, before the wait."""
        context.set("price", 90)
        print("  priced")
        return context

    signed = cloaca.approval(
        "signed",
        "Pay it back?",
        schema=Payment,
        timeout=timedelta(days=2),
        dependencies=[price],
    )

    @cloaca.task(id="pay", dependencies=[signed])
    def pay(context: cloaca.Context) -> cloaca.Context:
        """Sees the decision, with who has taken it."""
        decision = context["signed"]
        context.set("paid", decision["data"]["amount"])
        print(f"  paid {context['paid']} of {context['price']}, signed by {decision['by']}")
        return context


with cloaca.WorkflowBuilder("reminder") as builder:
    builder.description("Is answered by time, if a person does not answer")

    kept = cloaca.approval(
        "kept", "Keep the seats?", timeout=0.1, default="reject", choices=("keep", "reject")
    )

    @cloaca.task(id="keep", dependencies=[kept])
    def keep(context: cloaca.Context) -> cloaca.Context:
        """Is skipped, as the default rejects."""
        print("  kept")
        return context

    @cloaca.task(id="release", dependencies=[kept], trigger_rules=cloaca.chosen(kept, "reject"))
    def release(context: cloaca.Context) -> cloaca.Context:
        """Runs because of the rejection."""
        print("  released")
        return context


def submit(url: str) -> str:
    """Submit a run, and close the program while it waits."""
    with cloaca.DefaultRunner(url) as runner:
        run = runner.submit("refund", tags={"customer": "7"})
        while run.status() != "Waiting":
            time.sleep(0.001)
        print("it is:", run.status(), "- its tasks:", statuses(run))
        return run.id


def decide(url: str) -> None:
    """Two days later, or on the next morning: a program without the workflow's code."""
    with cloaca.Client(url, registry=cloaca.Registry()) as client:
        (asked,) = client.waiting_for_people()
        print("open:", asked.prompt, "-", " or ".join(asked.choices))
        run = client.get_run(asked.run_id)
        try:
            run.approve(asked.task_id, data={"amount": "ninety"})
        except ValueError as error:
            print("refused:", error)
        run.approve(asked.task_id, data={"amount": 80}, note="without the fee", by="ann")
        try:
            run.approve(asked.task_id, "reject", by="bob")
        except cloaca.AlreadyDecidedError as error:
            print("too late: decided by", error.by)
        print("open now:", len(client.waiting_for_people()))


def go_on(url: str, run_id: str) -> None:
    """Open a runner again: it takes up what can go on."""
    with cloaca.DefaultRunner(url) as runner:
        run = runner.get_run(run_id)
        print("it is:", run.result().status, "-", statuses(run))
        reminder = runner.submit("reminder")
        print("it is:", reminder.result().status, "-", statuses(reminder))


def statuses(run: cloaca.RunHandle) -> dict[str, str]:
    """The state of each task."""
    return {name: task.status for name, task in run.tasks().items()}


@contextmanager
def database() -> Iterator[str]:
    """The database that is named, or a file for the time of this program."""
    if (url := os.environ.get("DATABASE_URL")) is not None:
        yield url
        return
    with tempfile.TemporaryDirectory() as folder:
        yield f"sqlite://{Path(folder) / 'approval.db'}"


def main() -> None:
    """Ask, close, decide, go on."""
    with database() as url:
        run_id = submit(url)
        decide(url)
        go_on(url, run_id)


if __name__ == "__main__":
    main()
