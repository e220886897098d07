"""``harness``: the real engine for a test, on a clock that the test moves."""

from __future__ import annotations

import copy
import os
import weakref
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypedDict, Unpack, get_args

from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.definition.context import Context
from cloaca_core.definition.registry import Registry, default_registry
from cloaca_core.definition.task import takes_handle
from cloaca_core.errors import TaskNotFoundError
from cloaca_core.runner.async_runner import AsyncRunner
from cloaca_core.runner.default_runner import DefaultRunner
from cloaca_core.testing.assertions import (
    Path,
    Submitted,
    matching,
    wrong_count,
    wrong_path,
)
from cloaca_core.testing.clock import HarnessClock
from cloaca_core.testing.crashes import Crashes
from cloaca_core.testing.driver import Driver, EngineDiedError, despite_kills
from cloaca_core.testing.host import MEMORY, HarnessHost
from cloaca_core.testing.runs import HarnessRun
from cloaca_core.testing.stand_ins import StandIns, TaskKey, alone
from cloaca_core.testing.virtual_clock import BEGINNING, VirtualClock
from cloaca_core.testing.virtual_loop import StandstillError
from cloaca_core.values.arguments import refuse_other_types
from cloaca_core.values.instants import read_instant, to_datetime
from cloaca_core.values.option_names import FailedPolicyName, RunStatus

if TYPE_CHECKING:
    from cloaca_core.definition.inputs import ContextLike
    from cloaca_core.definition.task import TaskFunction
    from cloaca_core.runner.handles import RunHandle
    from cloaca_core.runner.results import RunInfo
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


