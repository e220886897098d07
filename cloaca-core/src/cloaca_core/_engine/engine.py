"""One runner's engine: wires the parts, starts and stops them, and answers the façades.

Everything here runs on the engine's own loop (see ``loop_thread``); user code never does. A run
comes by ``submitter`` or ``claimer``, goes through ``orchestrator`` and ``launcher``, and is
recorded by ``journal``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from cloaca_core._engine.claim.claimer import Claimer
from cloaca_core._engine.claim.fair_share import FairShare
from cloaca_core._engine.claim.orphans import Orphans
from cloaca_core._engine.claim.version_check import VersionCheck
from cloaca_core._engine.execute.executor import Executor
from cloaca_core._engine.fire.schedule_loop import ScheduleLoop
from cloaca_core._engine.fire.trigger_loop import TriggerLoop
from cloaca_core._engine.observe.changes import Changes
from cloaca_core._engine.observe.completion import Completion
from cloaca_core._engine.observe.health import Health
from cloaca_core._engine.observe.recent_runs import Ended, RecentRuns
from cloaca_core._engine.observe.recorded_definitions import RecordedDefinitions
from cloaca_core._engine.observe.run_reader import RunReader
from cloaca_core._engine.observe.run_waits import RunWaits
from cloaca_core._engine.observe.unserved_watch import UnservedWatch
from cloaca_core._engine.orchestrate.active_runs import ActiveRuns
from cloaca_core._engine.orchestrate.adoption import Adoption
from cloaca_core._engine.orchestrate.capacity import Capacity
from cloaca_core._engine.orchestrate.grace_period import GracePeriod
from cloaca_core._engine.orchestrate.orchestrator import Orchestrator
from cloaca_core._engine.record.definition_recorder import DefinitionRecorder
from cloaca_core._engine.record.journal import Journal
from cloaca_core._engine.record.start_marks import StartMarks
from cloaca_core._engine.recover.lease import Lease
from cloaca_core._engine.recover.process_identity import this_process
from cloaca_core._engine.recover.runner_id import RunnerId
from cloaca_core._engine.recover.takeover import Takeover
from cloaca_core._engine.runtime.supervisor import SupervisedLoop, supervised
from cloaca_core._engine.steer.steering import Steering
from cloaca_core._engine.submit.run_rows import RunRows
from cloaca_core._engine.submit.submitter import Submitter
from cloaca_core._engine.upkeep.pruner import Pruner
from cloaca_core._engine.upkeep.sweeps import Sweeps
from cloaca_core.errors import (
    SHUT_DOWN,
    ConfigError,
    RunnerClosedError,
    StoreError,
    StoreReadOnlyError,
    StoreUnavailableError,
)
from cloaca_core.logs import SafeLogger
from cloaca_core.records.runs import NewRun, RunEnd
from cloaca_core.values.clock import SYSTEM_CLOCK, Clock
from cloaca_core.values.ids import RunIds
from cloaca_core.values.retention import DAY_US, UsualDays

if TYPE_CHECKING:
    from cloaca_core._engine.execute.attempt import AttemptWork
    from cloaca_core._engine.observe.explainer import Explainer
    from cloaca_core._engine.plan.active_run import ActiveRun
    from cloaca_core._engine.submit.request import Request
    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.definition.registry import Registry
    from cloaca_core.definition.workflow import Workflow
    from cloaca_core.store.outbox import Outbox
    from cloaca_core.store.protocol import Store

log = SafeLogger("cloaca.engine")

LEAVING: Final = 1.0
"""Seconds after the grace period that a shutdown gives the database to release owned runs."""


class Engine:
    """Made and used on its loop only, but for ``recent``, ``runs.owns`` and the messages of
    ``grace``. ``broken`` is called with the reason when a part has died, so that it cannot go on.
    ``executor`` makes the place where bodies run: a simulation's may have no threads.

    One that does not ``work`` is a client's: it has no row and no lease, and owns no run, but it
    steers those of others. Nor does one work that may only look.
    """

    def __init__(
        self,
        store: Store,
        config: DefaultRunnerConfig,
        registry: Registry,
        clock: Clock = SYSTEM_CLOCK,
        executor: type[Executor] = Executor,
        broken: Callable[[str], None] = lambda _: None,
        *,
        works: bool = True,
    ) -> None:
        ids = RunIds(clock)
        self._identity = identity = this_process()
        runner_id = RunnerId(config.runner_id or ids.next())
        slots = (config.max_concurrent_tasks, config.max_concurrent_async_tasks)
        self._store = store
        self._config = config
        self._registry = registry
        self._works = works and store.writable
        self.ids: RunIds = ids
        self._closing = False
        self._broken = broken
        self._runner_id = runner_id
        self._executor = executor(*slots, asyncio.get_running_loop(), self._part_died)
        self._start_marks = StartMarks(self._executor)
        self.runs: ActiveRuns = (runs := ActiveRuns())
        self._capacity = capacity = Capacity(config.max_active_runs, runs)
        capacity.paused = not self._works
        self._journal = Journal(store, runner_id, self._start_marks)
        self._orchestrator = Orchestrator(
            config,
            self._executor,
            self._journal,
            runs,
            capacity,
            clock,
            self._ended,
            self._wished,
            self._given_back,
            store.wall,
            ids.next,
        )
        self.grace: GracePeriod = GracePeriod(
            config, runs, self._journal, self._start_marks, runner_id
        )
        self._definitions = RecordedDefinitions(store, registry)
        self._recorder = DefinitionRecorder(store, registry, clock)
        self._steering = Steering(
            store,
            self._definitions,
            registry.namespaces if self._works else list,
            self._orchestrator,
            runner_id,
            ids,
            self._runs_came,
            self._hear_of_others,
            self._suspect_orphans,
        )
        self._reader = RunReader(store, registry, runs, self._definitions)
        self._completion = Completion(store, runs, self._reader, self._orchestrator.drop)
        needed = capacity.is_in_use
        self._lease = Lease(
            store, runner_id, identity, config.lease_seconds, needed, clock, self._wished
        )
        self._takeover = Takeover(store, self._lease, runner_id, identity, self._runs_freed, clock)
        adoption = Adoption(self._orchestrator, config.default_trigger_rule, clock)
        self._share = FairShare(self._takeover, self._executor, config.max_concurrent_tasks)
        self._claimer = Claimer(
            store,
            self._lease,
            capacity,
            self._share,
            registry,
            adoption,
            Orphans(store, self._journal, runner_id, runs.ids),
            VersionCheck(store, registry, runner_id),
            self._steering.cancel_strays,
            clock,
        )
        self._run_rows = RunRows(runs, ids, clock, store.wall)
        self._submitter = Submitter(
            store,
            self._journal,
            self._lease if self._works else None,
            capacity,
            self._run_rows,
            adoption,
            heed=self._steering.heed,
            wake=self._claimer.wake,
            timed=self._steering.wake,
        )
        self.recent: RecentRuns = self._completion.recent
        waiting_bodies = self._orchestrator.attempts.waiting_bodies
        self._waits = RunWaits(runs, self._submitter, self._completion, waiting_bodies)
        self._unserved = UnservedWatch(store, registry, runner_id, clock)
        self.schedule_loop: ScheduleLoop = ScheduleLoop(
            store,
            self._journal,
            registry,
            config,
            ids,
            made=self._runs_came,
            cancelled=self._completion.notice_ends_elsewhere,
        )
        self.trigger_loop: TriggerLoop = TriggerLoop(
            store, self._journal, registry, config, ids, self._runs_came, clock, self._part_died
        )
        self._changes = Changes(
            store, self._runs_came, self._wake_all, self._completion.notice_ends_elsewhere
        )
        days = config.retention_days
        self._pruner = Pruner(
            store,
            ids,
            clock,
            None if days is None else days * DAY_US,
            was_set=not isinstance(days, UsualDays),
        )
        self._sweeps = Sweeps(self._pruner, clock)
        self._loops = self._make_loops(clock)
        self._health = Health(
            runner_id=runner_id if self._works else None,
            runs=runs,
            capacity=capacity,
            executor=self._executor,
            start_marks=self._start_marks,
            journal=self._journal,
            held_keys=self._submitter.held_keys,
            triggers=self.trigger_loop,
            unserved=self._unserved,
            loops=self._loops,
        )
        self._unsubscribe: Callable[[], None] = _nothing

    def _make_loops(self, clock: Clock) -> list[SupervisedLoop]:
        turns = {"journal": self._journal.turn, "changes": self._changes.turn}
        if self._store.writable:
            turns |= {"steering": self._steering.turn}
        if self._works:
            turns |= {"lease": self._lease.turn, "lost-lease": self._reenlist}
            turns |= {"claim": self._claimer.turn, "unserved": self._unserved.turn}
            turns |= {"definitions": self._recorder.turn, "upkeep": self._sweeps.turn}
            if self._config.enable_recovery:
                turns["takeover"] = self._takeover.turn
            if self._config.enable_cron_scheduling:
                turns["schedules"] = self.schedule_loop.turn
                turns["triggers"] = self.trigger_loop.turn
        return supervised(turns, clock, longest_pauses={"lease": self._lease.interval / 4})

    # -- start and stop ----------------------------------------------------------------------

    async def start(self) -> None:
        """Take over from the dead, register, and record the definitions, if this engine works.

        In this order: one of the dead may have had the runner id that was configured here.
        """
        if not self._works:
            return
        if self._config.enable_recovery:
            await self._takeover.sweep()
        await self._lease.register()
        await self._recorder.record()

    async def begin(self, *, claims: bool = True) -> None:
        """Begin to work; without ``claims`` the engine is paused from the start."""
        if not claims:
            self._capacity.paused = True
        wake = asyncio.get_running_loop().call_soon_threadsafe
        self._unsubscribe = self._registry.on_change(lambda: wake(self._registry_changed))
        for each in self._loops:
            each.start()
        self._tell_of("open")

    async def shutdown(self) -> None:
        """Stop claiming, let bodies end, release the rest, and close the store. Idempotent."""
        if self._closing:
            return
        self._closing = True
        self._unsubscribe()
        self._capacity.paused = True
        self.schedule_loop.closing = True
        self.trigger_loop.drain()
        self._orchestrator.attempts.drain()
        await self.grace.wait()
        await self._end_cancelled()
        await self._leave()
        self._submitter.held_keys.fail_all(RunnerClosedError(SHUT_DOWN))
        self._completion.fail_all(RunnerClosedError(SHUT_DOWN))
        self._executor.close()
        await self.trigger_loop.close()
        self._takeover.close()
        await self._store.close()
        self._tell_of("closed")

    def clean_up(self) -> None:
        """End what the loop leaves behind when it has died: running bodies may end. Other runners
        take over its runs when its lease has ended.
        """
        self._unsubscribe()
        self._executor.close()
        self.trigger_loop.stop()

    def _part_died(self, reason: str) -> None:
        log.critical("%s", reason, extra=self._own_ids())
        self._broken(reason)

    def _tell_of(self, state: str) -> None:
        if self._works:
            log.info("runner %s is %s", self._runner_id.current, state, extra=self._own_ids())
        else:
            log.info("a client is %s", state)

    def _own_ids(self) -> dict[str, str]:
        """Returns the fields of a log record of this runner."""
        return {"runner_id": self._runner_id.current}

    async def _end_cancelled(self) -> None:
        """End runs that are being cancelled, with what is known of their bodies."""
        if self._orchestrator.steered.cut_off_all():
            with suppress(TimeoutError):
                async with asyncio.timeout(LEAVING):
                    await self._journal.drained()

    async def _leave(self) -> None:
        for run in self.runs:
            self._orchestrator.drop(run)
        for each in reversed(self._loops):
            await each.stop()
        if not self._works:
            return
        try:
            async with asyncio.timeout(LEAVING):
                await self._store.unregister(self._runner_id.current)
        except (StoreError, TimeoutError) as error:
            reason = "shutdown: runs are left to be taken over: %r"
            log.warning(reason, error, extra=self._own_ids())

    async def pause(self) -> None:
        """Claim no further runs; runs submitted here wait in the table."""
        await self._claimer.pause()

    async def resume(self) -> None:
        """Claim again."""
        if not self._store.writable:
            raise StoreReadOnlyError("the database was opened to be looked at: no run is claimed")
        self._capacity.paused = False
        self._claimer.wake()
        self._capacity.changed()

    # -- submit and wait ---------------------------------------------------------------------

    async def submit(self, request: Request) -> list[str]:
        """Accept runs; the ids of the runs that stand for them."""
        self._check_open()
        return await self._submitter.submit(await self._known(request))

    async def submit_one(self, request: Request) -> tuple[str, bool]:
        """Accept one run: the id of the run that stands for it, and whether that was made now. An
        earlier one that has failed is begun again, if the request says so.
        """
        self._check_open()
        (run_id,), known = await self._submitter.accept(await self._known(request))
        if known and request.retry is not None:
            await self._steering.retries.retry_if_failed(run_id, request.retry, request.time_limit)
        return run_id, not known

    def outgoing(self, request: Request) -> tuple[Outbox, NewRun]:
        """The row of a run that its submitter writes, and the outbox to write it with. Any thread
        may ask.
        """
        if self._store.outbox is None:
            raise ConfigError(
                "connection: this backend writes on no connection but its own; submit without it",
                field="connection",
            )
        return self._store.outbox, self._run_rows.unowned(request)

    async def execute(
        self,
        request: Request,
        waiting: AttemptWork | None,
        accepted: Callable[[str], None] = lambda _: None,
    ) -> Ended:
        """Submit one run and wait for its end; ``waiting`` is the body that does so, if any.
        ``accepted`` is called with the run's id as soon as that is durable.
        """
        self._check_open()
        return await self._waits.execute(await self._known(request), waiting, accepted)

    async def _known(self, request: Request) -> Request:
        """The request with a workflow in place of a name. What is to follow its runs is recorded
        first: others may end one as soon as it is there.
        """
        if (workflow := request.followed) is not None:
            with suppress(StoreUnavailableError):  # a runner tries again, beside this
                await self._record(workflow)
        return await self._definitions.resolved(request)

    async def _record(self, workflow: Workflow) -> None:
        if self._works:
            await self._recorder.record()
        elif self._store.writable:
            await self._recorder.record_unknown(workflow)

    async def wait(self, run_id: str, waiting: AttemptWork | None) -> Ended:
        """Wait for the end of a run, on this runner or another."""
        self._check_open()
        return await self._waits.wait(run_id, waiting)

    def _ended(self, run: ActiveRun, end: RunEnd | None) -> None:
        if end is None:
            self._steering.look_at_ends()
        else:
            self._completion.ended(run, end)
        self._share.run_ended()
        self._capacity.changed()
        if run.graph.when_ended:
            self._runs_came()
        elif run.row.schedule_id is not None:
            self._claimer.wake()  # another run of the schedule may have waited for this one

    # -- steer -------------------------------------------------------------------------------

    @property
    def steering(self) -> Steering:
        """Writes what is asked of runs; ``RunnerClosedError`` once the engine shuts down."""
        self._check_open()
        return self._steering

    def _wished(self) -> None:
        """Something is asked of a run of ours."""
        self._steering.wake()

    # -- upkeep ------------------------------------------------------------------------------

    @property
    def pruner(self) -> Pruner:
        """Deletes runs; ``RunnerClosedError`` once the engine shuts down."""
        self._check_open()
        return self._pruner

    def _given_back(self) -> None:
        """A run that was ours may be claimed."""
        self._claimer.wake()

    # -- observe -----------------------------------------------------------------------------

    @property
    def reader(self) -> RunReader:
        """Reads runs from the tables; ``RunnerClosedError`` once the engine shuts down."""
        self._check_open()
        return self._reader

    @property
    def explainer(self) -> Explainer:
        """Tells what is known of a run; ``RunnerClosedError`` once the engine shuts down."""
        from cloaca_core._engine.observe.explainer import Explainer  # few programs ask

        self._check_open()
        return Explainer(
            self._store,
            self._registry,
            self.runs,
            self._reader,
            self._definitions,
            self._identity,
            self._runner_id if self._works else None,
            self._capacity if self._works else None,
            recovers=self._config.enable_recovery,
        )

    @property
    def definitions(self) -> RecordedDefinitions:
        """Reads recorded definitions; ``RunnerClosedError`` once the engine shuts down."""
        self._check_open()
        return self._definitions

    async def health(self) -> dict[str, Any]:
        """The state of the runner, for people and probes."""
        return self._health.report()

    @property
    def store(self) -> Store:
        """The store; ``RunnerClosedError`` once the engine shuts down. Each call asks for it."""
        self._check_open()
        return self._store

    def schedule_changed(self) -> None:
        """A schedule may be due sooner, or name a workflow that no runner has."""
        self.schedule_loop.wake()
        self._unserved.look_soon()

    # -- changes by others -------------------------------------------------------------------

    def _wake_all(self) -> None:
        """Another process may have changed anything."""
        self.schedule_loop.wake()
        self.trigger_loop.wake()
        self._takeover.wake()

    def _registry_changed(self) -> None:
        self._claimer.wake()
        self.schedule_loop.wake()
        self.trigger_loop.wake()
        self._unserved.look_soon()
        self._recorder.wake()

    def _runs_freed(self) -> None:
        """Runs of a runner that is gone may be claimed; those that it was to cancel have ended."""
        self._runs_came()
        self._steering.look_at_ends()

    def _runs_came(self) -> None:
        """There may be runs to claim, for this runner or for one that is not there."""
        self._claimer.wake()
        self._unserved.wake()
        self._steering.wake()

    async def _reenlist(self) -> None:
        """Start anew under another id after this runner was declared dead: drop all its runs."""
        await self._lease.lost.wait()
        for run in self.runs:
            self._orchestrator.drop(run)
        self._runner_id.current = self.ids.next()
        self._journal.forget_runs()
        await self._lease.reenlist()
        self._claimer.wake()
        await self._completion.notice_ends_elsewhere()  # of runs that we took for ours, too

    def _suspect_orphans(self) -> None:
        """This runner owns runs of which it does not know."""
        self._claimer.suspect()

    async def _hear_of_others(self) -> None:
        """Runs may have ended, here or elsewhere, of which only the tables tell."""
        await self._completion.notice_ends_elsewhere()

    def _check_open(self) -> None:
        if self._closing:
            raise RunnerClosedError(SHUT_DOWN)


def _nothing() -> None:
    """Stands for the unsubscribe function before there is a subscription."""
