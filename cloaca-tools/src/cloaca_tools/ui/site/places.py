"""Bounds how much of one kind is under way at once: in all, and for one visitor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from cloaca_tools.ui.refusals import RefusedError

STREAMS: Final = 100
"""Live streams at once. A thousand made runs fifty times slower; hidden tabs have none."""
STREAMS_EACH: Final = 30
EXPORTS: Final = 3
"""Files of whole runs that are made at once. Each takes a thread and much memory for seconds."""
EXPORTS_EACH: Final = 1


class Places:
    """Counts the work under way for each visitor. Belongs to the server's loop."""

    def __init__(self, most: int, each: int, title: str, help_: str) -> None:
        self._most = most
        self._each = each
        self._title = title
        self._help = help_
        self._taken = Counter[str]()

    @contextmanager
    def one(self, visitor: str) -> Iterator[None]:
        """Count one more of a visitor while it lasts; ``RefusedError`` if there is no place."""
        if self._taken[visitor] >= self._each or self._taken.total() >= self._most:
            raise RefusedError(429, self._title, self._help)
        self._taken[visitor] += 1
        try:
            yield
        finally:
            self._taken[visitor] -= 1
            self._taken += Counter()  # drops visitors without any


def streams() -> Places:
    """Live streams of pages."""
    text = "This one shows changes when it is reloaded."
    return Places(STREAMS, STREAMS_EACH, "Many pages are open", text)


def exports() -> Places:
    """Files that are made of runs."""
    text = "A large run takes a while. Ask again when the file before has come."
    return Places(EXPORTS, EXPORTS_EACH, "Another export is being made", text)
