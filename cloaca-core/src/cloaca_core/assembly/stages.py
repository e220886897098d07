"""The parts of an engine by stage: each is made once, and given those that it needs.

A stage's constructor only makes parts; ``parts`` makes the stages, in the order of this file. What
one part tells others is in ``subjects``. Attributes never change.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from cloaca_core.assembly.bodies import Bodies
from cloaca_core.engine.claim.asking import Asking
from cloaca_core.engine.claim.claimer import Claimer
from cloaca_core.engine.claim.fair_share import FairShare
from cloaca_core.engine.claim.giving import Giving
from cloaca_core.engine.claim.orphans import Orphans
from cloaca_core.engine.claim.unserved_runs import UnservedRuns
from cloaca_core.engine.claim.version_check import VersionCheck
from cloaca_core.engine.observe.changes import Changes
from cloaca_core.engine.observe.completion import Completion
from cloaca_core.engine.observe.parked_runs import ParkedRuns
from cloaca_core.engine.observe.run_reader import RunReader
from cloaca_core.engine.observe.run_waits import RunWaits
from cloaca_core.engine.observe.watchers import Watchers
from cloaca_core.engine.orchestrate.active_runs import ActiveRuns
from cloaca_core.engine.orchestrate.adoption import Adoption
from cloaca_core.engine.orchestrate.capacity import Capacity
from cloaca_core.engine.orchestrate.grace_period import GracePeriod
from cloaca_core.engine.orchestrate.orchestrator import Orchestrator
from cloaca_core.engine.orchestrate.ports import Ports
from cloaca_core.engine.record.journal import Journal
from cloaca_core.engine.record.start_marks import StartMarks
from cloaca_core.engine.recover.lease import Lease
from cloaca_core.engine.recover.liveness import Liveness
from cloaca_core.engine.recover.process_identity import this_process
from cloaca_core.engine.recover.runner_id import RunnerId
from cloaca_core.engine.recover.takeover import Takeover
from cloaca_core.engine.runtime.store_clock import StoreClock
from cloaca_core.engine.subjects import Subjects
from cloaca_core.engine.submit.run_rows import RunRows
from cloaca_core.engine.submit.submitter import Submitter
from cloaca_core.features.definitions.recorded_definitions import RecordedDefinitions
from cloaca_core.features.definitions.recorder import DefinitionRecorder
from cloaca_core.features.executors.lazy_pools import LazyPools
from cloaca_core.features.reruns.past import read_forks
from cloaca_core.features.schedules.schedule_loop import ScheduleLoop
from cloaca_core.features.steering.past import read_replacements
from cloaca_core.features.task_logs.log_book import LogBook
from cloaca_core.features.task_logs.run_logs import RunLogs
from cloaca_core.features.triggers.trigger_loop import TriggerLoop
from cloaca_core.features.unserved.watch import UnservedWatch
from cloaca_core.features.upkeep.pruner import Pruner
from cloaca_core.features.upkeep.sweeps import Sweeps
from cloaca_core.features.waits.past import read_waits
from cloaca_core.store.runner_rows import RunnerRow, Sharing
from cloaca_core.values.ids import RunIds
from cloaca_core.values.times.retention import DAY_US, UsualDays

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from cloaca_core.assembly.store import Store
    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.definition.registry import Registry
    from cloaca_core.engine.execute.executor import Executor
    from cloaca_core.features.executors.supply import Supply
    from cloaca_core.features.steering.steering import Steering
    from cloaca_core.values.payloads.redaction import Redaction
    from cloaca_core.values.times.clock import Clock


class Base:
    """The arguments of the engine, its names, the place where bodies run, and the journal."""

    def __init__(
        self,
        store: Store,
        config: DefaultRunnerConfig,
        registry: Registry,
        clock: Clock,
        executor: type[Executor],
        part_died: Callable[[str], None],
        *,
        works: bool,
        alone: bool,
        supplies: Sequence[Supply],
        redact: Redaction,
    ) -> None:
        self.subjects = Subjects()
        self.alone = alone
        self.redact = redact
        self.store = store
        self.config = config
        self.registry = registry
        self.clock = clock = StoreClock(store, clock)
        self.works = works and store.writable
        self.ids = RunIds(clock)
        self.identity = this_process()
        self.liveness = Liveness(store, self.identity)
        self.runner_id = RunnerId(config.runner_id or self.ids.next())
        slots = (config.max_concurrent_tasks, config.max_concurrent_async_tasks)
        loop = asyncio.get_running_loop()
        self.executor = executor(*slots, loop, part_died, LazyPools(supplies, loop))
        self.start_marks = StartMarks(self.executor)
        self.runs = ActiveRuns()
        self.capacity = Capacity(config.max_active_runs, self.runs)
        self.capacity.paused = not self.works
        self.log_book = LogBook(config.task_log_level, clock, redact)
        self.journal = Journal(store, self.runner_id, self.start_marks, self.log_book, part_died)

    def log_fields(self) -> dict[str, str]:
        """Returns the fields of a log record of this runner."""
        return {"runner_id": self.runner_id.current}


class Orchestration:
    """Takes runs from step to step, until their end or that of the engine."""

    def __init__(self, base: Base) -> None:
        self.orchestrator = Orchestrator(
            base.config,
            base.executor,
            base.journal,
            base.runs,
            base.capacity,
            base.clock,
            base.subjects,
            Ports(),
            base.log_book,
            keeps=base.alone,
        )
        self.bodies = Bodies(
            self.orchestrator,
            base.store,
            base.executor,
            base.clock,
            base.config.evict_after_seconds,
            base.ids.next,
        )
        self.attempts = self.orchestrator.attempts
        self.adoption = Adoption(self.orchestrator, base.config.default_trigger_rule, base.clock)
        self.grace = GracePeriod(
            base.config, base.runs, base.journal, base.start_marks, base.runner_id
        )


class Reading:
    """Definitions and runs, as the tables have them, and ends of runs for those who wait."""

    def __init__(self, base: Base, orchestrator: Orchestrator) -> None:
        store, registry, subjects = base.store, base.registry, base.subjects
        self.definitions = RecordedDefinitions(store, registry, base.clock)
        self.recorder = DefinitionRecorder(store, registry, base.clock, subjects)
        self.reader = RunReader(store, base.runs, self.definitions.of_run)
        drop = orchestrator.control.drop
        self.completion = Completion(store, base.runs, self.reader, drop, subjects)
        self.watchers = Watchers(store, subjects)
        self.run_logs = RunLogs(store, self.reader, self.watchers)


class Claims:
    """The lease of this runner, those of others, and the runs that it takes from the table."""

    def __init__(
        self,
        base: Base,
        orchestrator: Orchestrator,
        adoption: Adoption,
        steering: Steering,
        definitions: RecordedDefinitions,
    ) -> None:
        store, runner_id, clock = base.store, base.runner_id, base.clock
        seconds, needed = base.config.lease_seconds, base.capacity.is_in_use
        identity, subjects = base.identity, base.subjects
        self.lease = Lease(
            store, runner_id, identity, seconds, needed, clock, subjects, self._tells
        )
        self.takeover = Takeover(
            store, self.lease, runner_id, identity, subjects, clock, self._see_others
        )
        self.unserved = UnservedRuns(store, base.registry, runner_id, definitions, subjects)
        self._serves = serves = self.unserved.serves
        executor, backlog = base.executor, orchestrator.attempts.backlog
        self.asking = Asking(
            executor, backlog, base.capacity, self.takeover, serves, self.lease.prove
        )
        self.share = FairShare(self.takeover, executor, backlog, self.asking.run_ended, subjects)
        known = base.registry.namespaces
        self.giving = Giving(orchestrator, base.capacity, self.share, known, clock)
        self.claimer = Claimer(
            store,
            self.lease,
            base.capacity,
            self.share,
            base.registry,
            adoption,
            [partial(read, store) for read in (read_forks, read_replacements, read_waits)],
            Orphans(store, base.journal, runner_id, base.runs.ids, subjects),
            self.unserved,
            VersionCheck(store, base.registry, runner_id, definitions),
            steering.children.stop_strays,
            clock,
            self.asking.claimed,
            subjects,
        )

    async def pause(self) -> None:
        """Claim no more, and ask for nothing; a claim that is under way is over then."""
        await self.claimer.pause()
        await self.asking.withdraw()

    def _tells(self, idle: bool) -> Sharing:
        """The ask and the backlog that other runners read with a beat."""
        asked = self.asking.ask(idle=idle)
        serves = tuple(self._serves()) if asked else ()
        return Sharing(asked, serves, self.giving.backlog())

    def _see_others(self, rows: Sequence[RunnerRow]) -> None:
        self.giving.others(rows)


class Submission:
    """Runs that this program asks for, and callers that wait for them."""

    def __init__(
        self,
        base: Base,
        orchestration: Orchestration,
        completion: Completion,
        steering: Steering,
        claims: Claims,
    ) -> None:
        self.run_rows = RunRows(base.runs, base.ids, base.clock)
        self.submitter = Submitter(
            base.store,
            base.journal,
            claims.lease if base.works else None,
            base.capacity,
            self.run_rows,
            orchestration.adoption,
            steering.loop.heed,
            steering.children.keys,
            base.subjects,
            alone=base.alone,
        )
        bodies = orchestration.attempts.waiting_bodies
        self.waits = RunWaits(base.runs, self.submitter, completion, bodies)
        self.parked = ParkedRuns(self.submitter, completion)


class Firing:
    """Runs that schedules and triggers make."""

    def __init__(self, base: Base, part_died: Callable[[str], None]) -> None:
        store, journal, registry = base.store, base.journal, base.registry
        self.schedule_loop = ScheduleLoop(
            store, journal, registry, base.config, base.ids, base.subjects
        )
        self.trigger_loop = TriggerLoop(
            store,
            journal,
            registry,
            base.config,
            base.ids,
            base.subjects,
            base.clock,
            part_died,
            base.redact,
        )


class Upkeep:
    """The work beside the runs: runs without a runner, changes by others, deletion."""

    def __init__(
        self,
        base: Base,
        completion: Completion,
        *,
        any_left: Callable[[], bool],
        anything_changed: Callable[[], Awaitable[None]],
    ) -> None:
        store, clock, days = base.store, base.clock, base.config.retention_days
        self.unserved = UnservedWatch(
            store, base.registry, base.runner_id, base.liveness, any_left, clock, base.subjects
        )
        ended = completion.notice_ends_elsewhere
        self.changes = Changes(store, base.subjects, anything_changed, ended)
        self.pruner = Pruner(
            store,
            base.ids,
            clock,
            None if days is None else days * DAY_US,
            was_set=not isinstance(days, UsualDays),
        )
        self.sweeps = Sweeps(self.pruner, clock)
