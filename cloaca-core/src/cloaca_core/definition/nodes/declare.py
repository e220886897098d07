"""Declares a node without a body in the block that is open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

from cloaca_core.definition.maps.options import MapOptions
from cloaca_core.definition.retries.policy import RetryPolicy
from cloaca_core.definition.task import (
    DeclaredTask,
    Options,
    checked_dependencies,
    current_collector,
    no_open_block,
)
from cloaca_core.definition.waits.kinds import NodeWait
from cloaca_core.definition.written_rules import parse_rule
from cloaca_core.errors import RunnerUsageError
from cloaca_core.values.namespace import check_name
from cloaca_core.values.node import Node, Reference

_ONCE: Final = RetryPolicy(max_attempts=1)


def declare(
    kind: str,
    node_id: str,
    wait: NodeWait,
    dependencies: Sequence[Reference] | None,
    trigger_rules: Mapping[str, object] | None,
    *,
    in_body: str,
    of_items: MapOptions | None = None,
) -> Node:
    """Declare the node. ``kind`` is the name of the function that the user called, ``in_body`` what
    to call in a body. With ``of_items`` the node is a map.
    """
    options = Options(
        id=check_name(node_id, f"{kind}(id=...)"),
        dependencies=checked_dependencies(dependencies),
        retry=_ONCE,
        timeout_seconds=None,
        rule=None if trigger_rules is None else parse_rule(trigger_rules),
        on_success=None,
        on_failure=None,
        on_cancel=None,
        map=of_items,
    )
    collector = current_collector.get()
    if collector is None:
        raise no_open_block(f" In the body of a task use {in_body}.")
    collector.declare(DeclaredTask(node_id, _no_body, False, options, wait))
    return Node(node_id)


def _no_body(_context: object) -> NoReturn:
    """Stands for the body of a node. The engine waits instead, and never calls it."""
    raise RunnerUsageError("a node that waits has no body that could be called")
