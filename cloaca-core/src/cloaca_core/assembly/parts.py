"""All parts of one engine, made once and in order (see ``stages``).

A part knows none that is made after it. What it has to tell those, it publishes (see ``subjects``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.assembly.health import Health
from cloaca_core.assembly.stages import (
    Base,
    Claims,
    Firing,
    Orchestration,
    Reading,
    Submission,
    Upkeep,
)
from cloaca_core.engine.recover.drain_wish import DrainWish
from cloaca_core.engine.runtime.supervisor import supervised
from cloaca_core.features.steering.steering import Steering
from cloaca_core.features.waits.messages import Messages
from cloaca_core.logs import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from cloaca_core.assembly.store import Store
    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.definition.registry import Registry
    from cloaca_core.engine.execute.executor import Executor
    from cloaca_core.features.executors.supply import Supply
    from cloaca_core.values.payloads.redaction import Redaction
    from cloaca_core.values.times.clock import Clock

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
        self.orchestration = Orchestration(base)
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
            completion.notice_ends_elsewhere,
            base.subjects,
        )
        came = self.orchestration.bodies.waits.came
        self.messages = Messages(store, self.reading.reader, base.ids, came, base.subjects)
        self.claims = Claims(
            base,
            orchestrator,
            self.orchestration.adoption,
            self.steering,
            self.reading.definitions,
        )
        self.submission = Submission(
            base, self.orchestration, completion, self.steering, self.claims
        )
        self.firing = Firing(base, self.part_died)
        self.drain_wish = DrainWish(store, base.runner_id, self.claims.pause, asked_to_leave)
        self.upkeep = Upkeep(
            base,
            completion,
            any_left=self.claims.unserved.any_left,
            anything_changed=self._anything_changed,
        )
        self.loops = supervised(
            self._turns(), clock, {"lease": self.claims.lease.interval / 4}, self._faulted
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

    def connected(self) -> None:
        """A connection to the database has opened."""
        for each in self.loops:
            each.connected()

    def _faulted(self) -> None:
        """A loop has failed by an error of ours, perhaps before it told another one of its news."""
        subjects = self.base.subjects
        for each in (subjects.claimable, subjects.ended_unseen, subjects.anything):
            each.publish()
        self.base.capacity.changed()

    async def _anything_changed(self) -> None:
        """Another process may have changed anything."""
        if self.base.works:
            await self.drain_wish.look()

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
        base.subjects.claimable_here.publish()
        base.subjects.ended_unseen.publish()  # also runs that we took for ours
