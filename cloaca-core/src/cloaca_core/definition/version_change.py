"""Compares two versions of a workflow, task by task.

Pure. The fingerprints of an earlier version come from wherever they were kept: its code is gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from cloaca_core.definition.fingerprint import fingerprint

if TYPE_CHECKING:
    from cloaca_core.definition.workflow import Workflow

Fingerprints: TypeAlias = Mapping[str, str]
"""The fingerprint of each task, by its id."""


@dataclass(frozen=True, slots=True)
class VersionChange:
    """Ids of tasks that differ between an earlier version and a later one."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    @property
    def tasks(self) -> tuple[str, ...]:
        """All that differ."""
        return (*self.changed, *self.removed, *self.added)


def fingerprints(workflow: Workflow) -> dict[str, str]:
    """For each task a digest of all that counts in its workflow's version, its body included."""
    return {task.id: fingerprint(task) for task in workflow.tasks}


def compared(earlier: Fingerprints, later: Fingerprints) -> VersionChange:
    """The tasks that differ; each kind in the order of the version that has them."""
    return VersionChange(
        added=tuple([task for task in later if task not in earlier]),
        removed=tuple([task for task in earlier if task not in later]),
        changed=tuple([task for task in later if earlier.get(task, later[task]) != later[task]]),
    )
