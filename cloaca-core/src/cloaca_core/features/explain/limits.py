"""Reads for which places of limits the tasks of a run wait, and who holds these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloaca_core.features.explain.facts import AwaitedLimit
from cloaca_core.features.limits.records import ALL_KEYS

if TYPE_CHECKING:
    from cloaca_core.features.limits.part import LimitReads
    from cloaca_core.features.limits.records import Grant, Need

MOST: Final = 1_000
"""Waiters and holders that are read."""


async def awaited_limits(store: LimitReads, run_id: str) -> dict[str, AwaitedLimit]:
    """By task: the place for which it waits; of the items of a map, that of the first one."""
    found: dict[str, AwaitedLimit] = {}
    waits = await store.limit_waits(run_id, MOST)
    grants = await store.list_holders(MOST) if waits else []
    for each in waits:
        known = found.get(each.task_id)
        if known is None:
            name, key = each.need
            shown = None if key == ALL_KEYS else key
            found[each.task_id] = AwaitedLimit(
                name, shown, each.since, 1, _holders(grants, each.need)
            )
        else:
            found[each.task_id] = known._replace(waiting=known.waiting + 1)
    return found


def _holders(grants: list[Grant], need: Need) -> list[tuple[str, str]]:
    name, key = need
    return [
        (grant.task_id, grant.run_id)
        for grant in grants
        if any(each == name and key in (ALL_KEYS, own) for each, own in grant.needs)
    ]
