"""One runner's engine: wires the parts, starts and stops them, and answers the façades.

Everything here runs on the engine's own loop (see ``loop_thread``); user code never does. The
flow of a run is in ``claimer`` (submit, claim), ``orchestrator`` (plan, execute) and ``journal``
(record).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from cloaca_core._engine.claim.claimer import Claimer
from cloaca_core._engine.execute.executor import Executor
from cloaca_core._engine.fire.schedule_loop import ScheduleLoop
from cloaca_core._engine.fire.trigger_loop import TriggerLoop
from cloaca_core._engine.observe.unserved_watch import UnservedWatch
from cloaca_core._engine.observe.waiters import Ended, RecentRuns, Waiters
from cloaca_core._engine.orchestrate.active_runs import ActiveRuns
from cloaca_core._engine.orchestrate.capacity import Capacity
from cloaca_core._engine.orchestrate.orchestrator import Orchestrator
from cloaca_core._engine.plan.active_run import ActiveRunFactory
from cloaca_core._engine.record.journal import Journal
from cloaca_core._engine.record.start_marks import StartMarks
from cloaca_core._engine.recover.lease import Lease
from cloaca_core._engine.recover.process_identity import this_process
from cloaca_core._engine.recover.runner_id import RunnerId
from cloaca_core._engine.recover.takeover import Takeover
from cloaca_core._engine.runtime.supervisor import SupervisedLoop
from cloaca_core._engine.submit.submitter import Submitter
from cloaca_core.errors import (
    SHUT_DOWN,
    ConfigError,
    RunnerClosedError,
    RunnerUsageError,
    RunNotFoundError,
    StoreError,
    StoreReadOnlyError,
)
from cloaca_core.logs import SafeLogger, warn_person
from cloaca_core.records.rows import AttemptRow, NewRun, RunEnd, RunFilter, RunRow
from cloaca_core.store.changes import Change
from cloaca_core.values.ids import RunIds

if TYPE_CHECKING:
    from cloaca_core._engine.execute.attempt import Attempt, AttemptWork
    from cloaca_core._engine.plan.active_run import ActiveRun
    from cloaca_core._engine.submit.request import Request
    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.definition.registry import Registry
    from cloaca_core.store.outbox import Outbox
    from cloaca_core.store.protocol import Store

log = SafeLogger("cloaca.engine")

DEEPEST: Final = 1_000
"""Runs that wait for one another, as many as Python's calls may be deep."""
NAMED: Final = 5
"""Bodies that a shutdown names when it waits for them."""
LEAVING: Final = 1.0
"""Seconds over the grace period that a shutdown gives a database to take back what is owned."""


