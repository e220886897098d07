"""``harness``: the real engine for a test, on a clock that the test moves."""

from __future__ import annotations

import os
import uuid
import weakref
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, Unpack, get_args

from cloaca_core.client.async_runner import AsyncRunner
from cloaca_core.client.default_runner import DefaultRunner
from cloaca_core.definition.context import Context
from cloaca_core.definition.registry import Registry, default_registry
from cloaca_core.definition.task import item_parameters, takes_handle
from cloaca_core.errors import (
    AlreadyDecidedError,
    ConfigError,
    RunEndedError,
    TaskNotFoundError,
)
from cloaca_core.values.option_names import RunStatus
from cloaca_core.values.times.instants import read_instant, to_datetime
from cloaca_core.values.times.no_limit import NO_LIMIT
from cloaca_testing.assertions import (
    Path,
    Submitted,
    matching,
    wrong_count,
    wrong_path,
)
from cloaca_testing.cases import Case, Prepared, read_case
from cloaca_testing.clock import HarnessClock
from cloaca_testing.crashes import Crashes
from cloaca_testing.driver import Driver, EngineDiedError, despite_kills
from cloaca_testing.host import MEMORY, HarnessHost
from cloaca_testing.options import EvictName, SubmitOptions, settings_of
from cloaca_testing.runs import HarnessRun
from cloaca_testing.stand_ins import StandIns, TaskKey, alone
from cloaca_testing.virtual_clock import BEGINNING, VirtualClock
from cloaca_testing.virtual_loop import StandstillError

if TYPE_CHECKING:
    from cloaca_core.client.handles import RunHandle
    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.definition.context import ContextLike
    from cloaca_core.definition.workflow import Workflow
    from cloaca_core.values.node import TaskFunction
    from cloaca_core.views.results import RunInfo


