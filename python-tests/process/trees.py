"""Trees of runs that have all that a run can have, for storms: a map, a map of children that have a
map and a child of their own, a loop, children of a body, and a task in another queue.

Workers define them (``define``); a test that has a tree looks at all of it (``is_whole``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import cloaca
from cloaca_core.values.child_kinds import place_of

if TYPE_CHECKING:
    from process.fleet import Fleet

ITEMS: Final = 30
UNITS: Final = 4
ABREAST: Final = 3
"""How many units may be under way at once."""
TWIGS: Final = 3
TURNS: Final = 3
FAILED_UNITS: Final = 2
MENDED: Final = 8
FAILING: Final = (2, 5)
"""The items that fail in the first round of a tree that is mended in its second."""
QUEUE: Final = "gpu"
RUNS: Final = {"tree": 1, "branch": UNITS, "leaf": UNITS + TURNS + 2}
"""How many runs of each workflow a tree has."""
BODIES: Final = Counter(
    {"l": RUNS["leaf"], "calls": 1, "far": 1, "last": 1}
    | {f"i{item}": 1 for item in range(ITEMS)}
    | {f"t{item}": UNITS for item in range(TWIGS)}
)
"""How often a body of each name succeeds in a tree."""
BEGUN: Final = "begun"
"""What a body notes when its first child is there."""
HELD: Final = ("l", BEGUN)
"""The bodies at which a tree stands still if they are held: all that can begin before has begun."""
STANDING: Final = Counter(
    {"l": ABREAST + 2, "calls": 1, BEGUN: 1}
    | {f"i{item}": 1 for item in range(ITEMS)}
    | {f"t{item}": ABREAST for item in range(TWIGS)}
)
"""What has begun then: leaves of units, of the first turn and of a body, and what nothing holds."""
RESULT: Final[dict[str, Any]] = {
    "items": list(range(ITEMS)),
    "units": [{"twigs": [0, 10, 20], "leaf": {"seen": 1}, "unit": unit} for unit in range(UNITS)],
    "turns": {"seen": TURNS},
    "calls": [1, 1],
    "far": True,
    "last": True,
}
"""The final context of a tree."""
OF_TREE: Final = (
    "WITH RECURSIVE tree (id) AS (SELECT id FROM cloaca_run WHERE id = ?"
    " UNION ALL SELECT run.id FROM cloaca_run AS run JOIN tree ON run.parent_id = tree.id) "
)
FREE: Final = (
    f"{OF_TREE}SELECT id FROM cloaca_run JOIN tree USING (id)"
    " WHERE ended_at IS NULL AND cancel_at IS NULL"
)
"""The runs of a tree that have not ended and to which no cancel has come."""

Note = Callable[..., None]


# -- for workers -----------------------------------------------------------------------------------


def define(note: Note, registry: cloaca.Registry) -> None:
    """Register the workflows of a tree, whose bodies note that they are executed."""
    with cloaca.WorkflowBuilder("leaf", registry=registry):

        @cloaca.task(id="l")
        def leaf(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            note(handle)
            context["seen"] = context.get("seen", 0) + 1

    with cloaca.WorkflowBuilder("branch", registry=registry):
        cloaca.child("leaf", "leaf", context={})

        @cloaca.task(id="twigs", map=list(range(TWIGS)))
        def twigs(context: cloaca.Context, item: int, handle: cloaca.TaskHandle) -> int:
            note(handle, f"t{item}")
            return 10 * item

    with cloaca.WorkflowBuilder("tree", registry=registry):
        _parts_of_a_tree(note)
    with cloaca.WorkflowBuilder("mended-tree", registry=registry):
        _parts_of_a_mended_tree(note)


def _parts_of_a_tree(note: Note) -> None:
    @cloaca.task(id="items", map=list(range(ITEMS)), max_parallel=8)
    def items(context: cloaca.Context, item: int, handle: cloaca.TaskHandle) -> int:
        note(handle, f"i{item}")
        return item

    numbers: list[object] = list(range(UNITS))
    cloaca.child(
        "units",
        "branch",
        map=numbers,
        context={"unit": "item"},
        outputs=["twigs", "leaf", "unit"],
        max_parallel=ABREAST,
    )
    enough = cloaca.context_value("seen", "==", TURNS)
    cloaca.loop("turns", "leaf", until=enough, max_iterations=TURNS + 1, context={})

    @cloaca.task(id="calls")
    def calls(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
        note(handle)
        started = handle.start_workflow("leaf")
        note(handle, BEGUN)
        ran = handle.run_workflow("leaf", key="second")
        context["calls"] = [started.result()["seen"], ran["seen"]]

    @cloaca.task(id="far", dependencies=["items", "units", "turns", "calls"], queue=QUEUE)
    def far(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
        note(handle)
        context["far"] = True

    @cloaca.task(id="last", dependencies=["far"])
    def last(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
        note(handle)
        context["last"] = True


def _parts_of_a_mended_tree(note: Note) -> None:
    """A map, a map of children and a body with a child, all of which fail in their first round:
    two items at once, each child at its task "b". A map and a map of children before them succeed.
    """

    @cloaca.task(id="sound", map=list(range(MENDED)))
    def sound(context: cloaca.Context, item: int, handle: cloaca.TaskHandle) -> int:
        note(handle, f"s{item}")
        return item

    cloaca.child("kept", "leaf", map=["x", "y"], context={})

    @cloaca.task(id="begin", dependencies=["sound", "kept"])
    def begin(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
        note(handle)

    @cloaca.task(id="items", dependencies=["begin"], map=list(range(MENDED)), retry_attempts=1)
    def items(context: cloaca.Context, item: int, handle: cloaca.TaskHandle) -> int:
        note(handle, f"i{item}")
        if item in FAILING and handle.attempt == 1 and "mended" not in context:
            raise ValueError("not in the first round")
        return item

    numbers: list[object] = list(range(FAILED_UNITS))
    cloaca.child("units", "mended", map=numbers, outputs=["c"], dependencies=["begin"])

    @cloaca.task(id="calls", dependencies=["begin"], retry_attempts=1)
    def calls(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
        note(handle)
        ran = handle.run_workflow("mended", {"mended": True} if "mended" in context else None)
        context["calls"] = sorted(ran.to_dict())


# -- for tests -------------------------------------------------------------------------------------


def is_whole(fleet: Fleet, root: str) -> None:
    """Each run of a tree has ended well, and is in a place of its own. Each body has one recorded
    success, by an execution of the owner that recorded it, and nothing is left over.
    """
    runs = runs_of(fleet, root)
    asked = "SELECT parent_id, idempotency_key FROM cloaca_run JOIN tree USING (id)"
    keys = fleet.query(f"{OF_TREE}{asked} WHERE parent_id IS NOT NULL", root)
    assert len({(parent, place_of(parent, key)) for parent, key in keys}) == len(runs) - 1
    assert Counter(name.rpartition("::")[2] for _, name, _ in runs) == RUNS
    assert {status for _, _, status in runs} == {"Completed"}
    recorded = _successes(fleet, root)
    assert Counter(name for _, name, _, _ in recorded) == BODIES
    mine = {run_id for run_id, *_ in runs}
    executed = Counter(
        (entry.run_id, entry.task_id, entry.attempt, entry.epoch)
        for entry in fleet.ledger()
        if entry.run_id in mine
    )
    assert executed.keys() >= set(recorded)
    assert waits_of_ended(fleet) == []


def runs_of(fleet: Fleet, root: str) -> list[tuple[str, str, str]]:
    """Id, workflow and status of each run of a tree."""
    asked = "SELECT id, workflow, status FROM cloaca_run JOIN tree USING (id)"
    return fleet.query(OF_TREE + asked, root)


def _successes(fleet: Fleet, root: str) -> list[tuple[str, str, int, int]]:
    """Run, name as in the ledger, attempt and epoch of each body that has succeeded."""
    rows = fleet.query(
        f"{OF_TREE}SELECT run_id, task_id, item, attempt, epoch FROM cloaca_attempt"
        " JOIN tree ON run_id = id WHERE status = 'Completed'",
        root,
    )
    letters = {"items": "i", "twigs": "t"}
    return [
        (run_id, f"{letters[task]}{item}" if item >= 0 else task, attempt, epoch)
        for run_id, task, item, attempt, epoch in rows
        if task in (letters if item >= 0 else BODIES)
    ]


def waits_of_ended(fleet: Fleet) -> list[tuple[str]]:
    """The tasks that wait in runs that have ended: there are none."""
    return fleet.query(
        "SELECT task_id FROM cloaca_wait JOIN cloaca_run AS run ON run.id = run_id"
        " WHERE run.ended_at > 0"
    )
