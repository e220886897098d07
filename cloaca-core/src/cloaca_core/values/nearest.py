"""The name that a misspelt one was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable


def nearest_name(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The one of ``known`` that is most like ``word``, if one is like it at all. ``cutoff`` is how
    alike it must be, from 0, not at all, to 1, the same.
    """
    # Imported when it is needed: a program that misspells nothing does without.
    from difflib import get_close_matches

    near = get_close_matches(word, list(known), n=1, cutoff=cutoff)
    return near[0] if near else None
