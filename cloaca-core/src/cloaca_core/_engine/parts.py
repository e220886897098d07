"""All parts of one engine, and what one of them tells others.

The stages are made once, in order (see ``stages``). A part knows none that is made after it: what
it has to tell those goes through a method here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core._engine.observe.health import Health
from cloaca_core._engine.recover.drain_wish import DrainWish
from cloaca_core._engine.runtime.supervisor import supervised
from cloaca_core._engine.stages import (
    Base,
    Claims,
    Firing,
    Orchestration,
    Reading,
    Submission,
    Upkeep,
)
from cloaca_core._engine.steer.messages import Messages
from cloaca_core._engine.steer.steering import Steering
from cloaca_core.logs import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from cloaca_core._engine.execute.executor import Executor
    from cloaca_core._engine.plan.active_run import ActiveRun
    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.definition.registry import Registry
    from cloaca_core.executors.supply import Supply
    from cloaca_core.records.runs import RunEnd
    from cloaca_core.records.waits import NewMessage
    from cloaca_core.store.protocol import Store
    from cloaca_core.telemetry.redaction import Redaction
    from cloaca_core.values.clock import Clock

log = SafeLogger("cloaca.engine")


class Parts:
    """Belongs to the engine's loop. For the arguments see ``Engine``."""

    def __init__(
        self,
        store: Store,
        config: DefaultRunnerConfig,
        registry: Registry,
        clock: Clock,
        executor: type[Executor],
        broken: Callable[[str], None],
        asked_to_leave: Callable[[], None],
        *,
        works: bool,
        alone: bool,
        supplies: Sequence[Supply],
        redact: Redaction,
    ) -> None:
        self._broken = broken
        self.base = base = Base(
            store,
            config,
            registry,
            clock,
            executor,
            self.part_died,
            works=works,
            alone=alone,
            supplies=supplies,
            redact=redact,
        )
        self.orchestration = Orchestration(
            base, ended=self.ended, wished=self.wished, given_back=self.given_back
        )
        orchestrator = self.orchestration.orchestrator
        self.reading = Reading(base, orchestrator)
        completion = self.reading.completion
        self.steering = Steering(
            store,
            self.reading.definitions,
            registry.namespaces if base.works else list,
            orchestrator,
            base.runner_id,
            base.ids,
            self.runs_came,
            completion.notice_ends_elsewhere,
            self.suspect_orphans,
            self.reading.watchers.wake,
        )
        self.messages = Messages(store, self.reading.reader, base.ids, self.message_came)
        self.claims = Claims(
            base,
            orchestrator,
            self.orchestration.adoption,
            self.steering,
            self.reading.definitions,
            wished=self.wished,
            runs_freed=self.runs_freed,
            runs_left=self.runs_left,
        )
        self.submission = Submission(
            base, self.orchestration, completion, self.steering, self.claims
        )
        self.firing = Firing(base, completion, runs_came=self.runs_came, part_died=self.part_died)
        self.upkeep = Upkeep(
            base,
            completion,
            any_left=self.claims.unserved.any_left,
            runs_came=self.runs_came,
            anything_changed=self.wake_all,
            watched=self.reading.watchers.wake,
        )
        self.drain_wish = DrainWish(store, base.runner_id, self.claims.pause, asked_to_leave)
        self.loops = supervised(
            self._turns(), clock, {"lease": self.claims.lease.interval / 4}, self.wake_loops
        )
        store.on_connected(self.connected)
        self.health = Health(
            runner_id=base.runner_id if base.works else None,
            runs=base.runs,
            capacity=base.capacity,
            executor=base.executor,
            start_marks=base.start_marks,
            journal=base.journal,
            held_keys=self.submission.submitter.held_keys,
            triggers=self.firing.trigger_loop,
            unserved=self.upkeep.unserved,
            loops=self.loops,
        )

    def _turns(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """Returns what is done in the background again and again, in the order of starts."""
        base, claims, upkeep = self.base, self.claims, self.upkeep
        turns = {"journal": self._record, "changes": upkeep.changes.turn}
        if base.store.writable:
            turns |= {"steering": self.steering.loop.turn}
        if base.works:
            turns |= {"lease": claims.lease.turn, "lost-lease": self._reenlist}
            turns |= {"claim": claims.claimer.turn, "unserved": upkeep.unserved.turn}
            turns |= {"definitions": self.reading.recorder.turn, "upkeep": upkeep.sweeps.turn}
            if base.config.enable_recovery:
                turns["takeover"] = claims.takeover.turn
                turns |= {"asking": claims.asking.turn, "giving": claims.giving.turn}
            if base.config.enable_cron_scheduling:
                turns["schedules"] = self.firing.schedule_loop.turn
                turns["triggers"] = self.firing.trigger_loop.turn
        return turns

    # -- of runs -----------------------------------------------------------------------------

    def ended(self, run: ActiveRun, end: RunEnd | None) -> None:
        """A run of ours has ended; without ``end``, as the store has decided."""
        if end is None:
            self.steering.loop.look_at_ends()
        else:
            self.reading.completion.ended(run, end)
        self.claims.share.run_ended()
        self.base.capacity.changed()
        if run.graph.when_ended:
            self.runs_came()
        elif run.row.schedule_id is not None:
            self.claims.claimer.wake()  # another run of the schedule may have waited for this one

    def wished(self) -> None:
        """Something is asked of a run of ours."""
        self.steering.loop.wake()

    def given_back(self) -> None:
        """A run that was ours may be claimed."""
        self.claims.claimer.wake()

    def runs_came(self) -> None:
        """There may be runs to claim, for this runner or for one that is not there."""
        self.claims.claimer.wake()
        self.upkeep.unserved.wake()
        self.steering.loop.wake()
        self.reading.watchers.wake()

    def message_came(self, message: NewMessage, number: int | None) -> None:
        """A run has a new message: it may be ours, or be claimable since then. Without a number it
        was there already.
        """
        if number is not None:
            self.orchestration.orchestrator.control.waits.came(message, number)
        self.runs_came()

    def runs_freed(self) -> None:
        """Runs of a runner that is gone may be claimed; those that it was to cancel have ended."""
        self.runs_came()
        self.steering.loop.look_at_ends()

    def runs_left(self) -> None:
        """Runs wait for a runner that has their tasks."""
        self.upkeep.unserved.wake()

    def suspect_orphans(self) -> None:
        """This runner owns runs of which it does not know."""
        self.claims.claimer.suspect()

    # -- of everything else ------------------------------------------------------------------

    def connected(self) -> None:
        """A connection to the database has opened."""
        for each in self.loops:
            each.connected()

    def wake_loops(self) -> None:
        """A loop has failed by an error of ours, perhaps before it told another one of its news."""
        self.runs_freed()
        self.base.capacity.changed()
        self.firing.schedule_loop.wake()
        self.firing.trigger_loop.wake()
        self.claims.takeover.wake()

    async def wake_all(self) -> None:
        """Another process may have changed anything."""
        self.firing.schedule_loop.wake()
        self.firing.trigger_loop.wake()
        self.claims.takeover.wake()
        if self.base.works:
            await self.drain_wish.look()

    def schedule_changed(self) -> None:
        """A schedule may be due sooner, or name a workflow that no runner has."""
        self.firing.schedule_loop.wake()
        self.upkeep.unserved.look_soon()
        self.reading.watchers.wake()

    def trigger_changed(self) -> None:
        """A trigger was switched."""
        self.firing.trigger_loop.wake()
        self.reading.watchers.wake()

    def registry_changed(self) -> None:
        """The program has registered something."""
        self.claims.claimer.wake()
        self.firing.schedule_loop.wake()
        self.firing.trigger_loop.wake()
        self.upkeep.unserved.look_soon()
        self.reading.recorder.wake()

    def part_died(self, reason: str) -> None:
        """A part cannot go on, and so the engine cannot."""
        log.critical("%s", reason, extra=self.base.log_fields())
        self._broken(reason)

    async def _record(self) -> None:
        """Commit what is to be recorded, and tell those who watch."""
        await self.base.journal.turn()
        self.reading.watchers.wake()

    async def _reenlist(self) -> None:
        """Start anew under another id after this runner was declared dead: drop all its runs."""
        base, lease = self.base, self.claims.lease
        await lease.lost.wait()
        for run in base.runs:
            self.orchestration.orchestrator.control.drop(run)
        base.runner_id.current = base.ids.next()
        base.journal.forget_runs()
        await lease.reenlist()
        self.claims.claimer.wake()
        self.steering.loop.look_at_ends()  # of runs that we took for ours, too
