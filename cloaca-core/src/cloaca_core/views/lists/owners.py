"""Runs of a listing whose runner is gone, and which another one is to take over.

Asks for the runners once for all of the runs, and only if one of them has an owner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.run.rows import RunRow


async def without_runner(engine: Looks, rows: Sequence[RunRow]) -> frozenset[str]:
    """The ids of those of these runs; runs on the engine's loop."""
    owners = {row.id: row.owner for row in rows if row.owner is not None and row.ended_at is None}
    if not owners:
        return frozenset()
    runners, now = await engine.explainer.leases()
    gone = {each.load.row.id for each in runners if each.is_gone(now)}
    return frozenset([run_id for run_id, owner in owners.items() if owner in gone])
