"""Counts the live streams of a page: each change of the database is told to all of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

MOST: Final = 100
"""Streams at once. A thousand made runs fifty times slower; hidden tabs have none."""


class Streams:
    """The streams that are open. Belongs to the server's loop."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._open = 0

    @property
    def are_many(self) -> bool:
        """Whether no further one may open."""
        return self._open >= self._most

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count a stream as long as it is open."""
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1
