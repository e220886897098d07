"""Counts the live streams of a page: each change of the database is told to all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from cloaca_core.ui.refusals import RefusedError

MOST: Final = 100
"""Streams at once. A thousand made runs fifty times slower; hidden tabs have none."""
EACH: Final = 30
"""Streams of one visitor at once."""


class Streams:
    """The streams that are open, by visitor. Belongs to the server's loop."""

    def __init__(self, most: int = MOST, each: int = EACH) -> None:
        self._most = most
        self._each = each
        self._open = Counter[str]()

    @contextmanager
    def one(self, visitor: str) -> Iterator[None]:
        """Count a stream of a visitor as long as it is open; ``RefusedError`` of one too many."""
        if self._open[visitor] >= self._each or self._open.total() >= self._most:
            raise RefusedError(
                429, "Many pages are open", "This one shows changes when it is reloaded."
            )
        self._open[visitor] += 1
        try:
            yield
        finally:
            self._open[visitor] -= 1
            self._open += Counter()  # drops visitors without a stream
