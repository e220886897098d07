"""Notices a request that this runner shuts down.

The request is in the runner's row. It is read after each change of the database that may be about a
runner, so it needs no loop of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.logs import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cloaca_core.engine.recover.runner_id import RunnerId
    from cloaca_core.store.protocol import KernelStore

log = SafeLogger("cloaca.engine")


class DrainRequest:
    """Belongs to the engine's loop. When the request is read, ``stop_claiming`` is awaited, which
    returns when no claim is under way; then ``asked`` is called, once.
    """

    def __init__(
        self,
        store: KernelStore,
        runner_id: RunnerId,
        stop_claiming: Callable[[], Awaitable[None]],
        asked: Callable[[], None],
    ) -> None:
        self._store = store
        self._runner_id = runner_id
        self._stop_claiming = stop_claiming
        self._asked = asked
        self._is_seen = False

    async def look(self) -> None:
        """Read whether this runner must shut down."""
        if self._is_seen:
            return
        mine = self._runner_id.current
        for row in await self._store.runners():
            if row.id == mine and row.draining_since is not None:
                self._is_seen = True
                await self._stop_claiming()
                message = "runner %s was asked to leave: it claims no more runs"
                log.info(message, mine, extra={"runner_id": mine})
                self._asked()
