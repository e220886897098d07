"""Puts runs with a singleton key in the row of their key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.errors import key_held
from cloaca_core.values.namespace import short_name
from cloaca_core.values.times.instants import SECOND

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cloaca_core.engine.order import Order
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.engine.submit.request import Singleton
    from cloaca_core.features.singletons.part import SingletonStore
    from cloaca_core.features.steering.records import Act
    from cloaca_core.run.rows import NewRun
    from cloaca_core.store.batch import Rows


class Singletons:
    """Belongs to the engine's loop. ``act_of`` makes the act of an order; ``act_now`` carries out
    requests to steer our runs.
    """

    def __init__(
        self,
        store: SingletonStore,
        act_of: Callable[[Order], Act],
        act_now: Callable[[], Awaitable[None]],
        subjects: Subjects,
    ) -> None:
        self._store = store
        self._act_of = act_of
        self._act_now = act_now
        self._subjects = subjects

    async def join(self, row: NewRun, singleton: Singleton, rows: Rows) -> tuple[str, bool]:
        """Insert the run, or find the run that has its key, by its policy. Returns the id of that
        run, and whether it was inserted.
        """
        key, policy, order = singleton.key, singleton.policy, singleton.replaces
        if order is None:
            joined = await self._store.join(row, key, queues=policy == "queue", rows=rows)
        else:
            act = self._act_of(order)
            deadline = act.now + round(singleton.grace * SECOND)
            joined = await self._store.replace(row, key, act, deadline, rows)
        if policy == "reject" and joined.status is not None:
            raise key_held(short_name(row.workflow), key, joined.run_id, joined.status)
        if order is not None and joined.made:
            await self._act_now()
            self._subjects.ended_elsewhere.publish()
        return joined.run_id, joined.made
