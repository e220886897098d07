"""Step 3: graphs that branch and join, and questions that a workflow answers about itself.

Tasks that do not wait for each other run side by side. A task with several dependencies starts
when all of them have ended, and sees the keys that they wrote.
"""

from __future__ import annotations

import os

import cloaca

DATABASE = os.environ.get("DATABASE_URL", "sqlite://:memory:")

CITIES = {"oslo": 60, "rome": 42, "lima": -12}

with cloaca.WorkflowBuilder("trip") as builder:
    builder.description("Compare cities, then choose one")

    @cloaca.task(id="ask")
    def ask(context: cloaca.Context) -> cloaca.Context:
        """The root: every branch sees what it writes."""
        context.set("home", 50)
        return context

    def measure(city: str, latitude: int) -> None:
        """Define one branch. Tasks can be made in a loop, as long as each has its own id."""

        @cloaca.task(id=f"measure_{city}", dependencies=["ask"])
        def branch(context: cloaca.Context) -> cloaca.Context:
            context.set(f"far_{city}", abs(context.get("home") - latitude))
            return context

    for name, degrees in CITIES.items():
        measure(name, degrees)

    @cloaca.task(id="choose", dependencies=[f"measure_{name}" for name in CITIES])
    def choose(context: cloaca.Context) -> cloaca.Context:
        """The join: the keys of all branches are here."""
        context.set("nearest", min(CITIES, key=lambda city: context.get(f"far_{city}")))
        return context

    @cloaca.task(id="book", dependencies=[choose])
    def book(context: cloaca.Context) -> cloaca.Context:
        """The leaf: what it hands on is the result."""
        context.set("ticket", context.get("nearest").upper())
        return context

    # cloaca 0.2 builds from tasks added by name; here the block's own tasks are enough.
    for task_id in ("ask", *(f"measure_{city}" for city in CITIES), "choose", "book"):
        builder.add_task(task_id)
    trip = builder.build()


def describe(workflow: cloaca.Workflow) -> None:
    """Print the shape of a workflow, which need not run for that."""
    for number, level in enumerate(workflow.get_execution_levels()):
        print(f"level {number}:", ", ".join(sorted(short(task) for task in level)))
    print("starts with:", ", ".join(short(task) for task in workflow.get_roots()))
    print("ends with:", ", ".join(short(task) for task in workflow.get_leaves()))
    order = [short(task) for task in workflow.topological_sort()]
    print("choose comes after every branch:", order.index("choose") == len(CITIES) + 1)


def short(task: str) -> str:
    """``choose`` of ``public::embedded::trip::choose``."""
    return task.rpartition("::")[2]


def refuse_a_circle() -> None:
    """A graph that could never run is refused when it is defined."""
    try:
        with cloaca.WorkflowBuilder("chicken_and_egg"):

            @cloaca.task(id="chicken", dependencies=["egg"])
            def chicken(context: cloaca.Context) -> cloaca.Context:
                return context

            @cloaca.task(id="egg", dependencies=["chicken"])
            def egg(context: cloaca.Context) -> cloaca.Context:
                return context

    except ValueError as error:
        print("refused:", "Circular dependency" in str(error))


if __name__ == "__main__":
    describe(trip)
    with cloaca.DefaultRunner(DATABASE) as runner:
        result = runner.execute("trip", cloaca.Context())
    print("status:", result.status)
    for city in CITIES:
        print(f"{city}: {result.final_context.get(f'far_{city}')} degrees away")
    print("ticket to:", result.final_context.get("ticket"))
    refuse_a_circle()
