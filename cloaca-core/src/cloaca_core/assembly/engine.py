"""One runner's engine, for the façades: answers them, opens and closes.

Everything here runs on the engine's own loop (see ``loop_thread``); user code never does. A run
comes from ``submitter`` or ``claimer``, goes through ``orchestrator`` and ``launcher``, and is
recorded by ``journal``. ``kernel`` makes these parts, ``parts`` adds the parts of features.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from cloaca_core.assembly.meter import Meter
from cloaca_core.assembly.parts import Parts
from cloaca_core.assembly.resolver import Resolver
from cloaca_core.assembly.store import TransferStore
from cloaca_core.engine.execute.executor import Executor
from cloaca_core.engine.lifecycle import Lifecycle
from cloaca_core.engine.observe.completion import AnswerAtEnd
from cloaca_core.engine.orchestrate.active_runs import ActiveRuns
from cloaca_core.errors import (
    SHUT_DOWN,
    ConfigError,
    RunnerClosedError,
    StoreReadOnlyError,
)
from cloaca_core.features.child_runs.child_runs import ChildCalls
from cloaca_core.logs import SafeLogger
from cloaca_core.values.payloads.redaction import Redaction
from cloaca_core.values.times.clock import SYSTEM_CLOCK, Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloaca_core.assembly.store import Store
    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.definition.registry import Registry
    from cloaca_core.engine.claim.claimer import Claimer
    from cloaca_core.engine.execute.attempt import AttemptWork
    from cloaca_core.engine.observe.completion import Ended, RecentRuns
    from cloaca_core.engine.observe.run_reader import RunReader
    from cloaca_core.engine.observe.watchers import Watchers
    from cloaca_core.engine.orchestrate.grace_period import GracePeriod
    from cloaca_core.engine.recover.runner_id import RunnerId
    from cloaca_core.engine.runtime.thread_calls import ParkedCall
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.engine.submit.request import Request
    from cloaca_core.features.definitions.recorded_definitions import RecordedDefinitions
    from cloaca_core.features.executors.supply import Supply
    from cloaca_core.features.explain.explainer import Explainer
    from cloaca_core.features.schedules.schedule_loop import ScheduleLoop
    from cloaca_core.features.steering.due_runs import DueRuns
    from cloaca_core.features.steering.steering import Steering
    from cloaca_core.features.task_logs.run_logs import RunLogs
    from cloaca_core.features.triggers.trigger_loop import TriggerLoop
    from cloaca_core.features.upkeep.pruner import Pruner
    from cloaca_core.features.upkeep.sweeps import Sweeps
    from cloaca_core.features.waits.messages import Messages
    from cloaca_core.run.rows import NewRun
    from cloaca_core.store.messages import NewMessage
    from cloaca_core.store.outbox import Outbox
    from cloaca_core.values.ids import RunIds


log = SafeLogger("cloaca.engine")

T = TypeVar("T")


class Engine:
    """Made and used on its loop only, but for ``recent``, ``runs.owns`` and the messages of
    ``grace``. ``broken`` is called with the reason when a part has died and the engine cannot
    continue; ``asked_to_leave`` when another program requests that this runner shuts down.
    ``executor`` makes the place where bodies run: in a simulation it may have no threads.
    ``supplies`` are the executors of the program; ``redact`` hides its secrets.

    The engine of a client does not ``work``: it has no row and no lease, and owns no run, but it
    steers runs of others. Nor does the engine of a read-only database work. An engine that works
    ``alone`` owns the runs that are submitted to it by right, and claims none.
    """

    def __init__(
        self,
        store: Store,
        config: DefaultRunnerConfig,
        registry: Registry,
        clock: Clock = SYSTEM_CLOCK,
        executor: type[Executor] = Executor,
        broken: Callable[[str], None] = lambda _: None,
        asked_to_leave: Callable[[], None] = lambda: None,
        *,
        works: bool = True,
        alone: bool = False,
        supplies: Sequence[Supply] = (),
        redact: Redaction | None = None,
    ) -> None:
        self._parts = parts = Parts(
            store,
            config,
            registry,
            clock,
            executor,
            broken,
            asked_to_leave,
            works=works,
            alone=alone,
            supplies=supplies,
            redact=Redaction() if redact is None else redact,
        )
        self._base = base = parts.base
        self._store = store
        self._submission = parts.submission
        self._steering = parts.steering
        self._lifecycle = Lifecycle(parts)
        self._check_open = partial(_refuse_closing, self._lifecycle)
        self.resolver: Resolver = Resolver(parts, self.database, self._check_open)
        self.child_runs: ChildCalls = ChildCalls(
            parts.child_runs, self.resolver.resolve, self._check_open
        )
        self.meter: Meter = Meter(parts, self._check_open)
        self.registry: Registry = base.registry
        self.config: DefaultRunnerConfig = base.config
        self.ids: RunIds = base.ids
        self.runner_id: RunnerId = base.runner_id
        self.runs: ActiveRuns = base.runs
        self.subjects: Subjects = base.subjects
        self.grace: GracePeriod = parts.orchestration.grace
        self.recent: RecentRuns = parts.reading.completion.recent
        self.sweeps: Sweeps = parts.upkeep.sweeps
        self.claimer: Claimer = parts.claims.claimer
        self.due_runs: DueRuns = parts.steering.due_runs
        self.schedule_loop: ScheduleLoop = parts.firing.schedule_loop
        self.trigger_loop: TriggerLoop = parts.firing.trigger_loop

    # -- open and close ----------------------------------------------------------------------

    async def start(self) -> None:
        """Take over from dead runners, register, and record the definitions, if this engine
        works.
        """
        await self._lifecycle.start()

    async def begin(self, *, claims: bool = True) -> None:
        """Begin to work; without ``claims`` the engine is paused from the start."""
        await self._lifecycle.begin(claims=claims)

    async def shutdown(self) -> None:
        """Stop claiming, let bodies end, release the rest, and close the store. Idempotent."""
        await self._lifecycle.shutdown()

    def clean_up(self) -> None:
        """The loop has died: end the things that it left behind; running bodies may end. Other
        runners take over its runs when its lease has ended.
        """
        self._lifecycle.clean_up()

    async def pause(self) -> None:
        """Claim no further runs; runs submitted here wait in the table."""
        await self._parts.claims.pause()

    async def resume(self) -> None:
        """Claim again."""
        if not self._store.writable:
            raise StoreReadOnlyError("the database was opened to be looked at: no run is claimed")
        self._base.capacity.paused = False
        self.claimer.wake()
        self._base.capacity.changed()

    # -- submit and wait ---------------------------------------------------------------------

    async def submit(self, request: Request) -> list[str]:
        """Accept runs. Returns their ids, or the ids of earlier runs with their keys."""
        self._check_open()
        return await self._submission.submitter.submit(await self.resolver.resolve(request))

    async def submit_one(self, request: Request) -> tuple[str, bool]:
        """Accept one run. Returns its id, or the id of an earlier run with its key, and whether the
        run was made now. An earlier run that has failed is restarted, if the request says so, and
        gets the message.
        """
        self._check_open()
        resolved = await self.resolver.resolve(request)
        (run_id,), known = await self._submission.submitter.accept(resolved)
        if known and request.retry is not None:
            await self._steering.retries.retry_if_failed(run_id, request.retry, request.time_limit)
        if known and (message := request.message_to_earlier(run_id)) is not None:
            await self._parts.messages.send(message)
        return run_id, not known

    def outgoing(self, request: Request) -> tuple[Outbox, NewRun, NewMessage | None]:
        """The row of a run for its submitter to write, a message to the run if the request has one,
        and the outbox to write them with. Any thread may call it.
        """
        outbox, run = self.outbox, self._submission.run_rows.unowned(request)
        return outbox, run, request.message_to(run.id)

    @property
    def outbox(self) -> Outbox:
        """Writes on users' connections. Any thread may call it."""
        if self._store.outbox is None:
            raise ConfigError(
                "connection: this backend writes on no connection but its own; leave it out",
                field="connection",
            )
        return self._store.outbox

    async def execute(
        self,
        request: Request,
        waiting: AttemptWork | None,
        accepted: Callable[[str], None] = lambda _: None,
    ) -> Ended:
        """Submit one run and wait for its end. ``waiting`` is the body that does so, if any.
        ``accepted`` is called with the run's id as soon as it is durable.
        """
        self._check_open()
        resolved = await self.resolver.resolve(request)
        return await self._submission.waits.execute(resolved, waiting, accepted)

    def execute_parked(self, request: Request, call: ParkedCall[Ended]) -> None:
        """Submit one run for a thread that waits for its end."""
        self._check_open()
        answer = AnswerAtEnd(call, self._parts.reading.completion)
        plain = self._base.works and request.is_plain
        if not (plain and self._submission.submitter.submit_now(request, answer)):
            end = self.execute(request, None, call.accept)
            call.follow(asyncio.get_running_loop().create_task(end))

    async def database(self) -> str | None:
        """The identity of the database; None if no other program can open it. An engine that shuts
        down answers as long as its bodies may run: they may call this.
        """
        store = self._store
        return await store.transfer().identity() if isinstance(store, TransferStore) else None

    async def wait(self, run_id: str, waiting: AttemptWork | None) -> Ended:
        """Wait for the end of a run, on this runner or another."""
        self._check_open()
        return await self._submission.waits.wait(run_id, waiting)

    # -- steer -------------------------------------------------------------------------------

    @property
    def steering(self) -> Steering:
        """Writes requests about runs. Raises ``RunnerClosedError`` once the engine shuts down."""
        self._check_open()
        return self._steering

    @property
    def messages(self) -> Messages:
        """Sends messages to runs. Raises ``RunnerClosedError`` once the engine shuts down."""
        self._check_open()
        return self._parts.messages

    # -- upkeep ------------------------------------------------------------------------------

    @property
    def pruner(self) -> Pruner:
        """Deletes runs. Raises ``RunnerClosedError`` once the engine shuts down."""
        self._check_open()
        return self._parts.upkeep.pruner

    # -- observe -----------------------------------------------------------------------------

    @property
    def reader(self) -> RunReader:
        """Reads runs from the tables. Raises ``RunnerClosedError`` once the engine shuts down."""
        self._check_open()
        return self._parts.reading.reader

    @property
    def watchers(self) -> Watchers:
        """Wakes callers that watch runs. Raises ``RunnerClosedError`` once the engine shuts
        down.
        """
        self._check_open()
        return self._parts.reading.watchers

    @property
    def run_logs(self) -> RunLogs:
        """Reads the log lines of bodies. Raises ``RunnerClosedError`` once the engine shuts
        down.
        """
        self._check_open()
        return self._parts.run_logs

    @property
    def explainer(self) -> Explainer:
        """Collects the facts about a run. Raises ``RunnerClosedError`` once the engine shuts
        down.
        """
        from cloaca_core.features.explain.explainer import Explainer  # few programs ask

        self._check_open()
        return Explainer(
            self._store,
            self._base.registry,
            self.runs,
            self._parts.reading.reader,
            self._parts.definitions,
            self._base.identity,
            self._base.runner_id if self._base.works else None,
            self._base.capacity if self._base.works else None,
            self._base.executor,
            recovers=self._base.config.enable_recovery,
            served=self._base.served,
        )

    @property
    def definitions(self) -> RecordedDefinitions:
        """Reads recorded definitions. Raises ``RunnerClosedError`` once the engine shuts down."""
        self._check_open()
        return self._parts.definitions

    async def health(self) -> dict[str, Any]:
        """The state of the runner, for people and probes."""
        return self._parts.health.report()

    @property
    def store(self) -> Store:
        """The store. Raises ``RunnerClosedError`` once the engine shuts down. Not kept by
        callers.
        """
        self._check_open()
        return self._store


def _refuse_closing(lifecycle: Lifecycle) -> None:
    """Raise ``RunnerClosedError`` once the engine shuts down."""
    if lifecycle.closing:
        raise RunnerClosedError(SHUT_DOWN)
