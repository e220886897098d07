"""A short look at the health of an open database: the findings that cost little, and its size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cloaca_core.engine.calls.call import Call, unchanged
from cloaca_tools.doctor.judgement import of_work, worst_first
from cloaca_tools.doctor.work import read_work

if TYPE_CHECKING:
    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.client.async_client import AsyncClient
    from cloaca_core.client.client import Client
    from cloaca_core.features.transfer.examination import Finding

MOST: Final = 5_000
"""Unfinished runs of a state: with more the size is not read, which would count them all."""


@dataclass(frozen=True, slots=True)
class Glance:
    """``findings`` are the worst first. ``database_bytes`` is None where it is not known soon."""

    findings: Sequence[Finding]
    database_bytes: int | None


def glance(client: Client | AsyncClient) -> Call[Glance]:
    """The health of the database of a client. Only reads."""
    host = client._host
    return Call(lambda: host.read(_read), unchanged)


async def _read(engine: Looks) -> Glance:
    store = engine.store
    found = worst_first(of_work(await read_work(store, store.wall())))
    counts = await store.count_under_way(MOST)
    is_small = all(number < MOST for number in counts.values())
    gauges = await store.gauges() if is_small else None
    return Glance(found, None if gauges is None else gauges.database_bytes)
