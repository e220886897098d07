"""The parts of the kernel by stage. Each part is made once, and is given the parts that it needs.

The constructor of a stage only makes parts; ``kernel`` makes the stages, in the order of this file.
``subjects`` has the notifications between parts. Attributes never change.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple, Protocol

from cloaca_core.engine.claim.claimer import Claimer
from cloaca_core.engine.claim.fair_share import FairShare
from cloaca_core.engine.claim.orphans import Orphans
from cloaca_core.engine.claim.unserved_runs import KnownVersions, UnservedRuns
from cloaca_core.engine.claim.version_check import EarlierVersions, VersionCheck
from cloaca_core.engine.claim.work_requests import WorkRequests
from cloaca_core.engine.claim.work_sharing import WorkSharing
from cloaca_core.engine.execute.body_log import TaskLogs
from cloaca_core.engine.execute.usage import load_of
from cloaca_core.engine.observe.completion import Completion
from cloaca_core.engine.observe.run_reader import RunReader
from cloaca_core.engine.observe.run_waits import RunWaits
from cloaca_core.engine.observe.watchers import Watchers
from cloaca_core.engine.orchestrate.active_runs import ActiveRuns, Capacity
from cloaca_core.engine.orchestrate.adoption import Adoption
from cloaca_core.engine.orchestrate.grace_period import GracePeriod
from cloaca_core.engine.orchestrate.orchestrator import Orchestrator
from cloaca_core.engine.orchestrate.ports import Ports
from cloaca_core.engine.orchestrate.served import Served
from cloaca_core.engine.record.attempt_rows import StartMarks
from cloaca_core.engine.record.journal import Journal, Riders
from cloaca_core.engine.recover.lease import Lease
from cloaca_core.engine.recover.liveness import Liveness
from cloaca_core.engine.recover.process_identity import ProcessIdentity, this_process
from cloaca_core.engine.recover.runner_id import RunnerId
from cloaca_core.engine.recover.takeover import Takeover
from cloaca_core.engine.runtime.store_clock import StoreClock
from cloaca_core.engine.subjects import Subjects
from cloaca_core.engine.submit.request import RunRows
from cloaca_core.engine.submit.submitter import Submitter
from cloaca_core.store.runner_rows import RunnerRow, Sharing
from cloaca_core.values.ids import RunIds

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Container, Coroutine, Sequence

    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.definition.recorded import RecordedWorkflow
    from cloaca_core.definition.registry import Registry
    from cloaca_core.definition.version_change import Fingerprints
    from cloaca_core.definition.workflow import Workflow
    from cloaca_core.engine.claim.claimer import ReadPast
    from cloaca_core.engine.execute.executor import Executor, Pools
    from cloaca_core.engine.orchestrate.attempts import Attempts
    from cloaca_core.engine.submit.request import Singleton
    from cloaca_core.run.rows import NewRun, RunRow
    from cloaca_core.store.batch import Rows
    from cloaca_core.store.protocol import KernelStore
    from cloaca_core.values.times.clock import Clock


class BodyLogs(TaskLogs, Riders, Protocol):
    """The logs of bodies; their lines are written with the batches of the journal."""


class Versions(EarlierVersions, KnownVersions, Protocol):
    """Finds versions of workflows that are not registered here."""

    async def of_run(self, row: RunRow) -> Workflow | RecordedWorkflow | None:
        """The version with which a run was submitted; None if it is not known."""


async def _none_stopped(_: Collection[str]) -> set[str]:
    return set()


async def _no_requests() -> None:
    """Does nothing: there is no feature that steers runs."""


async def _no_keys(_: str) -> Container[str | None]:
    return ()


async def _none_begun(_: RunRow, __: str, ___: str) -> bool:
    return True


class RegisteredVersions:
    """Finds the registered versions only."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def version(self, _: str, __: str) -> RecordedWorkflow | None:
        """As in ``KnownVersions``."""

    async def fingerprints(self, _: str, __: str) -> Fingerprints | None:
        """As in ``EarlierVersions``."""

    async def of_run(self, row: RunRow) -> Workflow | None:
        """As in ``Versions``."""
        workflow = self._registry.get(row.workflow)
        return workflow if workflow is not None and workflow.version == row.version else None


async def _no_joins(row: NewRun, _: Singleton, __: Rows) -> tuple[str, bool]:
    raise LookupError(f"no feature inserts {row.id}, a run with a singleton key")


class FeatureHooks(NamedTuple):
    """Functions by which features take part in claims and submissions. See ``Claimer`` and
    ``Submitter``.
    """

    past: Sequence[ReadPast] = ()
    stop_with_parents: Callable[[Collection[str]], Awaitable[set[str]]] = _none_stopped
    act_now: Callable[[], Awaitable[None]] = _no_requests
    child_keys: Callable[[str], Awaitable[Container[str | None]]] = _no_keys
    begin_again: Callable[[RunRow, str, str], Awaitable[bool]] = _none_begun
    join: Callable[[NewRun, Singleton, Rows], Coroutine[None, None, tuple[str, bool]]] = _no_joins


