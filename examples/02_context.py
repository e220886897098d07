"""Step 2: the context, a JSON object that tasks hand on.

The first half shows what a context can do by itself. The second half passes one through a
workflow: every task sees the keys of the tasks before it, and the caller gets the last context.
"""

from __future__ import annotations

import os

import cloaca

DATABASE = os.environ.get("DATABASE_URL", "sqlite://:memory:")

with cloaca.WorkflowBuilder("invoice") as builder:
    builder.description("From a list of items to a line of text")

    @cloaca.task(id="sum_up")
    def sum_up(context: cloaca.Context) -> cloaca.Context:
        """Read the input, write a new key."""
        items = context.get("items")
        context.set("cents", sum(item["cents"] * item["count"] for item in items))
        return context

    @cloaca.task(id="add_tax", dependencies=["sum_up"])
    def add_tax(context: cloaca.Context) -> cloaca.Context:
        """Change a key that an earlier task wrote; ``get`` takes a default."""
        percent = context.get("tax_percent", 19)
        context.update("cents", context.get("cents") * (100 + percent) // 100)
        return context

    @cloaca.task(id="word", dependencies=["add_tax"])
    def word(context: cloaca.Context) -> cloaca.Context:
        """Add several keys at once."""
        euros, cents = divmod(context.get("cents"), 100)
        context.update_from_dict({"text": f"{euros}.{cents:02d} EUR", "done": True})
        return context


def operations() -> None:
    """Use a context without any workflow."""
    context = cloaca.Context({"city": "Zürich"})
    context.set("visits", 1)
    context["visits"] = context["visits"] + 1
    context.insert("tags", ["lake", "trains"])

    print("visits:", context.get("visits"))
    print("missing:", context.get("mayor"), "or", context.get("mayor", "unknown"))
    print("has a city:", "city" in context, "of", len(context), "keys")
    print("removed:", context.remove("tags"))
    try:
        context.insert("city", "Bern")
    except ValueError:
        print("insert refuses a key that is there; city stays", context.get("city"))
    try:
        context.update("mayor", "nobody")
    except KeyError:
        print("update refuses a key that is missing")

    again = cloaca.Context.from_json(context.to_json())
    print("through JSON and back:", again.to_dict() == context.to_dict())


def copies() -> None:
    """Every read is a copy: changing it has no effect until it is set."""
    context = cloaca.Context({"numbers": [1, 2]})
    numbers = context.get("numbers")
    numbers.append(3)
    print("before set:", context.get("numbers"))
    context.set("numbers", numbers)
    print("after set:", context.get("numbers"))


def through_a_workflow() -> None:
    """The caller's context is the input; the result has a context of its own."""
    items = [
        {"name": "pencil", "cents": 120, "count": 10},
        {"name": "paper", "cents": 450, "count": 2},
    ]
    order = cloaca.Context({"items": items})
    with cloaca.DefaultRunner(DATABASE) as runner:
        result = runner.execute("invoice", order)
    print("invoice:", result.final_context.get("text"), "done:", result.final_context.get("done"))
    print("the input is as it was:", len(order) == 1)


if __name__ == "__main__":
    operations()
    copies()
    through_a_workflow()
