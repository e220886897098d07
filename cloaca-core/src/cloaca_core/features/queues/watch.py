"""Warns of queues that this program asks for and no living runner serves, once for each.

A runner that serves all queues serves these, so only others look: a runner that serves some, when
it opens, when its program registers a workflow, and when a runner may have come or gone; and a
program that submits to a queue, or puts or fires a schedule with a queue.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from cloaca_core.definition.queues import asked_queues
from cloaca_core.engine.runtime.supervisor import Wakeup
from cloaca_core.errors import StoreUnavailableError
from cloaca_core.logs import SafeLogger
from cloaca_core.store.runner_rows import claims_from

if TYPE_CHECKING:
    from cloaca_core.definition.registry import Registry
    from cloaca_core.engine.orchestrate.served import Served
    from cloaca_core.engine.recover.liveness import Liveness
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.store.protocol import KernelStore

log = SafeLogger("cloaca.engine")


class QueueWatch:
    """Belongs to the engine's loop. A program that does not ``work`` serves no queue. ``unserved``
    are queues that this program asks for and no living runner serves, as far as is known.
    """

    def __init__(
        self,
        store: KernelStore,
        served: Served,
        registry: Registry,
        liveness: Liveness,
        subjects: Subjects,
        *,
        works: bool,
    ) -> None:
        self._store = store
        self._served = served
        self._registry = registry
        self._liveness = liveness
        self._works = works
        self._submitted: set[str] = set()
        self._wakeup = Wakeup()
        self.unserved: Collection[str] = ()
        if works and served.given is not None:
            subjects.anything.subscribe(self._wakeup.wake)
            subjects.definitions.subscribe(self._wakeup.wake)

    async def turn(self) -> None:
        """Look when a runner may have come or gone, or the program has registered something."""
        await self._wakeup.turn(self.look)

    async def submits(self, names: Iterable[str]) -> None:
        """Runs that ask for these queues are submitted: look if one of them may not be served, and
        if the database answers.
        """
        if self._works and self._served.given is None:
            return
        new = {name for name in names if not (self._works and self._served.serves(name))}
        if new - self._submitted or new.intersection(self.unserved):
            self._submitted |= new
            with suppress(StoreUnavailableError):
                await self.look()

    async def look(self) -> None:
        """Find out which queues no living runner serves now, and warn of new ones."""
        asked = set(self._submitted)
        if self._works:
            asked.update(*map(asked_queues, self._registry.workflows()))
            asked = {name for name in asked if not self._served.serves(name)}
        unserved = await self._unserved(asked) if asked else set()
        for name in sorted(unserved.difference(self.unserved)):
            text = "no living runner serves queue %r: tasks that ask for it wait"
            log.warning(text, name, extra={"queue": name})
        self.unserved = sorted(unserved)

    async def _unserved(self, asked: set[str]) -> set[str]:
        living = [row for row in await self._store.runners() if self._liveness.is_alive(row)]
        return {name for name in asked if not any(claims_from(row, name) for row in living)}
