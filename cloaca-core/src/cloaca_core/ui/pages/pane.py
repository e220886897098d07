"""The pane beside the tasks of a run: what is known of the selected one."""

from __future__ import annotations

from dataclasses import dataclass

from cloaca_core.observe import RunTree, TaskNode
from cloaca_core.runner.explain.explanation import Explanation
from cloaca_core.ui.asking import Ask


@dataclass(frozen=True, slots=True)
class Pane:
    """A task of the run of ``tree``."""

    tree: RunTree
    node: TaskNode


async def facts(_: Ask, tree: RunTree, task: str, __: Explanation | None = None) -> Pane:
    """All that the pane shows of a task of a run."""
    return Pane(tree, next(node for node in tree.tasks if node.task == task))
