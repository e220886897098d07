"""Opens and closes an engine. Its parts start in one order, and stop in the reverse order."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from cloaca_core.errors import SHUT_DOWN, RunnerClosedError, StoreError
from cloaca_core.logs import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloaca_core.engine.kernel import Kernel

log = SafeLogger("cloaca.engine")

LEAVING: Final = 1.0
"""Seconds after the grace period in which the database must release the runs of this runner."""


class Lifecycle:
    """Starts and ends one engine. ``closing`` is true as soon as its shutdown has begun."""

    def __init__(self, parts: Kernel) -> None:
        self.closing = False
        self._parts = parts
        self._base = parts.base
        self._orchestrator = parts.orchestration.orchestrator
        self._unsubscribe: Callable[[], None] = _nothing

    async def start(self) -> None:
        """Take over from dead runners, and register, if this engine works.

        In this order: a dead runner may have had the runner id that is configured here.
        """
        if not self._base.works:
            return
        await self._parts.check()
        claims = self._parts.claims
        if self._base.config.enable_recovery:
            await claims.takeover.sweep()
        await claims.lease.register()
        await self._parts.registered()

    async def begin(self, *, claims: bool) -> None:
        """Begin to work; without ``claims`` the engine is paused from the start."""
        if not claims:
            self._base.capacity.paused = True
        wake = asyncio.get_running_loop().call_soon_threadsafe
        changed = self._base.subjects.definitions.publish
        self._unsubscribe = self._base.registry.on_change(lambda: wake(changed))
        self._parts.begin()
        for each in self._parts.loops:
            each.start()
        self._tell_of("open")

    async def shutdown(self) -> None:
        """Stop claiming, let bodies end, release the other runs, and close the store.
        Idempotent.
        """
        if self.closing:
            return
        self.closing = True
        await self._let_end()
        await self._end_cancelled()
        await self._tell_of_rests()
        await self._write_lines()
        await self._leave()
        await self._close()
        self._tell_of("closed")

    def clean_up(self) -> None:
        """The loop has died: end the things that it left behind."""
        self._unsubscribe()
        self._parts.end_logs()
        self._parts.clean_up()
        self._base.executor.close()

    # -- the steps of a shutdown -------------------------------------------------------------

    async def _let_end(self) -> None:
        """Start nothing more, and wait for running bodies."""
        self._unsubscribe()
        self._base.capacity.paused = True
        self._parts.drain()
        self._parts.orchestration.attempts.drain()
        await self._parts.orchestration.grace.wait()

    async def _end_cancelled(self) -> None:
        """End runs that are being cancelled, with the outcomes of bodies that are known."""
        if self._orchestrator.control.cut_off_all():
            await self._drain_journal()

    async def _tell_of_rests(self) -> None:
        """Give back runs whose time limit does not count, if the database does not know that
        yet.
        """
        if self._orchestrator.control.give_back_rested():
            await self._drain_journal()

    async def _write_lines(self) -> None:
        """Write the log lines of bodies that do not end in time."""
        if self._base.logs.waiting:
            self._base.journal.write_soon()
            await self._drain_journal()

    async def _drain_journal(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LEAVING):
                await self._base.journal.drained()

    async def _leave(self) -> None:
        """Drop all runs and release them in the database."""
        for run in self._base.runs:
            self._orchestrator.control.drop(run)
        for each in reversed(self._parts.loops):
            await each.stop()
        if not self._base.works:
            return
        try:
            async with asyncio.timeout(LEAVING):
                await self._parts.leave()
                await self._base.store.unregister(self._base.runner_id.current)
        except (StoreError, TimeoutError) as error:
            reason = "shutdown: runs are left to be taken over: %r"
            log.warning(reason, error, extra=self._base.log_fields())

    async def _close(self) -> None:
        """Fail the calls of waiting callers, and close everything that is open."""
        self._parts.submission.submitter.held_keys.fail_all(RunnerClosedError(SHUT_DOWN))
        self._parts.reading.completion.fail_all(RunnerClosedError(SHUT_DOWN))
        self._parts.reading.watchers.fail_all(RunnerClosedError(SHUT_DOWN))
        self._parts.end_logs()
        self._base.executor.close()
        await self._parts.close()
        self._parts.claims.takeover.close()
        await self._base.store.close()

    def _tell_of(self, state: str) -> None:
        if self._base.works:
            who = self._base.runner_id.current
            log.info("runner %s is %s", who, state, extra=self._base.log_fields())
        else:
            log.info("a client is %s", state)


def _nothing() -> None:
    """Stands for the function that unsubscribes, before there is a subscription."""
