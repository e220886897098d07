"""All parts of one engine: the kernel, and the features on it.

A part notifies the parts that are made after it by ``subjects``.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

from cloaca_core.assembly.bodies import Bodies
from cloaca_core.assembly.health import Health
from cloaca_core.engine.kernel import Kernel
from cloaca_core.engine.stages import FeatureHooks
from cloaca_core.features.child_runs.child_ends import ChildEnds
from cloaca_core.features.child_runs.child_runs import ChildRuns
from cloaca_core.features.child_runs.nodes import ChildNodes
from cloaca_core.features.child_runs.opened_nodes import OpenedNodes
from cloaca_core.features.child_runs.places import ChildPlaces
from cloaca_core.features.definitions.recorded_definitions import RecordedDefinitions
from cloaca_core.features.definitions.recorder import DefinitionRecorder
from cloaca_core.features.executors.lazy_pools import LazyPools
from cloaca_core.features.inputs.filled import filled
from cloaca_core.features.limits.limited_units import LimitedUnits
from cloaca_core.features.limits.past import AdoptedPlaces, read_places
from cloaca_core.features.limits.recorder import LimitRecorder
from cloaca_core.features.maps.past import read_maps
from cloaca_core.features.queues.names import QueueNames
from cloaca_core.features.queues.watch import QueueWatch
from cloaca_core.features.reruns.past import read_forks
from cloaca_core.features.schedules.schedule_loop import ScheduleLoop
from cloaca_core.features.singletons.singletons import Singletons
from cloaca_core.features.steering.acts import Acts
from cloaca_core.features.steering.past import read_replacements
from cloaca_core.features.steering.steering import Steering
from cloaca_core.features.task_logs.capture import CAPTURE
from cloaca_core.features.task_logs.log_book import LogBook
from cloaca_core.features.task_logs.run_logs import RunLogs
from cloaca_core.features.triggers.trigger_loop import TriggerLoop
from cloaca_core.features.unserved.watch import UnservedWatch
from cloaca_core.features.upkeep.pruner import Pruner
from cloaca_core.features.upkeep.sweeps import Sweeps
from cloaca_core.features.waits.messages import Messages
from cloaca_core.features.waits.past import read_waits
from cloaca_core.values.times.retention import DAY_US, UsualDays

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

    from cloaca_core.assembly.store import Store
    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.definition.registry import Registry
    from cloaca_core.engine.claim.claimer import ReadPast
    from cloaca_core.engine.execute.executor import Executor, MakeAttempt
    from cloaca_core.engine.stages import Base
    from cloaca_core.features.executors.supply import Supply
    from cloaca_core.features.transactional.bodies import TransactionalBodies
    from cloaca_core.values.payloads.redaction import Redaction
    from cloaca_core.values.times.clock import Clock

_ORDER: Final = (
    *("journal", "changes", "steering", "lease", "lost-lease", "claim", "unserved"),
    *("limits", "definitions", "queues", "overdue", "upkeep", "takeover", "asking", "giving"),
    *("schedules", "triggers"),
)
"""All loops, in the order of their starts."""


class Firing:
    """Runs that schedules and triggers make."""

    def __init__(
        self,
        base: Base,
        store: Store,
        redact: Redaction,
        part_died: Callable[[str], None],
        submits: Callable[[Collection[str]], Awaitable[None]],
    ) -> None:
        journal, registry = base.journal, base.registry
        self.schedule_loop: ScheduleLoop = ScheduleLoop(
            store, journal, registry, base.config, base.ids, base.subjects, submits
        )
        self.trigger_loop: TriggerLoop = TriggerLoop(
            store,
            journal,
            registry,
            base.config,
            base.ids,
            base.subjects,
            base.clock,
            part_died,
            redact,
        )


class Upkeep:
    """Work besides executing runs: warns of runs without a runner, and deletes old runs."""

    def __init__(self, base: Base, store: Store, has_released: Callable[[], bool]) -> None:
        clock, days = base.clock, base.config.retention_days
        self.unserved: UnservedWatch = UnservedWatch(
            store, base.registry, base.runner_id, base.liveness, has_released, clock, base.subjects
        )
        self.pruner: Pruner = Pruner(
            store,
            base.ids,
            clock,
            None if days is None else days * DAY_US,
            was_set=not isinstance(days, UsualDays),
        )
        self.sweeps: Sweeps = Sweeps(self.pruner, clock)


class Parts(Kernel):
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
        self.store = store
        self._redact = redact
        self.definitions: RecordedDefinitions = RecordedDefinitions(store, registry, clock)
        self._captures = False
        self._transactional_bodies: TransactionalBodies | None = None

        def log_book(clock: Clock) -> LogBook:
            self.log_book = LogBook(config.task_log_level, clock, redact)
            return self.log_book

        super().__init__(
            store,
            config,
            registry,
            clock,
            executor,
            broken,
            asked_to_leave,
            works=works,
            alone=alone,
            logs=log_book,
            pools=LazyPools(supplies, asyncio.get_running_loop()),
            versions=self.definitions,
        )
        base = self.base
        self.health: Health = Health(
            runner_id=base.runner_id if base.works else None,
            runs=base.runs,
            capacity=base.capacity,
            executor=base.executor,
            start_marks=base.start_marks,
            journal=base.journal,
            held_keys=self.submission.submitter.held_keys,
            triggers=self.firing.trigger_loop,
            unserved=self.upkeep.unserved,
            queues=self.queue_watch,
            loops=self.loops,
        )

    def _add_features(self) -> FeatureHooks:
        base, store, reading = self.base, self.store, self.reading
        orchestrator = self.orchestration.orchestrator
        self.bodies: Bodies = Bodies(
            orchestrator,
            store,
            base.executor,
            base.clock,
            base.config,
            base.ids.next,
            base.served,
            base.capacity,
            base.subjects.claimable_here.publish,
        )
        self.queues: QueueNames = QueueNames(store)
        self.queue_watch: QueueWatch = QueueWatch(
            store, base.served, base.registry, base.liveness, base.subjects, works=base.works
        )
        self.recorder: DefinitionRecorder = DefinitionRecorder(
            store, base.registry, base.clock, base.subjects
        )
        self.run_logs: RunLogs = RunLogs(store, reading.reader, reading.watchers)
        steering = Steering(
            store,
            self.definitions,
            base.registry.namespaces if base.works else list,
            orchestrator,
            base.runner_id,
            base.ids,
            reading.completion.notice_ends_elsewhere,
            base.subjects,
            base.config.shutdown_grace_seconds,
        )
        self.steering: Steering = steering
        acts = Acts(base.ids, store.wall)
        self.singletons: Singletons = Singletons(
            store, acts.of, steering.loop.act_now, base.subjects
        )
        came = self.bodies.waits.came
        self.messages: Messages = Messages(store, reading.reader, base.ids, came, base.subjects)
        self.adopted_places: AdoptedPlaces = AdoptedPlaces()
        past: list[ReadPast] = [
            partial(read, store) for read in (read_forks, read_replacements, read_maps, read_waits)
        ]
        past.append(partial(read_places, store, base.runner_id, self.adopted_places))
        return FeatureHooks(
            past=past,
            stop_with_parents=steering.children.stop_with_parents,
            act_now=steering.loop.act_now,
            child_keys=steering.children.keys,
            begin_again=steering.child_retries.begin_for_body,
            join=self.singletons.join,
        )

    def _add_rest(self) -> None:
        base = self.base
        self.child_runs: ChildRuns = ChildRuns(
            self.store,
            base.runs,
            self.submission.submitter,
            self.reading.reader,
            self.reading.completion.recent,
        )
        orchestrator = self.orchestration.orchestrator
        places = ChildPlaces(
            base.runner_id,
            base.capacity,
            base.served,
            self.claims.share,
            self.orchestration.adoption,
            base.subjects,
        )
        self.bodies.waits.ends.child_nodes = nodes = ChildNodes(
            self.store,
            base.registry,
            base.ids,
            base.clock,
            self.bodies.waits,
            orchestrator,
            places,
            self.definitions.find,
            self.child_runs,
            self.steering.child_retries,
            base.config.max_context_bytes,
        )
        control = orchestrator.control
        opened = OpenedNodes(nodes, places, orchestrator, control.records, base.clock)
        control.ports.open_nodes = opened.follow
        self.limit_recorder: LimitRecorder = LimitRecorder(
            self.store, base.ids, base.registry, base.subjects
        )
        self.limits: LimitedUnits = LimitedUnits(
            self.store,
            orchestrator,
            base.runner_id,
            base.clock,
            base.subjects,
            self.limit_recorder.record,
            self.limit_recorder.used,
            self.adopted_places,
            base.config.evict_after_seconds,
            base.executor,
        )
        control.ports.limits = self.limits
        control.ports.filled = filled
        self.claims.takeover.fenced = self.limits.desk.free
        self.claims.takeover.gone = self.limits.desk.runner_gone
        control.ports.transactional = self._transactional
        ChildEnds(orchestrator, self.bodies.waits, base.subjects)
        self.firing: Firing = Firing(
            self.base, self.store, self._redact, self.part_died, self.queue_watch.submits
        )
        self.upkeep: Upkeep = Upkeep(self.base, self.store, self.claims.unserved.has_released)

    def _transactional(self) -> MakeAttempt:
        """What makes attempts of transactional tasks; made with the first of them."""
        if self._transactional_bodies is None:
            from cloaca_core.features.transactional.bodies import TransactionalBodies

            base = self.base
            self._transactional_bodies = TransactionalBodies(
                self.store, base.executor, base.runner_id, base.config
            )
        return self._transactional_bodies.attempt

    def _turns(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        base, turns = self.base, {**super()._turns()}
        if self.store.writable:
            turns["steering"] = self.steering.loop.turn
        if base.works:
            turns |= {"unserved": self.upkeep.unserved.turn, "definitions": self.recorder.turn}
            turns["limits"] = self.limits.desk.turn
            if base.served.given is not None:
                turns |= self._turns_of_queues()
            turns["upkeep"] = self.upkeep.sweeps.turn
            if base.config.enable_cron_scheduling:
                turns["schedules"] = self.firing.schedule_loop.turn
                turns["triggers"] = self.firing.trigger_loop.turn
        return dict(sorted(turns.items(), key=lambda turn: _ORDER.index(turn[0])))

    def _turns_of_queues(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        from cloaca_core.features.queues.overdue_runs import OverdueRuns  # few serve only some

        base, serves = self.base, self.claims.unserved.serves
        fitting = self.claims.claimer.fitting
        overdue = OverdueRuns(self.store, base.served, serves, fitting, base.subjects)
        return {"queues": self.queue_watch.turn, "overdue": overdue.turn}

    # -- open and close ----------------------------------------------------------------------

    async def check(self) -> None:
        if any(
            task.transactional for each in self.base.registry.workflows() for task in each.tasks
        ):
            from cloaca_core.features.transactional.bodies import (
                refuse_without_transactions,  # few programs have transactional tasks
            )

            refuse_without_transactions(self.store, self.base.registry.workflows())
        await self.limit_recorder.refuse_unknown()

    async def registered(self) -> None:
        await self.recorder.record()
        await self.limit_recorder.record()
        if self.base.served.given is not None:
            await self.queue_watch.look()

    def begin(self) -> None:
        if self.base.works and not self.log_book.is_off:
            CAPTURE.begin()
            self._captures = True

    def drain(self) -> None:
        self.firing.schedule_loop.closing = True
        self.firing.trigger_loop.drain()

    async def leave(self) -> None:
        await self.limits.desk.depart()

    def end_logs(self) -> None:
        if self._captures:
            self._captures = False
            CAPTURE.end()

    def clean_up(self) -> None:
        self.bodies.memos.give_up_all()
        self.firing.trigger_loop.stop()

    async def close(self) -> None:
        await self.firing.trigger_loop.close()