class Base:
    """The arguments of the engine, its names, the executor for bodies, and the journal."""

    def __init__(
        self,
        store: KernelStore,
        config: DefaultRunnerConfig,
        registry: Registry,
        clock: Clock,
        executor: type[Executor],
        part_died: Callable[[str], None],
        *,
        works: bool,
        alone: bool,
        pools: Pools | None,
        logs: Callable[[Clock], BodyLogs],
    ) -> None:
        self.subjects: Subjects = Subjects()
        self.alone = alone
        self.store = store
        self.config = config
        self.registry = registry
        clock = StoreClock(store, clock)
        self.clock: Clock = clock
        self.works: bool = works and store.writable
        self.ids: RunIds = RunIds(clock)
        self.served: Served = Served(config.queues if works and not alone else None)
        self.identity: ProcessIdentity = this_process()
        self.liveness: Liveness = Liveness(store, self.identity)
        self.runner_id: RunnerId = RunnerId(config.runner_id or self.ids.next())
        slots = (config.max_concurrent_tasks, config.max_concurrent_async_tasks)
        self.executor: Executor = executor(*slots, asyncio.get_running_loop(), part_died, pools)
        self.start_marks: StartMarks = StartMarks(self.executor)
        self.runs: ActiveRuns = ActiveRuns()
        self.capacity: Capacity = Capacity(config.max_active_runs, self.runs)
        self.capacity.paused = not self.works
        self.logs: BodyLogs = logs(clock)
        self.journal: Journal = Journal(
            store, self.runner_id, self.start_marks, self.logs, part_died
        )

    def log_fields(self) -> dict[str, str]:
        """Returns the fields of a log record of this runner."""
        return {"runner_id": self.runner_id.current}


class Orchestration:
    """Takes runs from step to step, until they end or the engine does."""

    def __init__(self, base: Base) -> None:
        self.orchestrator: Orchestrator = Orchestrator(
            base.config,
            base.executor,
            base.journal,
            base.runs,
            base.capacity,
            base.clock,
            base.subjects,
            Ports(),
            base.logs,
            never_evicts=base.alone,
        )
        self.attempts: Attempts = self.orchestrator.attempts
        self.adoption: Adoption = Adoption(
            self.orchestrator, base.config.default_trigger_rule, base.clock
        )
        self.grace: GracePeriod = GracePeriod(
            base.config, base.runs, base.journal, base.start_marks, base.runner_id
        )


class Reading:
    """Reads runs from the tables, and wakes callers when runs end."""

    def __init__(self, base: Base, orchestrator: Orchestrator, versions: Versions) -> None:
        store, subjects = base.store, base.subjects
        self.reader: RunReader = RunReader(store, base.runs, versions.of_run)
        drop = orchestrator.control.drop
        self.completion: Completion = Completion(store, base.runs, self.reader, drop, subjects)
        self.watchers: Watchers = Watchers(store, base.journal.after_turns, subjects)


class Claims:
    """The lease of this runner, the leases of others, and claims of runs from the table."""

    def __init__(
        self,
        base: Base,
        orchestrator: Orchestrator,
        adoption: Adoption,
        versions: Versions,
        added: FeatureHooks,
    ) -> None:
        store, runner_id, clock = base.store, base.runner_id, base.clock
        seconds, needed = base.config.lease_seconds, base.capacity.is_in_use
        identity, subjects = base.identity, base.subjects
        self.lease: Lease = Lease(
            store,
            runner_id,
            identity,
            seconds,
            needed,
            clock,
            subjects,
            self._sharing,
            base.served.text,
        )
        self.takeover: Takeover = Takeover(
            store, self.lease, runner_id, identity, subjects, clock, self._see_others
        )
        self.unserved: UnservedRuns = UnservedRuns(
            store, base.registry, runner_id, versions, subjects
        )
        self._executor, self._clock = base.executor, clock
        self._serves = serves = self.unserved.serves
        self._served = base.served
        executor, backlog = base.executor, orchestrator.attempts.backlog
        self.work_requests: WorkRequests = WorkRequests(
            executor, backlog, base.capacity, self.takeover, serves, self.lease.prove
        )
        self.share: FairShare = FairShare(
            self.takeover, executor, backlog, self.work_requests.run_ended, subjects
        )
        known = base.registry.namespaces
        self.work_sharing: WorkSharing = WorkSharing(
            orchestrator, base.capacity, self.share, base.served, known, clock
        )
        self.claimer: Claimer = Claimer(
            store,
            self.lease,
            base.capacity,
            self.share,
            base.served,
            base.registry,
            adoption,
            added.past,
            Orphans(store, base.journal, runner_id, base.runs.ids, subjects),
            self.unserved,
            VersionCheck(store, base.registry, runner_id, versions),
            added.stop_with_parents,
            clock,
            self.work_requests.claimed,
            subjects,
        )

    async def pause(self) -> None:
        """Stop claiming and requesting runs. When this returns, no claim is under way."""
        await self.claimer.pause()
        await self.work_requests.withdraw()

    def _sharing(self, idle: bool) -> Sharing:
        """The request for runs, the backlog and the load, to be read with a beat."""
        asked = self.work_requests.ask(idle=idle)
        load = load_of(self._executor.slot_use())
        return Sharing(
            asked,
            tuple(self._serves()) if asked else (),
            self.work_sharing.backlog(),
            *load,
            told_at=self._clock.wall(),
        )

    def _see_others(self, rows: Sequence[RunnerRow]) -> None:
        self._served.see(rows)
        self.work_sharing.others(rows)


class Submission:
    """Runs that this program submits, and callers that wait for them."""

    def __init__(
        self,
        base: Base,
        orchestration: Orchestration,
        completion: Completion,
        claims: Claims,
        added: FeatureHooks,
    ) -> None:
        self.run_rows: RunRows = RunRows(base.runs, base.ids, base.clock)
        self.submitter: Submitter = Submitter(
            base.store,
            base.journal,
            claims.lease if base.works else None,
            base.capacity,
            base.served,
            self.run_rows,
            orchestration.adoption,
            added.act_now,
            added.child_keys,
            added.begin_again,
            added.join,
            base.subjects,
            alone=base.alone,
        )
        bodies = orchestration.attempts.waiting_bodies
        self.waits: RunWaits = RunWaits(base.runs, self.submitter, completion, bodies)
