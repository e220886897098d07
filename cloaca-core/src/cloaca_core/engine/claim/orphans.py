"""Releases orphans: runs that this runner owns in the database but does not know in memory.

A claim whose answer was lost may have been granted. Then this runner owns runs of which it does not
know, and no other runner claims them. Only the database can tell which they are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from cloaca_core.logs import SafeLogger

if TYPE_CHECKING:
    from cloaca_core.engine.record.journal import Journal
    from cloaca_core.engine.recover.runner_id import RunnerId
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.store.protocol import KernelStore

log = SafeLogger("cloaca.engine")


class Orphans:
    """Belongs to the engine's loop. ``held`` returns the runs known in memory."""

    def __init__(
        self,
        store: KernelStore,
        journal: Journal,
        runner_id: RunnerId,
        held: Callable[[], Collection[str]],
        subjects: Subjects,
    ) -> None:
        self._store = store
        self._journal = journal
        self._runner_id = runner_id
        self._held = held
        self._subjects = subjects
        self._suspected = False

    def suspect(self) -> None:
        """There may be orphans."""
        self._suspected = True

    async def give_back(self) -> None:
        """Release orphans for any runner to claim, if there may be any. The store ends those that
        are being cancelled.
        """
        if not self._suspected:
            return
        async with self._journal.writing:  # else a run just submitted would look like an orphan
            self._suspected = False
            runner_id = self._runner_id.current
            try:
                count = await self._store.release(runner_id, self._held())
            except BaseException:
                self._suspected = True
                raise
        self._subjects.ended_elsewhere.publish()  # those that were to be cancelled
        if count:
            log.info("gave back %d run(s)", count, extra={"runner_id": runner_id})
