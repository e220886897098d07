"""Items of a map that begin with places of limits, without an engine."""

from __future__ import annotations

import sys
from types import FrameType

from cloaca_core.features.maps.limited_items import LimitedItems
from cloaca_core.features.maps.plan import ItemPlan
from cloaca_core.values.limits.needs import Needs


def calls_to_put_back(keys: int) -> int:
    """Python calls for an item that is put back, of a map with so many keys that have all begun."""
    groups: dict[Needs, list[int]] = {(("api", f'"{key}"'),): [key] for key in range(keys)}
    limited = LimitedItems(groups, frozenset(range(keys)))
    plan = ItemPlan(keys, "finish")
    for needs in groups:
        group = limited.of(needs)
        assert group is not None
        group.begin(plan)
        limited.end(group)
    calls = 0

    def count(_: FrameType, event: str, __: object) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        for index in range(keys):
            limited.put_back(index)
    finally:
        sys.setprofile(before)
    assert [group.first for group, _ in limited.ask(keys)] == list(range(keys))
    return round(calls / keys)


def test_an_item_that_is_put_back_costs_the_same_however_many_keys_its_map_has() -> None:
    assert calls_to_put_back(500) == calls_to_put_back(50) <= 3
