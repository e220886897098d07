"""Items for tests of maps."""

from __future__ import annotations

from cloaca_core.features.maps.items import Items
from cloaca_core.values.payloads.digests import digest_of
from cloaca_core.values.payloads.json_values import JsonValue


def items(count: int, of: JsonValue = 0) -> Items:
    """So many items without labels, ``of`` in each."""
    values: list[JsonValue] = [[of, index] for index in range(count)]
    return Items(values, None, None, digest_of(values))
