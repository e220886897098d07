"""What metrics read from the database."""

from collections.abc import Mapping
from typing import NamedTuple


class Gauges(NamedTuple):
    """How much is under way. ``runs`` counts those that have not ended, by their state in the
    table; ``claimable_since`` is the instant in µs since which the first of those that may be
    claimed waits, None if there is none. ``database_bytes`` is None where it is not known.
    """

    runs: Mapping[str, int]
    claimable_since: int | None
    database_bytes: int | None
