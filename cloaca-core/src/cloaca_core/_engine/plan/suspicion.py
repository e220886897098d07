"""Decides which bodies are suspects, and how many deaths of their processes count against one.

Pure. A process that is killed from outside takes all its bodies with it, and one of them kills it
itself: which of the two it was, a single death does not tell. A body under which processes have
died again and again runs alone from then on, so that a death is its own.
"""

from __future__ import annotations

from cloaca_core.records.states import SUSPECT_AFTER


def is_suspect(crashes: int) -> bool:
    """Whether a body under which so many processes have died runs alone in its process."""
    return crashes >= SUSPECT_AFTER


def blamed(crashes: int, *, shared: bool) -> int:
    """How many of the deaths under a body count against it. In a process that it ``shared`` with
    others, those under which it ran alone; on an executor each worker that has died under it.
    """
    return max(0, crashes - SUSPECT_AFTER) if shared else crashes
