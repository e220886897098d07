"""Decides which bodies are suspects, and how many deaths of their processes count against one.

Pure. A process that is killed from outside takes all its bodies with it, and one of them kills it
itself: which of the two it was, a single death does not tell. A pool that breaks as a whole takes
all its bodies with it in the same way. A body under which they have died again and again runs alone
from then on, so that a death is its own.
"""

from __future__ import annotations

from cloaca_core.values.states import SUSPECT_AFTER


def is_suspect(crashes: int) -> bool:
    """Whether a body runs alone from now on, after so many deaths of what it shares with others."""
    return crashes >= SUSPECT_AFTER


def after_death(crashes: int, *, alone: bool) -> int:
    """How many deaths are counted of a body after one more. Those beside others are counted until
    it is a suspect, as ``RunnerStore.take_over`` does.
    """
    return crashes + 1 if alone or not is_suspect(crashes) else crashes


def blamed(crashes: int, *, shared: bool) -> int:
    """How many of the deaths under a body count against it. In a process or pool that it ``shared``
    with others, those under which it ran alone; else each worker that has died under it.
    """
    return max(0, crashes - SUSPECT_AFTER) if shared else crashes