class HarnessOptions(TypedDict, total=False):
    """The arguments of ``harness``."""

    registry: Registry | None
    url: str | os.PathLike[str] | None
    autoskip: bool
    now: datetime | str | None
    config: DefaultRunnerConfig | None


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
        url: str | os.PathLike[str] | None = None,
        autoskip: bool = False,
        now: datetime | str | None = None,
        config: DefaultRunnerConfig | None = None,
    ) -> None:
        start = BEGINNING if now is None else to_datetime(read_instant("now", now))
        self._registry = default_registry() if registry is None else registry
        self._config = _settings(config)
        self._stand_ins = StandIns()
        self._driver = driver = Driver(self._stand_ins, autoskip=autoskip)
        self._clock = VirtualClock(lambda: driver.loop, start)
        self._crashes = Crashes(driver)
        self._runs: weakref.WeakSet[HarnessRun] = weakref.WeakSet()
        self.clock: HarnessClock = HarnessClock(driver, self._clock)
        with ExitStack() as stack:
            stack.callback(driver.close)
            place = MEMORY if url is None else url
            self._host = host = HarnessHost(
                place, self._config, self._registry, driver, self._clock
            )
            stack.callback(host.close_database)
            driver.revive = host.start_next
            self.runner: DefaultRunner = _Runner(host)
            self.async_runner: AsyncRunner = _AsyncRunner(host)
            driver.settle()
            self._resources = stack.pop_all()

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
        with self._resources:
            self._crashes.close()
            for run in list(self._runs):
                run.keep()
            self._runs.clear()
            self._driver.autoskip = True
            self.runner.shutdown()

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
        newest = self._newest(workflow) if self._crashes.left() else None
        try:
            handle = self.runner.submit(workflow, context, **options)
        except EngineDiedError:
            # Its answer is lost, as that of a program would be: but the run may be there.
            if (written := self._newest(workflow)) is None or written == newest:
                return self.submit(workflow, context, **options)
            handle = despite_kills(lambda: self.runner.get_run(written))
        return self.found(handle)

    def _newest(self, workflow: str) -> str | None:
        runs = despite_kills(lambda: self.runner.list_runs(workflow_name=workflow, limit=1))
        return runs[0].id if runs else None

    def found(self, run: RunHandle | str) -> HarnessRun:
        """The run of this handle or id, as this harness shows it."""
        handle = self.runner.get_run(run) if isinstance(run, str) else run
        shown = HarnessRun(handle, self._input_of)
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
            listed = partial(self.runner.list_runs, status=UNENDED, limit=PAGE)
            for each in despite_kills(listed):
                self._drive_to_end(self.found(each.id))
        count = self.runner.count_runs
        counts = {each: despite_kills(partial(count, status=each)) for each in STATUSES}
        return {status: count for status, count in counts.items() if count}

    # -- other bodies ------------------------------------------------------------------------

    def replace(self, workflow: str, task: str, function: TaskFunction) -> None:
        """Call ``function`` in place of the body of a task, from its next attempt on. It has the
        arguments of a body, and may be async. All else of the task stays, such as its retries.
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

    def only_task(self, workflow: str, task: str, context: ContextLike = None) -> dict[str, Any]:
        """Call one body alone, once, and return the context after it; its error comes out as it was
        raised.

        The run that it belongs to is in a database of its own, at this harness's time. A
        function that stands in for the body here does so there.
        """
        key = self._key(workflow, task)
        registry = Registry()
        registry.register(alone(self._registry.find(workflow), task))
        inner = Harness(registry, now=self.clock.now(), config=self._config)
        inner._stand_ins = inner._driver.stand_ins = self._stand_ins
        with inner:
            return inner.run(key.workflow, context, raises=True).context

    # -- crashes -----------------------------------------------------------------------------

    def crash_at(self, point: str, *, nth: int = 1) -> None:
        """Kill the engine at the ``nth`` time from now that it comes to this point, such as
        ``journal.after_commit``: as by ``kill -9``, it writes nothing more.

        The next engine begins at once, on the same database, and takes over. Bodies that ran are
        unwound, so their ``finally`` blocks run; nothing else of them counts. A call of ``runner``
        that the engine has not answered raises ``RunnerClosedError``, and may be made again.
        """
        self._crashes.arm(point, nth)

    # -- assertions --------------------------------------------------------------------------

    def assert_submitted(
        self, workflow: str, *, context: Mapping[str, Any] | None = None, count: int | None = None
    ) -> None:
        """Fail unless ``count`` runs of this workflow were submitted (None: at least one), by a
        body, a schedule, a trigger or the test; only runs count whose input has all items of
        ``context``.
        """
        runs = self._submitted(workflow)
        found = len(matching(runs, context))
        reason = wrong_count(workflow, context, count, found, runs or self._submitted(None))
        if reason is not None:
            raise AssertionError(reason)

    def refute_submitted(self, workflow: str, *, context: Mapping[str, Any] | None = None) -> None:
        """Fail if a run of this workflow, with all items of ``context``, was submitted."""
        self.assert_submitted(workflow, context=context, count=0)

    def assert_path(
        self,
        run: HarnessRun | RunHandle,
        tasks: Sequence[str],
        *,
        skipped: Collection[str] | None = None,
    ) -> None:
        """Fail unless the bodies of exactly these tasks of the run were called, in this order of
        their first calls, and these were skipped (None: any).
        """
        ran = [task for run_id, task in self._stand_ins.calls if run_id == run.id]
        handle = run.handle if isinstance(run, HarnessRun) else run
        reasons = {
            name: result.skip_reason or ""
            for name, result in handle.tasks().items()
            if result.status == "Skipped"
        }
        if (reason := wrong_path(Path(ran, reasons), tasks, skipped)) is not None:
            raise AssertionError(f"run of {handle.info().workflow_name!r}: {reason}")

    def _submitted(self, workflow: str | None) -> list[Submitted]:
        """The runs that were submitted, oldest first."""
        found: list[RunInfo] = []
        before: str | None = None
        listed = partial(self.runner.list_runs, workflow_name=workflow, limit=PAGE)
        while page := despite_kills(partial(listed, before=before)):
            found += page
            before = page[-1].id
        return [
            Submitted(each.workflow_name, each.status, self._input_of(each.id))
            for each in reversed(found)
        ]

    def _input_of(self, run_id: str) -> dict[str, Any]:
        row = despite_kills(
            lambda: self._host.send(lambda engine: engine.reader.get_run(run_id)).result()
        )
        return Context.from_json(row.input).to_dict()

    def _key(self, workflow: str, task: str) -> TaskKey:
        found = self._registry.find(workflow)
        known = [each.id for each in found.tasks]
        if task not in known:
            raise TaskNotFoundError(
                f"workflow {workflow!r} has no task {task!r}; it has {', '.join(known)}",
                task_id=task,
            )
        return TaskKey(found.namespace, task)


def _settings(config: DefaultRunnerConfig | None) -> DefaultRunnerConfig:
    """A copy, for an engine that is alone and whose test does not wait."""
    if config is None:
        made = DefaultRunnerConfig()
    else:
        refuse_other_types("config", config, DefaultRunnerConfig, "a DefaultRunnerConfig or None")
        made = copy.copy(config)
    made.lease_seconds = LEASE_SECONDS
    made.shutdown_grace_seconds = 0
    return made


def harness(
    registry: Registry | None = None,
    *,
    url: str | os.PathLike[str] | None = None,
    autoskip: bool = False,
    now: datetime | str | None = None,
    config: DefaultRunnerConfig | None = None,
) -> Harness:
    """The real engine for a test, as a context manager: on a clock that the test moves, with bodies
    on the test's own thread.

    * ``registry``: the ``Registry`` whose workflows it runs; the program's own
    * ``url``: the database; a new one in memory. Another one keeps all that is written. No runner
      elsewhere may use it meanwhile
    * ``autoskip``: where nothing is left to do, let time pass until a run ends that is waited for
    * ``now``: the time at first; noon in UTC of Tuesday, 10 March 2026
    * ``config``: the settings; ``DefaultRunnerConfig()``. The lease never ends, and runs are only
      pruned by ``harness.runner.prune()``
    """
    return Harness(registry, url=url, autoskip=autoskip, now=now, config=config)


STATUSES: Final[tuple[RunStatus, ...]] = get_args(RunStatus)
PAGE: Final = 1_000
UNENDED: Final[tuple[RunStatus, ...]] = ("Pending", "Running", "Waiting", "Paused", "Cancelling")