class _Runner(DefaultRunner):
    def __init__(self, host: HarnessHost) -> None:
        self._use(host)


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
        evict: EvictName | None = None,
        url: str | os.PathLike[str] | None = None,
        autoskip: bool = False,
        now: datetime | str | None = None,
        config: DefaultRunnerConfig | None = None,
    ) -> None:
        start = BEGINNING if now is None else to_datetime(read_instant("now", now))
        self._registry = default_registry() if registry is None else registry
        self._config = settings_of(config, evict)
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
        """Submit a run and drive it to its end, or until it waits: for time to pass, for an event
        or for a person.

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

    def found(self, run: HarnessRun | RunHandle | str) -> HarnessRun:
        """The run of this handle or id, as this harness shows it."""
        if isinstance(run, HarnessRun):
            return run
        handle = self.runner.get_run(run) if isinstance(run, str) else run
        shown = HarnessRun(handle, self._input_of)
        self._runs.add(shown)
        return shown

    def _drive_to_end(self, run: HarnessRun) -> None:
        def goes_on() -> bool:
            info = despite_kills(run.handle.info)
            return info.ended_at is None and (not _needs_call(info) or self._any_goes_on())

        self._driver.go_on(goes_on)

    def _any_goes_on(self) -> bool:
        """Whether there is a run that time alone may let go on."""
        return not all(map(_needs_call, self._listed(status=UNENDED)))

    def _raise_error_of(self, run: HarnessRun) -> None:
        done = {name for name, result in run.tasks.items() if result.status == "Completed"}
        for (run_id, task), error in reversed(self._stand_ins.errors.items()):
            if run_id == run.id and task not in done:
                raise error
        if run.status in ("Failed", "Cancelled"):
            run.handle.result().raise_for_status()

    def drain(self) -> dict[RunStatus, int]:
        """Do all that can be done now, and return how many runs there are of each status. With
        ``autoskip``, time passes until every run has ended or waits for a message.
        """
        self._host.look()
        self._driver.go_on(self._any_goes_on)
        count = self.runner.count_runs
        counts = {each: despite_kills(partial(count, status=each)) for each in STATUSES}
        return {status: count for status, count in counts.items() if count}

    # -- waits -------------------------------------------------------------------------------

    def send(
        self,
        run: HarnessRun | RunHandle | str,
        event: str,
        payload: object = None,
        *,
        key: str | None = None,
        item: tuple[str, int | str] | str | None = None,
    ) -> HarnessRun:
        """Send an event to a run, and drive the run on to its end or its next wait."""
        self._host.look()
        found = self.found(run)
        if key is None and self._crashes.left():
            key = uuid.uuid4().hex  # if the answer is lost, it is sent again
        despite_kills(lambda: found.handle.send(event, payload, key=key, item=item))
        self._drive_to_end(found)
        return found

    def approve(
        self,
        run: HarnessRun | RunHandle | str,
        task_id: str,
        choice: str = "approve",
        *,
        item: tuple[str, int | str] | str | None = None,
        data: object = None,
        note: str | None = None,
        by: str | None = None,
    ) -> HarnessRun:
        """Decide an open approval of a run, and drive the run on to its end or its next wait."""
        self._host.look()
        found = self.found(run)
        decide = partial(
            found.handle.approve, task_id, choice, item=item, data=data, note=note, by=by
        )
        try:
            decide()
        except EngineDiedError:
            with suppress(AlreadyDecidedError, RunEndedError):  # only the answer was lost
                despite_kills(decide)
        self._drive_to_end(found)
        return found

    # -- triggers ----------------------------------------------------------------------------

    def poll(self, trigger: str) -> None:
        """Poll a trigger now, whether or not it is due, and do all that can be done then.

        While the clock moves, a trigger that finds nothing new is not polled again until a body has
        run, or the clock has come to where it goes: polls in between would find the same.
        """
        self._host.look()
        despite_kills(lambda: self._host.poll(trigger))
        self._driver.act()

    # -- other bodies ------------------------------------------------------------------------

    def replace(self, workflow: str, task: str, function: TaskFunction) -> None:
        """Call ``function`` in place of the body of a task, from its next attempt on. It has the
        arguments of a body, and may be async. All else of the task stays, such as its retries.
        """
        key = self._key(workflow, task)
        if any(each.id == task and each.map for each in self._registry.find(workflow).tasks):
            self._stand_ins.replace_of_items(key, function, item_parameters(function))
        else:
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

    def only_task(
        self,
        workflow: str,
        task: str,
        context: ContextLike = None,
        *,
        send: tuple[str, object] | None = None,
    ) -> dict[str, Any]:
        """Call one body alone, once, and return the context after it; its error comes out as it was
        raised.

        The run that it belongs to is in a database of its own, and so are the runs that the body
        submits, at this harness's time, which passes there while the body waits. ``send`` is an
        event that it waits for, and the payload. A function that stands in for a body here does so
        there.
        """
        key = self._key(workflow, task)
        registry = self._with_only(workflow, task)
        inner = Harness(registry, autoskip=True, now=self.clock.now(), config=self._config)
        inner._stand_ins = inner._driver.stand_ins = self._stand_ins
        with inner:
            run = inner.run(key.workflow, context, raises=True, send=send, time_limit=NO_LIMIT)
            if run.status != "Completed":
                raise StandstillError(f"the body of {task!r} has not ended: {run}")
            return run.context

    def load(self, case: str | os.PathLike[str] | Mapping[str, Any]) -> Case:
        """A run that ``cloaca.export_case`` has written, from its file or as it is: a failure of
        production in a test, ``h.load("case.json").only_task("charge")``.
        """
        return Case(read_case(case), self._call_prepared)

    def _with_only(self, workflow: str, task: str) -> Registry:
        """The workflows of this harness, of which this one has no other task: a body may submit
        runs of any.
        """
        registry, found = Registry(), self._registry.find(workflow)
        for each in self._registry.workflows():
            registry.register(alone(found, task) if each is found else each)
        return registry

    def _call_prepared(self, prepared: Prepared, task: str) -> dict[str, Any]:
        """Call the one task that is left of a run, whose rows are put into a database of their
        own.
        """
        key = self._key(prepared.workflow, task)
        registry = self._with_only(key.workflow, task)
        start = to_datetime(prepared.now)
        inner = Harness(registry, autoskip=True, now=start, config=self._config)
        inner._stand_ins = inner._driver.stand_ins = self._stand_ins
        with inner:
            inner._host.put(prepared.rows)
            run = inner.found(prepared.run_id)
            inner._drive_to_end(run)
            inner._raise_error_of(run)
            if run.status != "Completed":
                raise StandstillError(f"the body of {task!r} has not ended: {run}")
            return run.context

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
        their first calls, and these were skipped (None: any). A node that waits has no body.
        """
        ran = [task for run_id, task in self._stand_ins.calls if run_id == run.id]
        handle = run.handle if isinstance(run, HarnessRun) else run
        reasons = {
            name: result.skip_reason or ""
            for name, result in handle.tasks().items()
            if result.status == "Skipped"
        }
        name = handle.info().workflow_name
        nodes = _nodes_of(self._registry.find(name)) if self._registry.has_name(name) else []
        if (reason := wrong_path(Path(ran, reasons, nodes), tasks, skipped)) is not None:
            raise AssertionError(f"run of {name!r}: {reason}")

    def _submitted(self, workflow: str | None) -> list[Submitted]:
        """The runs that were submitted, oldest first."""
        return [
            Submitted(each.workflow_name, each.status, self._input_of(each.id))
            for each in reversed(list(self._listed(workflow_name=workflow)))
        ]

    def _listed(self, **selection: Any) -> Iterator[RunInfo]:
        """All runs of this selection, newest first."""
        before: str | None = None
        listed = partial(self.runner.list_runs, limit=PAGE, **selection)
        while page := despite_kills(partial(listed, before=before)):
            yield from page
            before = page[-1].id

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
        if task in _nodes_of(found):
            raise ConfigError(f"{task!r} of {workflow!r} only waits: it has no body", field="task")
        return TaskKey(found.namespace, task)


