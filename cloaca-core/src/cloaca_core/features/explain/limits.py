"""Reads for which places of limits the tasks of a run wait, and who holds these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from cloaca_core.features.explain.facts import AwaitedLimit
from cloaca_core.features.limits.records import ALL_KEYS
from cloaca_core.values.limits.settings import LimitChanges, LimitSettings

if TYPE_CHECKING:
    from cloaca_core.features.limits.part import LimitReads
    from cloaca_core.features.limits.records import Grant, LimitRow, Need

Holders: TypeAlias = "list[tuple[str, str]]"
"""Bodies that hold places, by task and run."""

MOST: Final = 1_000
"""Waiters and holders that are read."""


async def awaited_limits(store: LimitReads, run_id: str) -> dict[str, AwaitedLimit]:
    """By task, or ``THE_RUN``: the place for which it waits; of the items of a map, that of the
    first one. A key is
    named if it has no place, not if the limit as a whole has none.
    """
    found: dict[str, AwaitedLimit] = {}
    waits = await store.limit_waits([run_id], MOST)
    if not waits:
        return found
    grants = await store.list_holders(MOST)
    settings = {each.name: _settings(each) for each in await store.list_limits()}
    for each in waits:
        if (known := found.get(each.task_id)) is not None:
            found[each.task_id] = known._replace(waiting=known.waiting + each.units)
            continue
        name, key = each.need
        holders = _holders(grants, each.need)
        if key != ALL_KEYS and _is_full(settings.get(name), holders, grants, name):
            key, holders = ALL_KEYS, _holders(grants, (name, ALL_KEYS))
        shown = None if key == ALL_KEYS else key
        found[each.task_id] = AwaitedLimit(name, shown, each.since, each.units, holders)
    return found


def _settings(row: LimitRow) -> LimitSettings:
    return LimitSettings.read(row.content).changed_by(LimitChanges.read(row.changes))


def _is_full(
    settings: LimitSettings | None, of_key: Holders, grants: list[Grant], name: str
) -> bool:
    """Whether all places of a limit are taken, while a key of it may still have some."""
    if settings is None or settings.total is None:
        return False
    has_key = settings.per_key is None or len(of_key) < settings.per_key
    return has_key and len(_holders(grants, (name, ALL_KEYS))) >= settings.total


def _holders(grants: list[Grant], need: Need) -> Holders:
    name, key = need
    return [
        (grant.task_id, grant.run_id)
        for grant in grants
        if any(each == name and key in (ALL_KEYS, own) for each, own in grant.needs)
    ]
