"""``Node``: stands for a task without a body where a function stands for one with a body."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Node:
    """A node that ``sleep``, ``wait_for`` or ``approval`` has declared. It may stand in
    ``dependencies`` and in conditions, as its id may.
    """

    id: str
