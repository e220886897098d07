"""Reads the replaced keys of claimed runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloaca_core.engine.orchestrate.adoption import PastRows
    from cloaca_core.features.steering.part import SteeringStore


async def read_replacements(store: SteeringStore, past: Mapping[str, PastRows]) -> None:
    """Add the replacements of keys. See ``ReadPast``."""
    for replacement in await store.replacements(list(past)):
        past[replacement.run_id].replacements.append(replacement)