class Engine:
    """Made and used on its loop only; ``recent`` may be read from any thread. ``broken`` is called
    with the reason when a part of it has died, so that it cannot go on.
    """

    def __init__(self, store: Store, config: DefaultRunnerConfig, registry: Registry) -> None:
        loop = asyncio.get_running_loop()
        ids = RunIds()
        identity = this_process()
        runner_id = RunnerId(config.runner_id or ids.next())
        slots = (config.max_concurrent_tasks, config.max_concurrent_async_tasks)
        self.recent: RecentRuns = RecentRuns()
        self._store = store
        self._config = config
        self._registry = registry
        self._ids = ids
        self._waiters = Waiters()
        self._closing = False
        self._news: Change | None = None
        self._hurried = asyncio.Event()
        self.broken: Callable[[str], None] = lambda _: None
        self._runner_id = runner_id
        self._executor = Executor(*slots, loop, self._broken)
        self._start_marks = StartMarks(self._executor)
        self._runs = runs = ActiveRuns()
        self._capacity = capacity = Capacity(config.max_active_runs, runs)
        capacity.paused = not store.writable
        self._journal = Journal(store, runner_id, self._start_marks)
        self._orchestrator = Orchestrator(
            config, self._executor, self._journal, runs, capacity, self._ended
        )
        needed = capacity.is_in_use
        self._lease = Lease(store, runner_id, identity, config.lease_seconds, needed)
        self._takeover = Takeover(store, self._lease, runner_id, identity, self._runs_came)
        factory = ActiveRunFactory(config.default_trigger_rule)
        self._claimer = Claimer(
            store,
            self._journal,
            self._lease,
            self._takeover,
            self._executor,
            self._orchestrator,
            runs,
            capacity,
            factory,
            runner_id,
            registry,
            config,
        )
        self._submitter = Submitter(
            store,
            self._journal,
            self._lease,
            self._orchestrator,
            runs,
            capacity,
            factory,
            runner_id,
            ids,
            wake=self._claimer.wake,
        )
        self._unserved = UnservedWatch(store, registry, runner_id)
        self._schedules = ScheduleLoop(
            store,
            self._journal,
            registry,
            config,
            ids,
            made=self._runs_came,
            cancelled=self._hear_of_ends,
        )
        self._polling = TriggerLoop(
            store, self._journal, registry, config, ids, self._runs_came, self._broken
        )
        self._loops = self._make_loops()
        self._unsubscribe: Callable[[], None] = _nothing

    def _make_loops(self) -> list[SupervisedLoop]:
        loops = [
            SupervisedLoop("journal", self._journal.turn),
            SupervisedLoop("changes", self._notice_changes),
        ]
        if not self._store.writable:
            return loops
        loops += [
            SupervisedLoop("lease", self._lease.turn, longest_pause=self._lease.interval / 4),
            SupervisedLoop("lost-lease", self._reenlist),
            SupervisedLoop("claim", self._claimer.turn),
            SupervisedLoop("unserved", self._unserved.turn),
        ]
        if self._config.enable_recovery:
            loops.append(SupervisedLoop("takeover", self._takeover.turn))
        if self._config.enable_cron_scheduling:
            loops.append(SupervisedLoop("schedules", self._schedules.turn))
            loops.append(SupervisedLoop("triggers", self._polling.turn))
        return loops

    # -- start and stop ----------------------------------------------------------------------

    async def start(self) -> None:
        """Take over from the dead, and register; neither where nothing may be written.

        In this order: one of the dead may have had the runner id that was configured here.
        """
        if not self._store.writable:
            return
        if self._config.enable_recovery:
            await self._takeover.sweep()
        await self._lease.register()

    async def begin(self, *, claims: bool = True) -> None:
        """Begin to work; without ``claims`` as after ``pause``, and so from the first moment on."""
        if not claims:
            self._capacity.paused = True
        loop = asyncio.get_running_loop()
        self._unsubscribe = self._registry.on_change(
            lambda: loop.call_soon_threadsafe(self._look_for_work)
        )
        for each in self._loops:
            each.start()
        log.info("runner %s is open", self._runner_id.current, extra=self._own_ids())

    async def shutdown(self) -> None:
        """Stop claiming, let bodies end, release the rest, and close the store. Idempotent."""
        if self._closing:
            return
        self._closing = True
        self._unsubscribe()
        self._capacity.paused = True
        self._schedules.closing = True
        self._polling.drain()
        self._orchestrator.launcher.drain()
        await self._bodies_end(self._config.shutdown_grace_seconds)
        await self._leave()
        self._submitter.held_keys.fail_all(RunnerClosedError(SHUT_DOWN))
        self._waiters.fail_all(RunnerClosedError(SHUT_DOWN))
        self._executor.close()
        await self._polling.close()
        self._takeover.close()
        await self._store.close()
        log.info("runner %s is closed", self._runner_id.current, extra=self._own_ids())

    def let_go(self) -> None:
        """The loop has died under it: let bodies end as they will. Others take its runs over when
        its lease has ended.
        """
        self._unsubscribe()
        self._executor.close()
        self._polling.let_go()

    def _broken(self, reason: str) -> None:
        log.critical("%s", reason, extra=self._own_ids())
        self.broken(reason)

    def _own_ids(self) -> dict[str, str]:
        """Returns the fields of a log record of this runner."""
        return {"runner_id": self._runner_id.current}

    async def _bodies_end(self, grace: float) -> None:
        """Wait until nothing runs and everything is recorded, at most for the grace period."""
        if running := len(self._start_marks.running()):
            waits = "shutdown: %d bodies run, and get %g s to end"
            log.info(waits, running, grace, extra=self._own_ids())
        ending = asyncio.create_task(self._all_recorded())
        hurried = asyncio.create_task(self._hurried.wait())
        await asyncio.wait([ending, hurried], timeout=grace, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        if not ending.done():
            ending.cancel()
            if not self._hurried.is_set():  # else it was told by who hurries
                waits = "shutdown waits no longer for %s"
                log.warning(waits, self._what_runs() or "its records", extra=self._own_ids())

    async def _all_recorded(self) -> None:
        await self._orchestrator.launcher.quiet()
        await self._journal.drained()

    def tell_of_wait(self) -> None:
        """Logs which bodies the shutdown waits for. Any thread may call it."""
        if waits_for := self._what_runs():
            grace = self._config.shutdown_grace_seconds
            told = f"shutdown waits up to {grace:g} s for {waits_for}; Ctrl-C ends the wait"
            warn_person(log, told, self._own_ids())

    def tell_of_haste(self) -> None:
        """Logs which bodies the shutdown waits for no longer. Any thread may call it."""
        if waits_for := self._what_runs():
            warn_person(log, f"shutdown waits no longer for {waits_for}", self._own_ids())

    def _what_runs(self) -> str:
        """Names the bodies, or the database error, that keep a shutdown waiting; "" if none."""
        if attempts := self._start_marks.running():
            named = [
                f"task {attempt.task.id} of run {attempt.owner.id}" for attempt in attempts[:NAMED]
            ]
            more = [f"{len(attempts) - NAMED} more"] if len(attempts) > NAMED else []
            return ", ".join(named + more)
        failure = self._journal.failure
        return "" if failure is None else f"the database: {failure}"

    def hurry(self) -> None:
        """End the grace period of a shutdown, or leave it out of one that is to come."""
        self._hurried.set()

    async def _leave(self) -> None:
        for run in self._runs:
            self._orchestrator.drop(run)
        for each in reversed(self._loops):
            await each.stop()
        if self._store.writable:
            await self._unregister()

    async def _unregister(self) -> None:
        try:
            async with asyncio.timeout(LEAVING):
                await self._store.unregister(self._runner_id.current)
        except (StoreError, TimeoutError) as error:
            reason = "shutdown: runs are left to be taken over: %r"
            log.warning(reason, error, extra=self._own_ids())

    async def pause(self) -> None:
        """Claim no further runs, and leave what is submitted here in the table."""
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
        return await self._submitter.submit(request)

    def outgoing(self, request: Request) -> tuple[Outbox, NewRun]:
        """A run that its submitter writes itself, and by which means. Any thread may ask."""
        if self._store.outbox is None:
            raise ConfigError(
                "connection: this backend writes on no connection but its own; submit without it",
                field="connection",
            )
        return self._store.outbox, self._submitter.unowned_row(request)

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
        if waiting is not None and self.owns(waiting.attempt):
            request = replace(request, by_right=True)
            _refuse_endless(request)
        async with self._away(waiting):
            return await self._submit_and_wait(request, accepted)

    async def wait(self, run_id: str, waiting: AttemptWork | None) -> Ended:
        """Wait for the end of a run, whoever runs it."""
        self._check_open()
        if waiting is not None and waiting.attempt.owner.id == run_id:
            raise RunnerUsageError(
                f"a body of run {run_id} would wait for itself: the run ends after its bodies"
            )
        async with self._away(waiting):
            return await self._wait(run_id)

    def owns(self, attempt: Attempt) -> bool:
        """True for a body of a run of ours. May be asked from any thread."""
        return self._runs.owns(attempt)

    @asynccontextmanager
    async def _away(self, work: AttemptWork | None) -> AsyncIterator[None]:
        """User code waits within. What was given up has given its slot back already; that of
        another runner keeps its slot, which is not ours to release.

        Taking the slot again is not cut short with the wait: the accounts would not balance.
        """
        if work is None or work.abandoned or not self.owns(work.attempt):
            yield
            return
        self._orchestrator.launcher.waiting_bodies.release_slot(work)
        try:
            yield
        finally:
            await asyncio.shield(
                asyncio.create_task(self._orchestrator.launcher.waiting_bodies.reacquire_slot(work))
            )

    async def _submit_and_wait(self, request: Request, accepted: Callable[[str], None]) -> Ended:
        (run_id,) = await self._submitter.submit(request)
        accepted(run_id)
        return await self._wait(run_id)

    async def _wait(self, run_id: str) -> Ended:
        if (known := self.recent.get(run_id)) is not None:
            return known
        future = self._waiters.add(run_id)
        try:
            if run_id not in self._runs:
                row = await self.get_run(run_id)
                if row.ended_at is not None:
                    return await self._with_attempts(row)
            return await future
        finally:
            self._waiters.discard(run_id, future)

    def _ended(self, run: ActiveRun, end: RunEnd) -> None:
        row = run.row._replace(
            input="",
            status=end.status,
            final_context=end.final_context,
            error_message=end.error_message,
            ended_at=end.ended_at,
        )
        ended = Ended(row, tuple([run.latest[task] for task in sorted(run.latest)]))
        self.recent.add(ended)
        self._waiters.wake(run.id, ended)
        self._claimer.run_ended()
        if row.schedule_id is not None:
            self._claimer.wake()  # another one may have waited for this
        _tell_of_end(row)

    # -- observe -----------------------------------------------------------------------------

    async def get_run(self, run_id: str) -> RunRow:
        """The run's row; ``RunNotFoundError`` when there is none."""
        self._check_open()
        row = await self._store.get_run(run_id)
        if row is None:
            raise RunNotFoundError(f"no run with id {run_id!r}", run_id=run_id)
        return row

    async def attempts(self, run_id: str) -> tuple[RunRow, list[AttemptRow]]:
        """The run and all its attempts, the bodies that run right now included."""
        row = await self.get_run(run_id)
        rows = await self._store.load_attempts([run_id])
        recorded = {(each.task_id, each.attempt) for each in rows}
        running = self._orchestrator.marks_of(run_id)
        return row, rows + [m for m in running if (m.task_id, m.attempt) not in recorded]

    async def task_ids(self, row: RunRow) -> list[str]:
        """The tasks of the definition that the run has; none where that is not known."""
        if (run := self._runs.get(row.id)) is not None:
            return [task.id for task in run.graph.tasks]
        workflow = self._registry.get(row.workflow)
        if workflow is None or workflow.version != row.version:
            return []
        return [task.id for task in workflow.tasks]

    async def list_runs(self, wanted: RunFilter) -> list[RunRow]:
        """The runs that match, newest first."""
        self._check_open()
        return await self._store.list_runs(wanted)

    async def health(self) -> dict[str, Any]:
        """What the runner is doing, for people and probes."""
        return {
            "runner_id": self._runner_id.current,
            "active_runs": len(self._runs),
            "running_bodies": len(self._start_marks.running()),
            "abandoned_bodies": self._executor.abandoned,
            "held_submits": len(self._submitter.held_keys),
            "paused": self._capacity.paused,
            "journal_error": None if self._journal.failure is None else str(self._journal.failure),
            "loops": {
                each.name: {
                    "last_success": each.last_success,
                    "error": None if each.failure is None else str(each.failure),
                }
                for each in self._loops
            },
            "failing_triggers": dict(self._polling.failures),
            "unserved": self._unserved.report(),
        }

    async def _with_attempts(self, row: RunRow) -> Ended:
        """The end of a run that others ran, its tasks in definition order as those of ours."""
        attempts = await self._store.load_attempts([row.id])
        if (workflow := self._registry.get(row.workflow)) is not None:
            position = {task.id: index for index, task in enumerate(workflow.tasks)}
            attempts.sort(key=lambda attempt: position.get(attempt.task_id, len(position)))
        return Ended(row._replace(input=""), tuple(attempts))

    # -- schedules ---------------------------------------------------------------------------

    # Calls about schedules and triggers work on the tables with these, on the loop.

    @property
    def store(self) -> Store:
        """The store; ``RunnerClosedError`` once the engine shuts down. Each call asks for it."""
        self._check_open()
        return self._store

    @property
    def ids(self) -> RunIds:
        """Makes the ids of rows."""
        return self._ids

    @property
    def schedule_loop(self) -> ScheduleLoop:
        """Fires schedules."""
        return self._schedules

    @property
    def trigger_loop(self) -> TriggerLoop:
        """Polls triggers."""
        return self._polling

    def schedule_changed(self) -> None:
        """A schedule may be due sooner, or name a workflow that no runner has."""
        self._schedules.wake()
        self._unserved.look_soon()

    # -- what others do ----------------------------------------------------------------------

    async def _notice_changes(self) -> None:
        """Another process has changed the database: look at everything that may have come."""
        if self._news is None:
            self._news = await self._store.wait_changed()
        # It stays until all have heard of it: the next change may be long in coming.
        self._runs_came()
        if self._news is Change.ANYTHING:
            self._schedules.wake()
            self._polling.wake()
            self._takeover.wake()
        await self._hear_of_ends()
        self._news = None

    def _look_for_work(self) -> None:
        self._claimer.wake()
        self._schedules.wake()
        self._polling.wake()
        self._unserved.look_soon()

    def _runs_came(self) -> None:
        """There may be runs to claim, for this runner or for one that is not there."""
        self._claimer.wake()
        self._unserved.wake()

    async def _hear_of_ends(self) -> None:
        """Wake those who wait for runs that have ended elsewhere, and stop those of ours that a
        tick has cancelled.
        """
        awaited = self._waiters.elsewhere(self._runs)
        if asked := awaited + self._runs.scheduled():
            ended = [row for row in await self._store.ended(asked) if self._is_elsewhere(row)]
            for row in ended:
                self._waiters.wake(row.id, await self._with_attempts(row))

    def _is_elsewhere(self, row: RunRow) -> bool:
        """Whether it was not here that the run has ended; lets go of it if it was taken for ours.
        An end of ours is told when the journal has heard of it.
        """
        run = self._runs.get(row.id)
        if run is None:
            return True
        if run.epoch == row.epoch:
            return False
        ids = {"run_id": row.id, "workflow": row.workflow}
        log.info("run %s of %s: %s", row.id, row.workflow, row.status, extra=ids)
        self._orchestrator.drop(run)
        return True

    async def _reenlist(self) -> None:
        """We were declared dead: let go of everything and start anew under another id."""
        await self._lease.lost.wait()
        for run in self._runs:
            self._orchestrator.drop(run)
        self._runner_id.current = self._ids.next()
        self._journal.forget_runs()
        await self._lease.reenlist()
        self._claimer.wake()
        await self._hear_of_ends()  # of what others did with runs that we took for ours

    def _check_open(self) -> None:
        if self._closing:
            raise RunnerClosedError(SHUT_DOWN)


def _tell_of_end(row: RunRow) -> None:
    ids = {"run_id": row.id, "workflow": row.workflow}
    told = (row.id, row.workflow, row.status)
    if row.error_message is not None:
        log.warning("run %s of %s: %s: %.500s", *told, row.error_message, extra=ids)
    elif log.isEnabledFor(logging.INFO):
        log.info("run %s of %s: %s", *told, extra=ids)


def _refuse_endless(request: Request) -> None:
    """Each of these runs holds a thread: one that executes itself would take them all."""
    if request.depth > DEEPEST:
        raise RunnerUsageError(
            f"{DEEPEST} runs wait for one another already: does "
            f"{request.workflow.namespace} execute itself without end?"
        )


def _nothing() -> None:
    """How to unsubscribe before there is a subscription."""
