"""How many calls an executor runs at once, by its kind."""

from __future__ import annotations

from concurrent.futures import Executor


def size_of(executor: Executor) -> int | None:
    """The number of calls that run at once; None if it is not known."""
    for name in ("workers", "_max_workers"):
        if isinstance(size := getattr(executor, name, None), int):
            return size
    return None
