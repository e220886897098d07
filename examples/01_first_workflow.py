"""Step 1: two tasks, one after the other, run from a database file.

A task is a function that gets a context and hands it on. Tasks that are defined inside a
``WorkflowBuilder`` block form a workflow; a runner executes it and writes every finished step to
its database before the next one starts.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import cloaca

with cloaca.WorkflowBuilder("bake") as builder:
    builder.description("Weigh the flour, then bake the bread")
    builder.tag("difficulty", "easy")

    @cloaca.task()
    def weigh(context: cloaca.Context) -> cloaca.Context:
        """Without an id the task is called as its function."""
        context.set("flour_grams", 500 * context.get("loaves"))
        return context

    @cloaca.task(id="bake", dependencies=[weigh])
    def put_in_the_oven(context: cloaca.Context) -> cloaca.Context:
        """A dependency is named by its function, or by its id: ``dependencies=["weigh"]``."""
        context.set("bread", f"{context.get('loaves')} loaves")
        return context


def main() -> None:
    """Open a runner, run the workflow once, look at the result."""
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "bakery.db"
        with cloaca.DefaultRunner(f"sqlite://{database}") as runner:
            result = runner.execute("bake", cloaca.Context({"loaves": 3}))

            print("status:", result.status)
            print("flour:", result.final_context.get("flour_grams"), "g")
            print("bread:", result.final_context.get("bread"))
        print("on disk:", database.exists())


if __name__ == "__main__":
    main()
