"""The values of metrics that are read from the database."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Gauges(NamedTuple):
    """The amount of work under way. ``runs`` counts the runs that have not ended, by their status
    in the table. ``claimable_since`` is the instant in µs since which the first claimable run
    waits, None if there is none. ``database_bytes`` is None if it is not known. ``queues`` counts
    the claimable runs by their queue.
    """

    runs: Mapping[str, int]
    claimable_since: int | None
    database_bytes: int | None
    queues: Mapping[str, int] = MappingProxyType({})
