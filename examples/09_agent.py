"""Step 9: an agent that survives its process, and pays for no answer twice.

The body of a task asks a model what to do next, does it, and asks again. Each call that costs
something is a step, and the question to a person is a wait. So the body may end anywhere: it begins
again at its top, gets the answers that it has paid for from the database, and goes on where it was.

The model is a script here. This program starts itself in another process, which dies in the middle.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypedDict

import cloaca

DIES = sys.argv[1:] == ["dies"]


class Reply(TypedDict):
    """An answer of the model: what to do, and with what."""

    do: str
    text: str


SCRIPT = [
    Reply(do="search", text="night trains to Oslo"),
    Reply(do="search", text="seats on Friday"),
    Reply(do="ask", text="There is one seat left, for 90. Book it?"),
    Reply(do="book", text="Friday, one seat"),
]


def ask_model(talk: Sequence[Any]) -> Reply:
    """Stands for: a call that costs money. It answers by how much was said before."""
    reply = SCRIPT[len(talk) // 2]
    print("  model:", reply["do"], "-", reply["text"], flush=True)
    return reply


def search(text: str) -> str:
    """Stands for: a call of another service."""
    print("  searched:", text, flush=True)
    return f"found {text}"


def book(text: str, key: str) -> str:
    """Stands for: a call that must not happen twice, not even if its answer is lost."""
    del key  # another service would know by it that it was called before
    print("  booked:", text, flush=True)
    return f"booked {text}"


with cloaca.WorkflowBuilder("travel") as builder:
    builder.description("Decides as it goes what to do next")

    @cloaca.task(id="agent")
    def agent(context: cloaca.Context, handle: cloaca.TaskHandle) -> cloaca.Context:
        """Ask, act, ask again. The code between the calls runs each time, so it only computes."""
        talk: list[Any] = []
        while True:
            reply = handle.step("model", ask_model, talk)
            if reply["do"] == "search":
                answer = handle.step("search", search, reply["text"])
            elif reply["do"] == "ask":
                answer = handle.wait_for("answer")
            else:
                key = f"{handle.idempotency_key}:book"
                context.set("done", handle.step("book", book, reply["text"], key))
                return context
            talk += [reply, answer]
            if DIES and len(talk) == 4:
                os._exit(1)  # stands for: the machine loses its power


def answer(runner: cloaca.DefaultRunner, run: cloaca.RunHandle) -> None:
    """A person answers, once the agent asks: tomorrow, in another program, from a phone."""
    while run.status() != "Waiting":
        time.sleep(0.001)
    (task,) = run.explain().tasks
    wait = task.waits_for
    assert wait is not None
    print("it waits for:", wait.kind, wait.name, "-", task.why.rpartition("; ")[2])
    runner.send(run.id, "answer", "yes", key="answer 1")


def main() -> None:
    """Have another process die with the run, take it over, and answer the agent's question."""
    with database() as url:
        environment = {**os.environ, "DATABASE_URL": url}
        died = subprocess.run([sys.executable, __file__, "dies"], env=environment, check=False)
        print("the process has ended with", died.returncode)
        config = cloaca.DefaultRunnerConfig(evict_after_seconds=0)  # 10 if not given
        with cloaca.DefaultRunner(url, config=config) as runner:
            (info,) = runner.list_runs(workflow_name="travel")
            run = runner.get_run(info.id)
            answer(runner, run)
            result = run.result()
            print("it is:", result.status, "-", result.final_context["done"])


def work_and_die(url: str) -> None:
    """The other process: it never returns from its body."""
    with cloaca.DefaultRunner(url) as runner:
        runner.execute("travel")


@contextmanager
def database() -> Iterator[str]:
    """The database that is named, or a file for the time of this program."""
    if (url := os.environ.get("DATABASE_URL")) is not None:
        yield url
        return
    with tempfile.TemporaryDirectory() as folder:
        yield f"sqlite://{Path(folder) / 'agent.db'}"


if __name__ == "__main__":
    if DIES:
        work_and_die(os.environ["DATABASE_URL"])
    else:
        main()
