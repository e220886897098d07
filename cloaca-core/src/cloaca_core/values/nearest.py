"""Finds the known name that is most like a misspelt one."""

from __future__ import annotations

from collections.abc import Iterable


def nearest_name(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The name in ``known`` that is most like ``word``; None if none is similar enough.

    ``cutoff`` is the least similarity, from 0 (none) to 1 (equal).
    """
    # Imported here: only a program with a misspelt name needs it.
    from difflib import get_close_matches

    near = get_close_matches(word, list(known), n=1, cutoff=cutoff)
    return near[0] if near else None
