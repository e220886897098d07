"""Decides which bodies are suspects, and how many process deaths count against one body.

Pure. When a process is killed, all bodies in it die. One of them may have killed it, or something
outside did: a single death does not tell which. A pool that breaks as a whole takes its bodies with
it in the same way. So a body under which processes died again and again is a suspect: from then on
it runs alone, and the next death is its own.
"""

from __future__ import annotations

from cloaca_core.values.states import SUSPECT_AFTER


def is_suspect(crashes: int) -> bool:
    """Whether a body must run alone, after so many deaths of a process or pool that it shared."""
    return crashes >= SUSPECT_AFTER


def after_death(crashes: int, *, alone: bool) -> int:
    """The number of deaths counted against a body after one more. Deaths beside other bodies are
    counted only until the body is a suspect, as in ``RunnerStore.take_over``.
    """
    return crashes + 1 if alone or not is_suspect(crashes) else crashes


def blamed(crashes: int, *, shared: bool) -> int:
    """The number of deaths that count against a body. If it ``shared`` a process or pool with
    others, only the deaths while it ran alone count; otherwise each worker that died under it
    counts.
    """
    return max(0, crashes - SUSPECT_AFTER) if shared else crashes
