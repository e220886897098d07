"""``harness``: the real engine for a test, on a clock that the test moves."""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypedDict, Unpack, get_args

from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.definition.registry import Registry, default_registry
from cloaca_core.definition.task import takes_handle
from cloaca_core.errors import TaskNotFoundError
from cloaca_core.runner.async_runner import AsyncRunner
from cloaca_core.runner.default_runner import DefaultRunner
from cloaca_core.testing.clock import HarnessClock
from cloaca_core.testing.crashes import Crashes
from cloaca_core.testing.driver import Driver, EngineDiedError
from cloaca_core.testing.host import MEMORY, HarnessHost
from cloaca_core.testing.runs import HarnessRun
from cloaca_core.testing.stand_ins import StandIns, TaskKey
from cloaca_core.testing.virtual_clock import BEGINNING, VirtualClock
from cloaca_core.testing.virtual_loop import StandstillError
from cloaca_core.values.instants import read_instant, to_datetime
from cloaca_core.values.option_names import FailedPolicyName, RunStatus

if TYPE_CHECKING:
    from cloaca_core.definition.inputs import ContextLike
    from cloaca_core.definition.task import TaskFunction
    from cloaca_core.runner.handles import RunHandle
    from cloaca_core.values.durations import Duration
    from cloaca_core.values.no_limit import NoLimit

LEASE_SECONDS: Final = 10**8
"""No other runner is there, so the lease of an engine need not be renewed in a test."""


class SubmitOptions(TypedDict, total=False):
    """The options of ``Client.submit``."""

    idempotency_key: str | None
    failed_policy: FailedPolicyName
    tags: Mapping[str, str] | None
    time_limit: Duration | NoLimit | None
    priority: int | None
    run_at: datetime | str | None
    delay: Duration | None
    start_by: datetime | str | Duration | None
    detached: bool


class _Runner(DefaultRunner):
    def __init__(self, host: HarnessHost) -> None:
        self._open(host)


class _AsyncRunner(AsyncRunner):
    def __init__(self, host: HarnessHost) -> None:
        self._use(host)


