"""References to tasks, as ``dependencies`` and trigger rules take them: ids, functions, nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from cloaca_core.values.node import Node

TaskFunction: TypeAlias = Callable[..., object]
Reference: TypeAlias = str | TaskFunction | Node


def is_reference(value: object) -> bool:
    """True when the value can refer to a task: an id, a node or a function."""
    return isinstance(value, str | Node) or (callable(value) and hasattr(value, "__name__"))
