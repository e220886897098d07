"""``Node``, which stands for a task without a body, and the references that tasks are named by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Node:
    """A node that ``sleep``, ``wait_for`` or ``approval`` has declared. It may stand in
    ``dependencies`` and in conditions, as its id may.
    """

    id: str


TaskFunction: TypeAlias = Callable[..., object]
Reference: TypeAlias = str | TaskFunction | Node
"""Names a task in ``dependencies`` and in conditions: by its id, its function or its node."""


def is_reference(value: object) -> bool:
    """True when the value can refer to a task: an id, a node or a function."""
    return isinstance(value, str | Node) or (callable(value) and hasattr(value, "__name__"))
