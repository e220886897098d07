"""The answer of a prune, as users see it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PruneResult:
    """Counts of what a prune has deleted, or with ``dry_run`` would delete: ``runs``, and all rows
    of them and of old ticks. ``bytes`` is by how much a SQLite file has shrunk, None where that is
    not known.
    """

    runs: int
    rows: int
    bytes: int | None
