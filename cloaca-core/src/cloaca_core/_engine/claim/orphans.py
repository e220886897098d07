"""Gives back runs that are this runner's without its knowing what to do with them.

A claim whose answer was lost may have been granted: its runs are then owned here, so that nobody
else takes them up, and held by nobody. Which they are only the database can say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Final

from cloaca_core.logs import SafeLogger

if TYPE_CHECKING:
    from cloaca_core._engine.record.journal import Journal
    from cloaca_core._engine.recover.runner_id import RunnerId
    from cloaca_core.store.protocol import Store

log = SafeLogger("cloaca.engine")

STILL_COMING: Final = 60.0
"""Seconds after which nothing that was sent can arrive any more: no network and no deadline of a
server lets a transaction wait so long.
"""


class Orphans:
    """Belongs to the engine's loop. ``held`` says which runs are known to be ours, ``wake`` has
    ``give_back`` called.
    """

    def __init__(
        self,
        store: Store,
        journal: Journal,
        runner_id: RunnerId,
        held: Callable[[], Collection[str]],
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._journal = journal
        self._runner_id = runner_id
        self._held = held
        self._wake = wake
        self._suspected = False

    def suspect(self) -> None:
        """There may be some."""
        self._suspected = True
        self._wake()

    def suspect_for_long(self) -> None:
        """The same after an answer was lost; what was asked for may even be yet to happen."""
        self.suspect()
        asyncio.get_running_loop().call_later(STILL_COMING, self.suspect)

    async def give_back(self) -> None:
        """Let anybody have them, if there may be any."""
        if not self._suspected:
            return
        async with self._journal.writing:  # else a run that was submitted meanwhile seems astray
            self._suspected = False
            runner_id = self._runner_id.current
            try:
                count = await self._store.release(runner_id, self._held())
            except BaseException:
                self._suspected = True
                raise
        if count:
            log.info("gave back %d run(s)", count, extra={"runner_id": runner_id})
