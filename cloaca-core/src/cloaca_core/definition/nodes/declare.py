"""Declares a node without a body in the block that is open, and reads the options of all kinds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NoReturn

from cloaca_core.definition.retry import RetryPolicy
from cloaca_core.definition.task import (
    DeclaredTask,
    Options,
    Reference,
    checked_dependencies,
    current_collector,
    no_open_block,
)
from cloaca_core.definition.waits.kinds import NodeWait
from cloaca_core.errors import DefinitionError, RunnerUsageError
from cloaca_core.values.arguments import text
from cloaca_core.values.durations import Duration, read_seconds
from cloaca_core.values.missing import Missing
from cloaca_core.values.namespace import LONGEST_NAME, check_name
from cloaca_core.values.node import Node
from cloaca_core.values.text import MAX_TEXT, is_storable

_ONCE: Final = RetryPolicy(max_attempts=1)


def declare(
    kind: str,
    node_id: str,
    wait: NodeWait,
    dependencies: Sequence[Reference] | None,
    *,
    in_body: str,
) -> Node:
    """Declare the node. ``kind`` is the name of the function that the user called, ``in_body`` what
    to call in a body.
    """
    options = Options(
        id=check_name(node_id, f"{kind}(id=...)"),
        dependencies=checked_dependencies(dependencies),
        retry=_ONCE,
        timeout_seconds=None,
        rule=None,
        on_success=None,
        on_failure=None,
        on_cancel=None,
    )
    collector = current_collector.get()
    if collector is None:
        raise no_open_block(f" In the body of a task use {in_body}.")
    collector.declare(DeclaredTask(node_id, _no_body, False, options, wait))
    return Node(node_id)


def _no_body(_context: object) -> NoReturn:
    """Stands for the body of a node. The engine waits instead, and never calls it."""
    raise RunnerUsageError("a node that waits has no body that could be called")


def read_timeout(timeout: Duration | None, default: object) -> float | None:
    """The seconds after which a wait ends, above 0; None for a wait without an end, which has no
    ``default`` either.
    """
    if timeout is None:
        if not isinstance(default, Missing):
            raise DefinitionError(
                "default is taken when the time is over, so it needs a timeout, which is not given"
            )
        return None
    seconds = read_seconds("timeout", timeout, otherwise=" or None")
    if seconds < 1e-6:
        raise DefinitionError(f"timeout must be greater than 0, got {timeout}; None is for none")
    return seconds


def short_text(name: str, value: object) -> str:
    """``value`` if it is a text of 1 to 255 characters that every database can store."""
    if len(storable(name, value)) > LONGEST_NAME:
        raise DefinitionError(f"{name} must have 1 to {LONGEST_NAME} characters")
    return str.__str__(value)


def storable(name: str, value: object) -> str:
    """``value`` if it is a text that every database can store, and not empty."""
    given = text(name, value)
    if not given or not is_storable(given):
        raise DefinitionError(
            f"{name} must have 1 to {MAX_TEXT} characters, no NUL and no lone surrogate, "
            f"got {given!a:.80}"
        )
    return str.__str__(given)
