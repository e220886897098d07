"""Step 4: errors in tasks.

A task that raises is tried again, by its own retry settings; when the attempts are used up it has
failed, and so has the run. ``execute`` returns the result of a failed run as well: look at its
status. A mistake of the caller (an unknown workflow) is raised instead.
"""

from __future__ import annotations

import os
from collections import Counter

import cloaca

DATABASE = os.environ.get("DATABASE_URL", "sqlite://:memory:")

calls: Counter[str] = Counter()

with cloaca.WorkflowBuilder("download") as builder:
    builder.description("Succeeds at the third attempt")

    @cloaca.task(
        id="fetch", retry_attempts=5, retry_delay_ms=10, retry_backoff="fixed", retry_jitter=False
    )
    def fetch(context: cloaca.Context) -> cloaca.Context:
        """Fails twice. Each attempt gets the input anew, so half-done changes do not stay."""
        calls["fetch"] += 1
        context.set("leftover", context.get("leftover", 0) + 1)
        if calls["fetch"] < 3:
            raise ConnectionError("the line is busy")
        context.set("page", "hello")
        return context


with cloaca.WorkflowBuilder("parse") as builder:
    builder.description("Fails at once: nothing gets better by trying again")

    @cloaca.task(id="parse", retry_attempts=1)
    def parse(context: cloaca.Context) -> cloaca.Context:
        """One attempt in all."""
        calls["parse"] += 1
        context.set("number", int(context.get("text")))
        return context

    @cloaca.task(id="double", dependencies=["parse"], retry_attempts=1)
    def double(context: cloaca.Context) -> cloaca.Context:
        """Never runs, because its dependency has failed."""
        calls["double"] += 1
        context.set("number", 2 * context.get("number"))
        return context


with cloaca.WorkflowBuilder("careful") as builder:
    builder.description("Catches what it can do something about")

    @cloaca.task(id="read", retry_attempts=1)
    def read(context: cloaca.Context) -> cloaca.Context:
        """Handle an error that you can repair here, and write the result down."""
        try:
            context.set("number", int(context.get("text")))
        except ValueError:
            context.set("number", 0)
            context.set("note", "not a number, taken as 0")
        return context

    @cloaca.task(id="report", dependencies=["read"])
    def report(context: cloaca.Context) -> cloaca.Context:
        """Later tasks see what happened."""
        context.set("report", f"{context.get('number')} ({context.get('note', 'fine')})")
        return context


def main() -> None:
    """Run each of them, with good and with bad input."""
    with cloaca.DefaultRunner(DATABASE) as runner:
        result = runner.execute("download", cloaca.Context())
        print("download:", result.status, "after", calls["fetch"], "attempts")
        print("leftover of failed attempts:", result.final_context.get("leftover") - 1)

        result = runner.execute("parse", cloaca.Context({"text": "21"}))
        print("parse 21:", result.status, result.final_context.get("number"))

        calls.clear()
        result = runner.execute("parse", cloaca.Context({"text": "many"}))
        print("parse many:", result.status, "after", calls["parse"], "attempt")
        print("double ran:", calls["double"], "times")
        print("there is a message:", bool(result.error_message))

        for text in ("7", "many"):
            result = runner.execute("careful", cloaca.Context({"text": text}))
            print(f"careful {text}:", result.status, result.final_context.get("report"))

        try:
            runner.execute("no_such_workflow", cloaca.Context())
        except ValueError as error:
            print("raised:", "no_such_workflow" in str(error))


if __name__ == "__main__":
    main()
