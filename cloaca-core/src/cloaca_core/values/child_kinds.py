"""Kinds of child runs that end with a failure of their parent, and the places in their keys.

A run that a body has submitted or executed has none of the kinds. The idempotency key of a child is
made of the run, the task and the call; see ``Attempt.keys_of``.
"""

import re
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, TypeVar

from cloaca_core.values.namespace import SEPARATOR

_Child = TypeVar("_Child")

RUN_WORKFLOW: Final = "run_workflow"
"""A body waits for it from the start."""
START_WORKFLOW: Final = "start_workflow"
"""A body may ask for its result later."""
NODE: Final = "node"
"""A node waits for it."""

_CALL: Final = re.compile(
    r"(?P<call>[0-9]+(-[0-9a-f]{16})?|k=.+?)(::(?P<again>[0-9]+))?"
    r"|i(?P<item>-1|[0-9]+)\.(?P<iteration>[0-9]+)@(?P<decision>[0-9]+)",
    re.DOTALL,
)
_DIGITS: Final = 16
NO_ITEM: Final = -1
"""In the place of the index of an item of a map."""


def call_with_key(key: str) -> str:
    """A call to which its body gives a key."""
    return f"k={key}"


def is_with_key(key: str | None) -> bool:
    """Whether the key of a child was made of a key that its body gave."""
    return f"{SEPARATOR}{call_with_key('')}" in (key or "")


def call_with_input(number: int, digest: str) -> str:
    """A call by its number in the attempt and the digest of the child's input."""
    return f"{number}-{digest[:_DIGITS]}"


def node_key(
    run_id: str, node_id: str, decision: int, iteration: int = 0, item: int = NO_ITEM
) -> str:
    """The key of the child run of a node, or of an item of a map of child runs. There may be
    several rounds of that run, with one input.
    """
    return f"{run_id}::{node_id}::i{item}.{iteration}@{decision}"


def call_of_item(item: int) -> str:
    """The call of a node, or of an item of a map of child runs, as ``place_of_call`` names it."""
    return f"i{item}"


def is_of_node(call: str) -> bool:
    """Whether the call, as ``place_of_call`` names it, is of a node or an item of a map."""
    return call.startswith("i")


def place_of_call(text: str) -> tuple[str, tuple[int, int]] | None:
    """The call in the rest of a key, after run and task, and an order among the runs that the call
    has started, of which the last one counts. None if the rest is no call: of a follow-up.
    """
    if (match := _CALL.fullmatch(text)) is None:
        return None
    if (item := match["item"]) is not None:
        return call_of_item(int(item)), (int(match["decision"]), int(match["iteration"]))
    return match["call"], (int(match["again"] or 1), 0)


class Place(NamedTuple):
    """The place of a child run in its parent: the task or node that began it, and of a body the
    call, which is its number in the attempt or the key that it was given. ``iteration`` counts from
    0 and is 0 for each child of a node that is no loop; None for the child of a body. ``item`` is
    the index of the item that it is the child run of; None outside of maps of child runs.
    """

    task: str
    call: str | None = None
    iteration: int | None = None
    item: int | None = None

    def number(self, *, in_loop: bool) -> int | None:
        """The number of the iteration, from 1; None for the child of a node that is no loop. The
        second one is known for one without the definition.
        """
        if self.iteration is None or not (in_loop or self.iteration):
            return None
        return self.iteration + 1


def place_of(parent_id: str, key: str | None) -> Place | None:
    """The place of a child, by its idempotency key; None for a key that its user has chosen."""
    own, _, rest = (key or "").partition(SEPARATOR)
    task, _, call = rest.partition(SEPARATOR)
    if own != parent_id or (match := _CALL.fullmatch(call)) is None:
        return None
    if (iteration := match["iteration"]) is not None:
        item = int(match["item"])
        return Place(task, iteration=int(iteration), item=None if item == NO_ITEM else item)
    given = match["call"]
    return Place(task, given[2:] if given.startswith("k=") else given.partition("-")[0])


def at_places(
    children: Iterable[_Child], place: Callable[[_Child], Place | None]
) -> list[tuple[_Child, tuple[_Child, ...]]]:
    """Each child of a run, oldest first, with the earlier ones in its place: those that a node, an
    item or an iteration has begun before, since when it has begun anew.
    """
    found: list[tuple[_Child, tuple[_Child, ...]]] = []
    newest: dict[Place, int] = {}
    for child in children:
        its = place(child)
        if its is None or its.iteration is None:
            found.append((child, ()))
        elif (number := newest.get(its)) is None:
            newest[its] = len(found)
            found.append((child, ()))
        else:
            before, earlier = found[number]
            found[number] = (child, (*earlier, before))
    return found
