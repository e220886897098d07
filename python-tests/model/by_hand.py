"""An executor that runs what the test says, when the test says so, on the test's own thread."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from cloaca_core._engine.executor import Executor
from cloaca_core._engine.work import Stage, Work


class HandExecutor(Executor):
    """``queued`` is what was sent and has not begun. Whoever wants a slot again gets it while
    ``slot_free`` is set.
    """

    def __init__(self) -> None:
        super().__init__(1, 1, asyncio.get_running_loop())
        self.queued: list[Work] = []
        self.slot_free = asyncio.Event()
        self.slot_free.set()
        self._begun: list[Work] = []

    def submit(self, work: Work) -> None:
        work.stage = Stage.QUEUED
        self.queued.append(work)

    def lend(self, work: Work) -> None:
        work.holds_slot = False

    async def reclaim(self, work: Work) -> None:
        await self.slot_free.wait()
        work.holds_slot = not work.abandoned

    def abandon(self, work: Work) -> bool:
        if work.stage is Stage.RAN:
            return False
        work.abandoned = True
        if work in self.queued:
            self.queued.remove(work)
        return True

    def running(self) -> Iterator[Work]:
        yield from list(self._begun)

    # -- what the test does ------------------------------------------------------------------

    def begin(self, work: Work | None = None) -> Work:
        """A slot becomes free: this work, or the first of the queue, is under way from now on."""
        work = work or self.queued[0]
        self.queued.remove(work)
        self._begun.append(work)
        work.begin()
        return work

    def end(self, work: Work) -> None:
        """It has run; its report is on the way."""
        work.run()
        self._begun.remove(work)
        work.stage = Stage.RAN

    def report(self, work: Work) -> None:
        """Its report arrives."""
        if not work.abandoned:
            work.finished(work)

    def run(self, work: Work | None = None) -> Work:
        """All of it at once."""
        work = self.begin(work)
        self.end(work)
        self.report(work)
        return work
