"""Decides how many rows one transaction deletes, and how long to pause after it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

from cloaca_core.features.upkeep.records import DoomedRun

MOST_ROWS: Final = 1_000
"""Rows of one transaction, at most."""
FIRST_ROWS: Final = 250
FEWEST_ROWS: Final = 10
KINDS_OF_MANY: Final = 5
"""Attempts, acts, restarts, replacements and memos: a run may have many of each."""
LONGEST_S: Final = 0.1
"""Seconds that one transaction should take at most."""
REST: Final = 4.0
"""The length of a pause, as a multiple of the transaction before it."""
LONGEST_REST_S: Final = 2.0


class Whole(NamedTuple):
    """These runs go with all their rows."""

    run_ids: tuple[str, ...]


class Part(NamedTuple):
    """Some rows of a run go that has too many for one transaction: up to ``rows`` of each kind."""

    run_id: str
    rows: int


Deletion: TypeAlias = Whole | Part


def next_deletion(doomed: Sequence[DoomedRun], most: int) -> Deletion | None:
    """Choose the next rows to delete, about ``most``. None when nothing is left."""
    if not doomed:
        return None
    chosen, rows = [], 0
    for each in doomed:
        rows += each.rows
        if rows > most:
            break
        chosen.append(each.run_id)
    if chosen:
        return Whole(tuple(chosen))
    return Part(doomed[0].run_id, max(1, most // KINDS_OF_MANY))


class Pace:
    """Adapts the size of transactions to the time that they take."""

    def __init__(self) -> None:
        self.rows: int = FIRST_ROWS
        """How many rows the next transaction deletes."""

    def rest_after(self, seconds: float) -> float:
        """Take note of the time that a transaction took, waiting included; how long to pause."""
        if seconds > LONGEST_S:
            self.rows = max(FEWEST_ROWS, self.rows // 2)
        elif seconds < LONGEST_S / 2:
            self.rows = min(MOST_ROWS, self.rows * 2)
        return min(seconds * REST, LONGEST_REST_S)
