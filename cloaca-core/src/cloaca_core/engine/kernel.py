"""Puts the kernel together: the parts that execute graphs of tasks and lose none of their results.

A part knows no part that is made after it. It notifies those by ``subjects``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.engine.execute.body_log import NoLogs
from cloaca_core.engine.observe.changes import Changes
from cloaca_core.engine.recover.drain_request import DrainRequest
from cloaca_core.engine.runtime.supervisor import SupervisedLoop, supervised
from cloaca_core.engine.stages import (
    Base,
    Claims,
    FeatureHooks,
    Orchestration,
    Reading,
    RegisteredVersions,
    Submission,
)
from cloaca_core.logs import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.definition.registry import Registry
    from cloaca_core.engine.execute.executor import Executor, Pools
    from cloaca_core.engine.stages import BodyLogs, Versions
    from cloaca_core.store.protocol import KernelStore
    from cloaca_core.values.times.clock import Clock

log = SafeLogger("cloaca.engine")


class Kernel:
    """All parts of one kernel, made once and in order (see ``stages``). As it is, it submits,
    executes and recovers runs. A subclass adds the features.

    Belongs to the engine's loop. ``broken`` is called with the reason when a part has died and the
    engine cannot continue; ``asked_to_leave`` when another program requests that this runner shuts
    down.
    """

    def __init__(
        self,
        store: KernelStore,
        config: DefaultRunnerConfig,
        registry: Registry,
        clock: Clock,
        executor: type[Executor],
        broken: Callable[[str], None],
        asked_to_leave: Callable[[], None],
        *,
        works: bool,
        alone: bool,
        logs: Callable[[Clock], BodyLogs] = NoLogs,
        pools: Pools | None = None,
        versions: Versions | None = None,
    ) -> None:
        self._broken = broken
        base = Base(
            store,
            config,
            registry,
            clock,
            executor,
            self.part_died,
            works=works,
            alone=alone,
            pools=pools,
            logs=logs,
        )
        self.base: Base = base
        versions = RegisteredVersions(registry) if versions is None else versions
        self.orchestration: Orchestration = Orchestration(base)
        orchestrator = self.orchestration.orchestrator
        self.reading: Reading = Reading(base, orchestrator, versions)
        completion, added = self.reading.completion, self._add_features()
        self.claims: Claims = Claims(
            base, orchestrator, self.orchestration.adoption, versions, added
        )
        self.submission: Submission = Submission(
            base, self.orchestration, completion, self.claims, added
        )
        self.drain_request: DrainRequest = DrainRequest(
            store, base.runner_id, self.claims.pause, asked_to_leave
        )
        ended = completion.notice_ends_elsewhere
        self.changes: Changes = Changes(store, base.subjects, self._anything_changed, ended)
        self._add_rest()
        fixed = {"lease": self.claims.lease.interval / 4}
        self.loops: list[SupervisedLoop] = supervised(self._turns(), clock, fixed, self._faulted)
        store.on_connected(self.connected)

    # -- hooks for features ------------------------------------------------------------------

    def _add_features(self) -> FeatureHooks:
        """Make the features that take part in claims and submissions, and return their hooks."""
        return FeatureHooks()

    def _add_rest(self) -> None:
        """Make the other features. All parts of the kernel exist, but not its loops."""

    async def check(self) -> None:
        """The runner is about to register. Refuse definitions with which it cannot work."""

    async def registered(self) -> None:
        """The runner has registered. Record what other runners must know before it works."""

    def begin(self) -> None:
        """The engine begins to work."""

    def drain(self) -> None:
        """The engine shuts down: start nothing more."""

    async def leave(self) -> None:
        """The runner is about to remove its row; its loops have stopped. Give back in the database
        what others find only by that row. After a raise the row stays, to be taken over.
        """

    def end_logs(self) -> None:
        """Keep no more log lines of bodies."""

    def clean_up(self) -> None:
        """The loop has died: end the things that it left behind."""

    async def close(self) -> None:
        """Close the resources of features."""

    # -- background loops --------------------------------------------------------------------

    def _turns(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """The turns of the background loops by their names, in the order of their starts."""
        base, claims = self.base, self.claims
        turns = {"journal": base.journal.turn, "changes": self.changes.turn}
        if base.works:
            turns |= {"lease": claims.lease.turn, "lost-lease": self._reenlist}
            turns |= {"claim": claims.claimer.turn}
            if base.config.enable_recovery:
                turns["takeover"] = claims.takeover.turn
                turns |= {"asking": claims.work_requests.turn, "giving": claims.work_sharing.turn}
        return turns

    def connected(self) -> None:
        """A connection to the database has opened."""
        for each in self.loops:
            each.connected()

    def _faulted(self) -> None:
        """A loop has failed by an error of the engine, perhaps before it notified another loop."""
        subjects = self.base.subjects
        for each in (subjects.claimable, subjects.ended_elsewhere, subjects.anything):
            each.publish()
        self.base.capacity.changed()

    async def _anything_changed(self) -> None:
        """Another process may have changed anything."""
        if self.base.works:
            await self.drain_request.look()

    def part_died(self, reason: str) -> None:
        """A part cannot continue, and so the engine cannot."""
        log.critical("%s", reason, extra=self.base.log_fields())
        self._broken(reason)

    async def _reenlist(self) -> None:
        """This runner was declared dead: drop all its runs and register again under a new id."""
        base, lease = self.base, self.claims.lease
        await lease.lost.wait()
        for run in base.runs:
            self.orchestration.orchestrator.control.drop(run)
        base.runner_id.current = base.ids.next()
        base.journal.forget_runs()
        await lease.reenlist()
        base.subjects.claimable_here.publish()
        base.subjects.ended_elsewhere.publish()  # also runs that we took for ours
