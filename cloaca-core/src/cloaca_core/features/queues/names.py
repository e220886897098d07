"""Notes the queues that submissions ask for, once for each program: a runner that serves all queues
claims from those that were noted for its workflows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.values.queue_names import DEFAULT_QUEUE

if TYPE_CHECKING:
    from cloaca_core.engine.submit.request import Request
    from cloaca_core.store.protocol import KernelStore


class QueueNames:
    """Belongs to the engine's loop."""

    def __init__(self, store: KernelStore) -> None:
        self._store = store
        self._noted: set[tuple[str, str]] = set()

    async def note(self, request: Request) -> None:
        """Runs of this request are about to be submitted."""
        queue = request.start.queue
        if queue is None or queue == DEFAULT_QUEUE:
            return
        pair = (request.definition.namespace, queue)
        if pair not in self._noted:
            await self._store.note_queue(*pair)
            self._noted.add(pair)