def _needs_call(run: RunInfo) -> bool:
    """Whether only a call lets the run go on: of send, approve or resume."""
    return run.status in ("Waiting", "Paused") and run.due_at is None


def _nodes_of(workflow: Workflow) -> list[str]:
    """The ids of nodes without a body."""
    return [each.id for each in workflow.tasks if each.wait is not None]


def harness(
    registry: Registry | None = None,
    *,
    evict: EvictName | None = None,
    url: str | os.PathLike[str] | None = None,
    autoskip: bool = False,
    now: datetime | str | None = None,
    config: DefaultRunnerConfig | None = None,
) -> Harness:
    """The real engine for a test, as a context manager: on a clock that the test moves, with bodies
    on the test's own thread.

    * ``registry``: the ``Registry`` whose workflows it runs; the program's own
    * ``evict``: with ``"always"``, every wait of a body ends its call, and it is called again, from
      its top, when the wait is over. None: an async body stays for ``evict_after_seconds`` first,
      as in a runner; a sync one would hold the test's thread, and leaves at once
    * ``url``: the database; a new one in memory. Another one keeps all that is written. No runner
      elsewhere may use it meanwhile
    * ``autoskip``: where nothing is left to do, let time pass until a run ends that is waited for,
      or needs a message
    * ``now``: the time at first; noon in UTC of Tuesday, 10 March 2026
    * ``config``: the settings; ``DefaultRunnerConfig()``. The lease never ends, and runs are only
      pruned by ``harness.runner.prune()``
    """
    return Harness(registry, evict=evict, url=url, autoskip=autoskip, now=now, config=config)


STATUSES: Final[tuple[RunStatus, ...]] = get_args(RunStatus)
PAGE: Final = 1_000
UNENDED: Final[tuple[RunStatus, ...]] = ("Pending", "Running", "Waiting", "Paused", "Cancelling")
