"""Decides the input of a node's child run, and what its end makes of the node. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, cast

from cloaca_core.definition.waits.kinds import Child, Constant, Loop
from cloaca_core.errors import (
    ChildFailedError,
    ContextKeyError,
    ContextValueError,
    LoopError,
    RunCancelledError,
)
from cloaca_core.run.merge import Change
from cloaca_core.run.trigger_rules import evaluate
from cloaca_core.values.child_kinds import node_key
from cloaca_core.values.namespace import short_name
from cloaca_core.values.payloads.json_values import (
    JsonValue,
    copy_value,
    decode,
    shown_path,
)
from cloaca_core.values.states import RunStatus, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloaca_core.features.steering.records import ChildRow
    from cloaca_core.features.waits.node_waits import WaitOutcome
    from cloaca_core.run.rows import RunRow
    from cloaca_core.values.map_items import Item


def child_input(
    node: Child, task_id: str, given: Mapping[str, JsonValue], item: Item | None = None
) -> dict[str, JsonValue]:
    """The input of the child, of the context that the node sees; in a map, of an ``item`` as well.
    ``ContextValueError`` if that does not have a value where the node looks for one.
    """
    of_item = {} if item is None else item.as_input()
    seen = {**given, **of_item}
    if node.context is None:
        return seen
    return {key: _value(task_id, source, seen) for key, source in node.context} | of_item


def _value(
    task_id: str, source: tuple[str, ...] | Constant, given: Mapping[str, JsonValue]
) -> JsonValue:
    if isinstance(source, Constant):
        return copy_value(source.value)
    value: object = given
    for key in source:
        if not isinstance(value, Mapping) or key not in value:
            place = ".".join(source)
            raise ContextValueError(
                f"the child of node {task_id!r} gets the value at {shown_path(place)}, which the "
                "node's context does not have",
                path=place,
            )
        value = value[key]
    return cast("JsonValue", value)


def outcome_of_end(node: Child, task_id: str, row: RunRow) -> WaitOutcome:
    """The end of a node whose child has ended so."""
    name = short_name(row.workflow)
    if row.status != RunStatus.COMPLETED:
        message = f"run {row.id} of {name!r} is {row.status}: {row.error_message}"
        kind = RunCancelledError if row.status == RunStatus.CANCELLED else ChildFailedError
        return kind(message, run_id=row.id, status=row.status)
    final = _final(row)
    if node.outputs is None:
        return Change({task_id: final}, [])
    if missing := [key for key in node.outputs if key not in final]:
        return ContextKeyError(
            f"node {task_id!r} keeps {missing[0]!r} of the final context of run {row.id} of "
            f"{name!r}, which does not have it",
            path=missing[0],
        )
    return Change({task_id: {key: final[key] for key in node.outputs}}, [])


class Iteration(NamedTuple):
    """The place of a child of a node: the decision of the node, and the number in a loop, from 0.
    It is the ``detail`` of the wait for it.
    """

    decision: int = 1
    number: int = 0

    @property
    def next(self) -> Iteration:
        """The iteration after this."""
        return self._replace(number=self.number + 1)

    @property
    def again(self) -> Iteration:
        """The same one, as the node begins it once more."""
        return self._replace(decision=self.decision + 1)

    @property
    def detail(self) -> str:
        """As the row of the wait has it."""
        return f'{{"decision":{self.decision},"iteration":{self.number}}}'

    @classmethod
    def of(cls, detail: str) -> Iteration:
        """The inverse of ``detail``."""
        found = cast("dict[str, int]", decode(detail))
        return cls(found["decision"], found["iteration"])

    def key(self, run_id: str, node_id: str, item: int) -> str:
        """The idempotency key of the child: of the node, or of this item of a map."""
        return node_key(run_id, node_id, self.decision, self.number, item)


def next_input(
    node: Child, first: Mapping[str, JsonValue], row: RunRow
) -> dict[str, JsonValue] | None:
    """The input of the next iteration, by the end of the last one; None if it was the last."""
    return {**first, **_final(row)} if goes_on(node, row) else None


def goes_on(node: Child, row: RunRow) -> bool:
    """Whether an iteration follows one that has ended so: not if it has failed, if it satisfies the
    condition, or if the node is no loop.
    """
    if not isinstance(node, Loop) or row.status != RunStatus.COMPLETED:
        return False
    return not _is_enough(node, _final(row))


def _final(row: RunRow) -> dict[str, JsonValue]:
    return cast("dict[str, JsonValue]", decode(row.final_context or "{}"))


def _is_enough(node: Loop, final: Mapping[str, JsonValue]) -> bool:
    return evaluate(node.until, lambda _: TaskStatus.COMPLETED, lambda _: None, final, lambda: True)


def first_of(children: Iterable[Iteration]) -> Iteration:
    """The child with which the node has begun: its input was that of the node. A later decision may
    have begun with a further iteration, which had failed.
    """
    return max([each for each in children if not each.number])


def endless(node: Loop, task_id: str, row: RunRow) -> LoopError:
    """Make the error of a loop whose last iteration does not satisfy its condition."""
    return LoopError(
        f"no iteration of loop {task_id!r} satisfied its condition, the last of "
        f"{node.max_iterations} was run {row.id}",
        task_id=task_id,
        iterations=node.max_iterations,
        run_id=row.id,
    )


NodeItem: TypeAlias = tuple[str, int]
"""The id of a node, and the index of an item if it is a map; otherwise -1."""


def children_of_nodes(
    parent_id: str, children: Iterable[ChildRow]
) -> dict[NodeItem, dict[Iteration, str]]:
    """The children of nodes and of their items, by these and by their places."""
    found: dict[NodeItem, dict[Iteration, str]] = {}
    for child in children:
        if (match := _KEY.fullmatch(child.idempotency_key or "")) is not None:
            iteration = Iteration(int(match["decision"]), int(match["iteration"]))
            node, item = match["node"], int(match["item"])
            if child.idempotency_key == iteration.key(parent_id, node, item):
                found.setdefault((node, item), {})[iteration] = child.id
    return found


_KEY: Final = re.compile(
    r"[^:]+::(?P<node>.+)::i(?P<item>-1|[0-9]+)\.(?P<iteration>[0-9]+)@(?P<decision>[0-9]+)",
    re.DOTALL,
)
