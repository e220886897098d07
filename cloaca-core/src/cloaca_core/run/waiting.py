"""What a run waits for, as far as its life depends on it. A feature keeps and ends them."""

from __future__ import annotations

from collections import Counter
from typing import Protocol


class Waiting(Protocol):
    """The open waits of one run. ``seen`` is how many of its messages were read."""

    seen: int

    @property
    def has_news(self) -> bool:
        """Whether messages have come that were not read."""

    def is_ending(self) -> bool:
        """Whether the end of any wait is on the way to the table."""

    def resting(self) -> set[int]:
        """The tasks that go on only when a wait of theirs ends."""

    def without_body(self) -> set[int]:
        """The tasks that wait and have no body here, also those whose rows are on their way."""

    def attended(self) -> Counter[int]:
        """In how many waits the body of each task is that is here."""

    def next_due(self) -> int | None:
        """When the first wait is over by time."""

    def newest_for_event(self) -> int | None:
        """When the newest wait for an event was opened."""