class Harness:
    """See ``harness``, which makes it. ``clock`` moves the time, ``runner`` makes all calls that a
    ``DefaultRunner`` does, ``async_runner`` is for async bodies.
    """

    def __init__(
        self,
        registry: Registry | None = None,
        *,
        url: str | None = None,
        autoskip: bool = False,
        now: datetime | str | None = None,
        config: DefaultRunnerConfig | None = None,
    ) -> None:
        self._registry = default_registry() if registry is None else registry
        self._url = MEMORY if url is None else url
        self._config = dataclasses.replace(
            DefaultRunnerConfig() if config is None else config,
            lease_seconds=LEASE_SECONDS,
            shutdown_grace_seconds=0,
        )
        self._stand_ins = StandIns()
        self._driver = Driver(self._stand_ins, autoskip=autoskip)
        start = BEGINNING if now is None else to_datetime(read_instant("now", now))
        self._clock = VirtualClock(lambda: self._driver.loop, start)
        self._crashes = Crashes(self._driver)
        self._runs: weakref.WeakSet[HarnessRun] = weakref.WeakSet()
        self._host = host = HarnessHost(
            self._url, self._config, self._registry, self._driver, self._clock
        )
        self._driver.revive = host.start_next
        self.clock: HarnessClock = HarnessClock(self._driver, self._clock)
        try:
            self.runner: DefaultRunner = _Runner(host)
        except BaseException:
            host.close_all()
            raise
        self.async_runner: AsyncRunner = _AsyncRunner(host)

    # -- open and close ----------------------------------------------------------------------

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the engine and close the database; runs can still be read as they are now."""
        self._crashes.close()
        self._driver.autoskip = True
        try:
            for run in list(self._runs):
                run.keep()
            self.runner.shutdown()
        finally:
            self._host.close_all()

    # -- run ---------------------------------------------------------------------------------

    def run(
        self,
        workflow: str,
        context: ContextLike = None,
        *,
        raises: bool = False,
        **options: Unpack[SubmitOptions],
    ) -> HarnessRun:
        """Submit a run and drive it to its end, or until it waits for time to pass.

        With ``raises``, the error of a body comes out as it was raised, also if another attempt
        would follow.
        """
        run = self.submit(workflow, context, **options)
        self._drive_to_end(run)
        if raises:
            self._raise_error_of(run)
        return run

    def submit(
        self, workflow: str, context: ContextLike = None, **options: Unpack[SubmitOptions]
    ) -> HarnessRun:
        """Submit a run, and call no body yet: see ``drain``."""
        self._host.look()
        before = {each.id for each in self.runner.list_runs(workflow_name=workflow)}
        try:
            handle = self.runner.submit(workflow, context, **options)
        except EngineDiedError:
            handle = self._submitted_again(before, workflow, context, options)
        return self.found(handle)

    def _submitted_again(
        self, before: set[str], workflow: str, context: ContextLike, options: SubmitOptions
    ) -> RunHandle:
        """The run of a call during which the engine was killed, if it was written; else another."""
        for each in self.runner.list_runs(workflow_name=workflow):
            if each.id not in before:
                return self.runner.get_run(each.id)
        return self.runner.submit(workflow, context, **options)

    def found(self, run: RunHandle | str) -> HarnessRun:
        """The run of this handle or id, as this harness shows it."""
        handle = self.runner.get_run(run) if isinstance(run, str) else run
        shown = HarnessRun(handle)
        self._runs.add(shown)
        return shown

    def _drive_to_end(self, run: HarnessRun) -> None:
        while True:
            try:
                with suppress(StandstillError):
                    run.handle.wait()
            except EngineDiedError:
                continue
            self._driver.settle()  # and all else that is to be done now
            return

    def _raise_error_of(self, run: HarnessRun) -> None:
        done = {name for name, result in run.tasks.items() if result.status == "Completed"}
        for (run_id, task), error in reversed(self._stand_ins.errors.items()):
            if run_id == run.id and task not in done:
                raise error
        if run.status in ("Failed", "Cancelled"):
            run.handle.result().raise_for_status()

    def drain(self) -> dict[RunStatus, int]:
        """Do all that can be done now, and return how many runs there are of each status. With
        ``autoskip``, time passes until every run has ended.
        """
        self._host.look()
        self._driver.settle()
        if self._driver.autoskip:
            for each in self.runner.list_runs(status=UNENDED, limit=1000):
                self._drive_to_end(self.found(each.id))
        counts = {each: self.runner.count_runs(status=each) for each in STATUSES}
        return {status: count for status, count in counts.items() if count}

    # -- other bodies ------------------------------------------------------------------------

    def replace(self, workflow: str, task: str, function: TaskFunction) -> None:
        """Call ``function`` in place of the body of a task, from its next attempt on. It takes what
        a body takes, and may be async. All else of the task stays, such as its retries.
        """
        key = self._key(workflow, task)
        self._stand_ins.replace(key, function, wants_handle=takes_handle(function))

    def fail(
        self,
        workflow: str,
        task: str,
        error: BaseException | type[BaseException],
        *,
        times: int = 1,
    ) -> None:
        """Let the next ``times`` calls of the body of a task raise ``error``."""
        self._stand_ins.fail(self._key(workflow, task), error, times)

    def _key(self, workflow: str, task: str) -> TaskKey:
        found = self._registry.find(workflow)
        known = [each.id for each in found.tasks]
        if task not in known:
            raise TaskNotFoundError(
                f"workflow {workflow!r} has no task {task!r}; it has {', '.join(known)}",
                task_id=task,
            )
        return TaskKey(found.namespace, task)


def harness(
    registry: Registry | None = None,
    *,
    url: str | None = None,
    autoskip: bool = False,
    now: datetime | str | None = None,
    config: DefaultRunnerConfig | None = None,
) -> Harness:
    """The real engine for a test, as a context manager: on a clock that the test moves, with bodies
    on the test's own thread.

    * ``registry``: the ``Registry`` whose workflows it runs; the program's own
    * ``url``: the database; a new one in memory. Another one keeps what is written. No runner
      elsewhere may use it meanwhile
    * ``autoskip``: where nothing is left to do, let time pass until a run ends that is waited for
    * ``now``: what the clock shows at first; noon in UTC of Tuesday, 10 March 2026
    * ``config``: the settings; ``DefaultRunnerConfig()``. The lease never ends, and runs are only
      pruned by ``harness.runner.prune()``
    """
    return Harness(registry, url=url, autoskip=autoskip, now=now, config=config)


STATUSES: Final[tuple[RunStatus, ...]] = get_args(RunStatus)
UNENDED: Final[tuple[RunStatus, ...]] = ("Pending", "Running", "Waiting", "Paused", "Cancelling")
