"""Limits: all of them, and one with its keys, who holds its places and who waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from cloaca_core.features.limits.operations import ListLimits, ShowLimit
from cloaca_tools.ui.visit import Address, Visit
from cloaca_tools.views.limits import key_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response

    from cloaca_core.features.limits.looks.views import LimitInfo, LimitKeyInfo

SHOWN: Final = 50
"""Keys, holders and waiters of a limit that stand on its page."""


async def limits(visit: Visit) -> Response:
    """The page of all limits."""
    found = await visit.site.do(ListLimits())
    found.sort(key=lambda each: (each.oldest is None, each.oldest))  # those that are waited for
    return await visit.page(
        "limits/limits.html",
        limits=found,
        awaited=sum([bool(each.waiting) for each in found]),
        stopped=sum([each.total == 0 for each in found]),
        changed=sum([bool(each.changes) for each in found]),
    )


async def limit(visit: Visit) -> Response:
    """The page of one limit, or of one key of it."""
    key = visit.query("key").strip()
    most = SHOWN + 1
    found = await visit.site.do(ShowLimit(visit.query("name"), key_of(key) if key else None, most))
    return await visit.page(
        "limits/limit.html",
        limit=found.limit,
        keys=found.keys[:SHOWN],
        holders=found.holders[:SHOWN],
        waiters=found.waiters[:SHOWN],
        has_more={
            "keys": len(found.keys) > SHOWN,
            "holders": len(found.holders) > SHOWN,
            "waiters": len(found.waiters) > SHOWN,
        },
        key=key,
        bound=bound_of(found.limit, () if key else found.keys[:SHOWN]),
        done=visit.reported.get("done", ""),
    )


def bound_of(
    limit: LimitInfo, keys: Sequence[LimitKeyInfo]
) -> Literal["total", "rate", "keys", ""]:
    """What keeps the bodies that wait for a limit: its total, its rate or the bounds of each key
    that is waited for. Empty where it is not this limit, as for a body that needs another one too.
    """
    if limit.total is not None and limit.used >= limit.total:
        return "total"
    if limit.next_start is not None:
        return "rate"
    awaited = [each for each in keys if each.waiting]
    is_kept = [
        each.next_start is not None or (limit.per_key is not None and each.used >= limit.per_key)
        for each in awaited
    ]
    return "keys" if is_kept and all(is_kept) else ""


ROUTES: Final[tuple[Address, ...]] = (("GET", "/limits", limits), ("GET", "/limit", limit))
