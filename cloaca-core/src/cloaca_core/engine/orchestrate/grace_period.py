"""The time that a shutdown gives bodies to end, and the messages about what it waits for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from cloaca_core.logs import SafeLogger, warn_person

if TYPE_CHECKING:
    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.engine.orchestrate.active_runs import ActiveRuns
    from cloaca_core.engine.record.attempt_rows import StartMarks
    from cloaca_core.engine.record.journal import Journal
    from cloaca_core.engine.recover.runner_id import RunnerId

log = SafeLogger("cloaca.engine")

NAMED: Final = 5
"""The most bodies that a message names."""


class GracePeriod:
    """Lasts ``shutdown_grace_seconds``. Belongs to the engine's loop, but for the ``tell_of_…``
    methods.
    """

    def __init__(
        self,
        config: DefaultRunnerConfig,
        runs: ActiveRuns,
        journal: Journal,
        start_marks: StartMarks,
        runner_id: RunnerId,
    ) -> None:
        self._seconds = config.shutdown_grace_seconds
        self._runs = runs
        self._journal = journal
        self._start_marks = start_marks
        self._runner_id = runner_id
        self._hurried = asyncio.Event()

    async def wait(self) -> None:
        """Wait until nothing runs and everything is recorded, at most for the period."""
        grace = self._seconds
        if running := len(self._start_marks.running()):
            waits = "shutdown: %d bodies run, and get %g s to end"
            log.info(waits, running, grace, extra=self._ids())
        ending = asyncio.create_task(self._all_recorded())
        hurried = asyncio.create_task(self._hurried.wait())
        await asyncio.wait([ending, hurried], timeout=grace, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        if not ending.done():
            ending.cancel()
            if not self._hurried.is_set():  # else the caller of ``hurry`` has logged it
                waits = "shutdown waits no longer for %s"
                log.warning(waits, self._what_runs() or "its records", extra=self._ids())

    async def _all_recorded(self) -> None:
        await self._runs.quiet()
        await self._journal.drained()

    def tell_of_wait(self) -> None:
        """Logs which bodies the shutdown waits for. Any thread may call it."""
        if waits_for := self._what_runs():
            told = f"shutdown waits up to {self._seconds:g} s for {waits_for}; Ctrl-C ends the wait"
            warn_person(log, told, self._ids())

    def tell_of_haste(self) -> None:
        """Logs which bodies the shutdown waits for no longer. Any thread may call it."""
        if waits_for := self._what_runs():
            warn_person(log, f"shutdown waits no longer for {waits_for}", self._ids())

    def _what_runs(self) -> str:
        """The bodies, or the database error, for which a shutdown waits; "" if there are none."""
        if attempts := self._start_marks.running():
            named = [
                f"task {attempt.task.id} of run {attempt.owner.id}" for attempt in attempts[:NAMED]
            ]
            more = [f"{len(attempts) - NAMED} more"] if len(attempts) > NAMED else []
            return ", ".join(named + more)
        failure = self._journal.failure
        return "" if failure is None else f"the database: {failure}"

    def hurry(self) -> None:
        """End the grace period now, or skip it if the shutdown has not begun."""
        self._hurried.set()

    def _ids(self) -> dict[str, str]:
        """Returns the fields of a log record of this runner."""
        return {"runner_id": self._runner_id.current}
