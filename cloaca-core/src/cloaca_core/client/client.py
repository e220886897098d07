"""``Client``: the engine for programs that wait by blocking, without the bodies.

A method makes an operation, a value of ``runner.calls``, and blocks until its result is there. All
but those about runs are imported when one is made: few programs steer runs or have schedules.
``AsyncClient``, which awaits the same operations, is rendered from it. ``DefaultRunner`` inherits
all of it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from cloaca_core.assembly.caller import Caller, Operation
from cloaca_core.assembly.host import EngineHost
from cloaca_core.assembly.redact import Secrets
from cloaca_core.client.handles import RunHandle
from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.definition.context import ContextLike
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.submission import StartOptions
from cloaca_core.engine.calls.arguments import Selection
from cloaca_core.engine.calls.waiting import refuse_blocking_call, wait_for
from cloaca_core.errors import RunnerClosedError
from cloaca_core.features.reruns.results import Plan
from cloaca_core.features.schedules.results import Backfill
from cloaca_core.features.steering.results import BulkResult, Steered
from cloaca_core.features.upkeep.results import PruneResult
from cloaca_core.operations.runs import CountRuns, GetRun, ListRuns
from cloaca_core.operations.submissions import Execute, Submit, SubmitMany, telling_accepted
from cloaca_core.values.option_names import (
    CatchupPolicyName,
    FailedPolicyName,
    OverlapPolicyName,
    RunStatus,
    SingletonPolicyName,
)
from cloaca_core.values.times.durations import Duration
from cloaca_core.values.times.no_limit import NoLimit
from cloaca_core.views.results import PipelineResult, RunInfo

if TYPE_CHECKING:
    from cloaca_core.features.limits.looks.views import LimitDetails, LimitInfo
    from cloaca_core.features.waits.approvals import OpenApproval
    from cloaca_core.values.limits.rates import RateLike
    from cloaca_core.views.explain.explanation import Explanation
    from cloaca_core.views.history import Action

T = TypeVar("T")


class Client:
    """Submits runs, steers them and looks at them; leaves the bodies to runners elsewhere.

    Opens at construction, as a ``DefaultRunner`` does, which is a Client that also works. It claims
    nothing and has no lease. A workflow that is not registered in this program is looked up among
    those that runners have recorded in the database: the newest version of that name is submitted.
    ``execute`` waits for a runner that takes the run up, and ``retry`` plans by that record.

    * ``database_url``: ``sqlite://work.db``, ``sqlite:////abs/work.db`` or a plain path, with
      ``?mode=``, ``_synchronous=`` and ``_busy_timeout=`` (milliseconds); a ``pathlib.Path``, which
      always names a SQLite file; or ``postgresql://…``. With ``mode=ro`` it only looks: a call
      that would write raises ``StoreReadOnlyError``, and nothing is migrated
    * ``config``: the settings; ``DefaultRunnerConfig()``
    * ``schema``: letters, digits and underscores, for PostgreSQL only; none
    * ``registry``: the ``Registry`` that is looked into first; the program's own
    * ``redact``: secrets to hide in its log records and on its page, as for a ``DefaultRunner``

    A URL or file that cannot be used raises ``StoreOpenError`` (a ValueError), ``:memory:`` as well
    (no runner could open it), a missing backend ``BackendError`` (an ImportError), a wrong setting
    ``ConfigError`` (a ValueError), all at once. After ``shutdown()`` every call raises
    ``RunnerClosedError``. All methods may be called from any thread. Use it as a context manager,
    or call ``shutdown()``.
    """

    _host: EngineHost
    _caller: Caller

    def __init__(
        self,
        database_url: str | os.PathLike[str],
        *,
        config: DefaultRunnerConfig | None = None,
        schema: str | None = None,
        registry: Registry | None = None,
        redact: Secrets | None = None,
    ) -> None:
        self._use(EngineHost(database_url, config, schema, registry, works=False, redact=redact))

    def _use(self, host: EngineHost) -> None:
        """Open the database; a failure leaves nothing behind."""
        self._host = host
        self._caller = Caller(host)
        if host.works:
            from cloaca_core.client.body_children import BodyChildren  # a client has no bodies

            host.front = BodyChildren(self._caller)
        try:
            opening = host.open()
            host.load_engine()
            wait_for(opening)
            host.begin()
        except BaseException:
            with suppress(RunnerClosedError):  # it is the error being raised
                self.shutdown()
            raise

    def _do(self, operation: Operation[T]) -> T:
        """Wait for the result of an operation."""
        return operation.call(self._caller).wait()

    # -- run ---------------------------------------------------------------------------------

    def execute(
        self,
        workflow_name: str,
        context: ContextLike = None,
        *,
        timeout: float | None = None,
        time_limit: Duration | NoLimit | None = None,
        priority: int | None = None,
        run_at: datetime | str | None = None,
        delay: Duration | None = None,
        start_by: datetime | str | Duration | None = None,
        detached: bool = False,
        queue: str | None = None,
    ) -> PipelineResult:
        """Run a workflow and wait for its end; returns the result, also of a run that failed.

        ``workflow_name`` is its name or ``tenant::package::workflow``, ``context`` a ``Context``, a
        mapping or None for an empty one. ``timeout`` in seconds ends only the wait
        (``PipelineTimeoutError``), the run continues; None waits for ever. ``time_limit`` is that
        of the run: seconds, a timedelta or ``cloaca.NO_LIMIT``, in place of its workflow's and of
        ``pipeline_timeout_seconds``. A run that passes its limit, or that of the run whose body
        calls this, becomes Failed and raises ``PipelineTimeoutError`` here. An unknown name raises
        ``WorkflowNotFoundError``, a name of several workflows ``AmbiguousWorkflowError``, both a
        ValueError; a value that is not JSON ``ContextError``.

        The run starts at ``run_at`` (a datetime with a zone or RFC 3339 text) or ``delay`` (seconds
        or a timedelta) after it was submitted, by the database's clock; until then it is Pending.
        If it has not begun by ``start_by``, an instant or a time from then on, it is Cancelled.
        Of runs that wait for a place, those of the highest ``priority`` (-100 to 100) start first;
        None is 0, or in a body the priority of its run. A run that a body submits is cancelled with
        the body's run and ends at its deadline, unless it is ``detached``. Its tasks that name no
        ``queue`` ask for this one, in place of that of its workflow.
        """
        start = StartOptions(priority, run_at, delay, start_by, detached, queue)
        return self._do(Execute(workflow_name, context, timeout, time_limit, start))

    def submit(
        self,
        workflow_name: str,
        context: ContextLike = None,
        *,
        idempotency_key: str | None = None,
        failed_policy: FailedPolicyName = "keep",
        tags: Mapping[str, str] | None = None,
        time_limit: Duration | NoLimit | None = None,
        priority: int | None = None,
        run_at: datetime | str | None = None,
        delay: Duration | None = None,
        start_by: datetime | str | Duration | None = None,
        detached: bool = False,
        queue: str | None = None,
        connection: object | None = None,
        send: tuple[str, object] | None = None,
        by: str | None = None,
        singleton: str | None = None,
        singleton_policy: SingletonPolicyName = "existing",
    ) -> RunHandle:
        """Accept a run and return; it is durable when this returns.

        The same ``idempotency_key`` (1 to 255 characters) for the same workflow gives the run that
        has it already, as it is: ``created`` of the handle is False. With ``failed_policy="retry"``
        such a run that has Failed or was Cancelled is retried, as by ``retry``. ``list_runs`` can
        filter by ``tags``; ``time_limit``, the options that say when the run starts, and errors are
        as in ``execute``.

        ``send``, a pair of an event and its payload, is a first message to the run, written in the
        commit that makes it. A run that has the key already gets it as well, as from ``send``, also
        in the round that ``failed_policy`` begins; if it has ended, ``RunEndedError`` is raised.

        ``by`` is who asks for the run; with it the submission is among ``actions()``.

        Of the runs with one ``singleton`` key (1 to 255 characters) of the same workflow at most
        one is under way, from its submission to its end. If there is one, ``singleton_policy``
        decides: "existing" gives that run (``created`` of the handle is False), "reject" raises
        ``SingletonError`` with its ``run_id``, with "queue" the new run starts when the runs before
        it have ended, and "cancel_old" cancels these; the new run starts when they have ended. A
        run that has the ``idempotency_key`` comes first. Not for a run in your own transaction, and
        not for ``submit_many``, whose options are those of all its runs; instead of ``execute``,
        wait for the run with ``result()`` of the handle.

        With a ``connection`` of your own to the database of this runner, the run is written in
        your transaction: it exists if and only if that commits, and then any runner may claim it.
        A connection that commits each statement by itself commits the run as well. Until the
        commit no runner sees the run, and ``status()`` of its handle raises ``RunNotFoundError``.
        Accepted are an open ``sqlite3.Connection`` to the same file, or a ``psycopg.Connection`` to
        the same database, with any search path. Other types are a TypeError; a connection that is
        closed, goes to another database or has a failed transaction is a ValueError; after any
        error your transaction is as it was before. Keep it short: on SQLite no other connection can
        write before it ends, and a plain ``submit`` would wait for it; on PostgreSQL only a
        ``submit`` with the ``idempotency_key`` of a run in it waits. A task body that is run again
        does not find such a run: give it an ``idempotency_key``.
        """
        start = StartOptions(priority, run_at, delay, start_by, detached, queue)
        operation = Submit(
            workflow_name,
            context,
            idempotency_key,
            failed_policy,
            tags,
            time_limit,
            start,
            send,
            by,
            singleton,
            singleton_policy,
        )
        if connection is None:
            return RunHandle(self._caller, *self._do(operation))
        outbox, run, message = operation.outgoing(self._caller).wait()
        run_id = outbox.submit(connection, run, message)
        return RunHandle(self._caller, run_id, run_id == run.id)

    def submit_many(
        self,
        workflow_name: str,
        contexts: Iterable[ContextLike],
        *,
        tags: Mapping[str, str] | None = None,
        time_limit: Duration | NoLimit | None = None,
        priority: int | None = None,
        run_at: datetime | str | None = None,
        delay: Duration | None = None,
        start_by: datetime | str | Duration | None = None,
        detached: bool = False,
        queue: str | None = None,
    ) -> list[RunHandle]:
        """Accept many runs of one workflow, up to 10,000 in one commit.

        ``tags`` and all options are those of each run. A list is checked as a whole before
        anything is submitted. A generator is read in steps of 10,000. If one of its contexts is
        refused, runs committed before stay accepted: the error's ``accepted`` holds their handles.
        """
        refuse_blocking_call()
        start = StartOptions(priority, run_at, delay, start_by, detached, queue)
        operation = SubmitMany(workflow_name, contexts, tags, time_limit, start)
        handles: list[RunHandle] = []
        with telling_accepted(handles):
            for page in operation.pages(self._caller):
                handles += [RunHandle(self._caller, run_id, created=True) for run_id in page.wait()]
        return handles

    # -- steer -------------------------------------------------------------------------------

    def cancel(
        self,
        run_id: str,
        *,
        reason: str | None = None,
        grace: float | timedelta | None = None,
        children: bool = True,
        by: str | None = None,
    ) -> Steered:
        """End a run as Cancelled; see ``RunHandle.cancel``. An unknown id raises
        ``RunNotFoundError``.
        """
        from cloaca_core.features.steering.operations import Cancel

        return self._do(Cancel(run_id, reason, grace, children, by))

    def pause(
        self,
        run_id: str,
        *,
        reason: str | None = None,
        until: datetime | str | None = None,
        children: bool = True,
        by: str | None = None,
    ) -> Steered:
        """Start no more tasks of a run until it is resumed; see ``RunHandle.pause``."""
        from cloaca_core.features.steering.operations import Pause

        return self._do(Pause(run_id, reason, until, children, by))

    def resume(
        self,
        run_id: str,
        *,
        context: ContextLike = None,
        reason: str | None = None,
        by: str | None = None,
    ) -> Steered:
        """Resume a paused run; see ``RunHandle.resume``."""
        from cloaca_core.features.steering.operations import Resume

        return self._do(Resume(run_id, context, reason, by))

    def send(
        self,
        run_id: str,
        event: str,
        payload: object = None,
        *,
        key: str | None = None,
        item: tuple[str, int | str] | str | None = None,
        connection: object | None = None,
        by: str | None = None,
    ) -> Steered:
        """Send an event to a run; see ``RunHandle.send``. An unknown id raises
        ``RunNotFoundError``.
        """
        from cloaca_core.features.waits.operations import Send, written

        operation = Send(run_id, event, payload, key, by, item)
        if connection is None:
            return self._do(operation)
        refuse_blocking_call()
        outbox, message = operation.outgoing(self._caller)
        return written(message, outbox.send(connection, message))

    def approve(
        self,
        run_id: str,
        task_id: str,
        choice: str = "approve",
        *,
        item: tuple[str, int | str] | str | None = None,
        data: object = None,
        note: str | None = None,
        by: str | None = None,
    ) -> Steered:
        """Decide an approval of a run; see ``RunHandle.approve``."""
        from cloaca_core.features.waits.operations import Approve

        return self._do(Approve(run_id, task_id, choice, data, note, by, item))

    def retry(
        self,
        run_id: str,
        *,
        tasks: Iterable[str] | None = None,
        time_limit: Duration | NoLimit | None = None,
        children: bool = True,
        items: Mapping[str, Iterable[int | str]] | None = None,
        reason: str | None = None,
        by: str | None = None,
    ) -> RunHandle:
        """Retry a run that has Failed or was Cancelled, under the same id: its next round.

        The tasks run again that failed, were cancelled or never started, or those of ``tasks``, and
        all that depend on them; the results of all others stay. Attempt numbers continue, and
        ``handle.idempotency_key`` is the same. With ``children``, the failed runs that those tasks
        had executed are retried first. Of two calls at once, one begins the round. The time limit
        counts from the start of the round; ``time_limit``, as in ``execute``, is for this round and
        later ones, in place of the one that the run was submitted with.

        Of a map, the items run again that did not complete, or all if a task above it runs again or
        the items have changed. ``items={"convert": [17, "north.csv"]}`` chooses, by indexes and
        labels: the map runs again, also if it completed, with these of its ended items; those that
        failed and are not chosen stay failed. ``tasks=["convert[17]"]`` names one of them.

        A run in another state raises ``RunStateError``, also one whose body would find a child that
        is still Cancelling; ``tasks`` that the workflow has not, and ``items`` that the run has
        not, raise ``TaskNotFoundError``, an unknown id ``RunNotFoundError``. ``reason`` and ``by``
        as in ``RunHandle.cancel``.
        """
        from cloaca_core.features.reruns.operations import Retry

        operation = Retry(run_id, tasks, time_limit, children, reason, by, items)
        return RunHandle(self._caller, self._do(operation))

    def plan_retry(self, run_id: str, *, tasks: Iterable[str] | None = None) -> Plan:
        """Plan a retry: what it would keep, run again and drop. Writes nothing."""
        from cloaca_core.features.reruns.operations import PlanRetry

        return self._do(PlanRetry(run_id, tasks))

    def fork(
        self,
        run_id: str,
        from_task: str,
        *,
        items: Iterable[int | str] | None = None,
        context: ContextLike = None,
        idempotency_key: str | None = None,
        tags: Mapping[str, str] | None = None,
        reason: str | None = None,
        by: str | None = None,
    ) -> RunHandle:
        """Make a run of another one, from a task on; see ``RunHandle.fork``."""
        from cloaca_core.features.reruns.operations import Fork

        operation = Fork(run_id, from_task, context, idempotency_key, tags, reason, by, items)
        return RunHandle(self._caller, *self._do(operation))

    def plan_fork(self, run_id: str, from_task: str) -> Plan:
        """Plan a fork: what it would keep and run. Writes nothing."""
        from cloaca_core.features.reruns.operations import PlanFork

        return self._do(PlanFork(run_id, from_task))

    def pause_workflow(
        self,
        workflow_name: str,
        *,
        until: datetime | str | None = None,
        reason: str | None = None,
        by: str | None = None,
    ) -> bool:
        """Pause a workflow: no runner, in any process, starts a run of it until it is resumed.

        ``workflow_name`` is as in ``execute``; the workflow need not be registered here. Runs that
        a runner has in progress continue, and no run changes its status: new ones, also those of
        schedules and triggers, are Pending and wait. ``until`` is a datetime with a zone, or RFC
        3339 text: then the workflow is resumed by itself. Returns False, and changes nothing, if it
        is paused already.
        """
        from cloaca_core.features.steering.operations import PauseWorkflow

        return self._do(PauseWorkflow(workflow_name, until, reason, by))

    def resume_workflow(
        self, workflow_name: str, *, reason: str | None = None, by: str | None = None
    ) -> bool:
        """Let runs of a paused workflow start again; False if it is not paused."""
        from cloaca_core.features.steering.operations import ResumeWorkflow

        return self._do(ResumeWorkflow(workflow_name, reason, by))

    def cancel_many(
        self,
        *,
        status: RunStatus | Iterable[RunStatus] | None = None,
        workflow_name: str | None = None,
        tags: Mapping[str, str] | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        parent_id: str | None = None,
        error: str | None = None,
        reason: str | None = None,
        by: str | None = None,
        dry_run: bool = False,
    ) -> BulkResult:
        """Cancel all runs that ``list_runs`` with these arguments would list, newest first, 500 in
        a transaction, each as ``RunHandle.cancel`` does.

        Without ``status`` they are those that have not ended; without any filter the call is
        refused. ``dry_run`` only counts. If the call ends early, make it again: its work stays.
        """
        from cloaca_core.operations.bulk import SteerMany

        selection = Selection(status, workflow_name, tags, since, until, parent_id, error)
        return self._do(SteerMany("cancel", selection, reason, by, dry_run))

    def pause_many(
        self,
        *,
        status: RunStatus | Iterable[RunStatus] | None = None,
        workflow_name: str | None = None,
        tags: Mapping[str, str] | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        parent_id: str | None = None,
        error: str | None = None,
        reason: str | None = None,
        by: str | None = None,
        dry_run: bool = False,
    ) -> BulkResult:
        """Pause all runs of a selection until they are resumed, as ``RunHandle.pause`` does; see
        ``cancel_many``. ``until`` is when they were made, as in ``list_runs``, not an end of the
        pause.
        """
        from cloaca_core.operations.bulk import SteerMany

        selection = Selection(status, workflow_name, tags, since, until, parent_id, error)
        return self._do(SteerMany("pause", selection, reason, by, dry_run))

    def resume_many(
        self,
        *,
        status: RunStatus | Iterable[RunStatus] | None = None,
        workflow_name: str | None = None,
        tags: Mapping[str, str] | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        parent_id: str | None = None,
        error: str | None = None,
        reason: str | None = None,
        by: str | None = None,
        dry_run: bool = False,
    ) -> BulkResult:
        """Resume all paused runs of a selection; see ``cancel_many``."""
        from cloaca_core.operations.bulk import SteerMany

        selection = Selection(status, workflow_name, tags, since, until, parent_id, error)
        return self._do(SteerMany("resume", selection, reason, by, dry_run))

    def retry_many(
        self,
        *,
        status: RunStatus | Iterable[RunStatus] | None = None,
        workflow_name: str | None = None,
        tags: Mapping[str, str] | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        parent_id: str | None = None,
        error: str | None = None,
        reason: str | None = None,
        by: str | None = None,
        dry_run: bool = False,
    ) -> BulkResult:
        """Begin all runs of a selection again that have Failed or were Cancelled, as ``retry``
        does; see ``cancel_many``. Of runs with many tasks fewer share a transaction.
        """
        from cloaca_core.operations.bulk import SteerMany

        selection = Selection(status, workflow_name, tags, since, until, parent_id, error)
        return self._do(SteerMany("retry", selection, reason, by, dry_run))

    # -- observe -----------------------------------------------------------------------------

    def get_run(self, run_id: str) -> RunHandle:
        """The handle of a run in this database; ``RunNotFoundError`` (a KeyError) for no run."""
        return RunHandle(self._caller, self._do(GetRun(run_id)))

    def explain(self, run_id: str) -> Explanation:
        """Why a run and each of its tasks is as it is; see ``RunHandle.explain``."""
        from cloaca_core.operations.explain import Explain

        return self._do(Explain(run_id))

    def list_runs(
        self,
        *,
        status: RunStatus | Iterable[RunStatus] | None = None,
        workflow_name: str | None = None,
        tags: Mapping[str, str] | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        parent_id: str | None = None,
        error: str | None = None,
        limit: int = 100,
        before: str | None = None,
    ) -> list[RunInfo]:
        """Runs, newest first, at most ``limit`` of them.

        ``status`` is a state or several, ``workflow_name`` a name as in ``execute``; all ``tags``
        must match. ``since`` and ``until``, datetimes with a zone or RFC 3339, are when runs were
        made, ``until`` itself not included. ``parent_id`` is the run whose bodies have submitted
        them, ``error`` a part of their error message, in which the case of the letters A to Z does
        not count. ``before`` is the id of a run, such as the last of a page: older runs are listed.
        """
        selection = Selection(status, workflow_name, tags, since, until, parent_id, error)
        return self._do(ListRuns(selection, limit, before))

    def count_runs(
        self,
        *,
        status: RunStatus | Iterable[RunStatus] | None = None,
        workflow_name: str | None = None,
        tags: Mapping[str, str] | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        parent_id: str | None = None,
        error: str | None = None,
    ) -> int:
        """How many runs there are that ``list_runs`` with these arguments would list."""
        selection = Selection(status, workflow_name, tags, since, until, parent_id, error)
        return self._do(CountRuns(selection))

    def waiting_for_people(
        self, *, workflow_name: str | None = None, limit: int = 100
    ) -> list[OpenApproval]:
        """The approvals that wait for a person's decision, the oldest first, at most ``limit`` of
        them; those of one workflow, if its name is given, as in ``execute``.
        """
        from cloaca_core.features.waits.operations import WaitingForPeople

        return self._do(WaitingForPeople(workflow_name, limit))

    def actions(self, *, limit: int = 100) -> list[Action]:
        """All acts, by whom and why, newest first, at most ``limit`` of them.

        An act is a cancel, pause, resume, retry or fork, also one that found it done already; a
        message that a run got after its submission; a submission, if it was said who asks; that a
        run has expired; or what has changed a schedule, a trigger, a limit or a runner. See
        ``Action``.
        """
        from cloaca_core.operations.history import Actions

        return self._do(Actions(limit))

    def prune(
        self,
        *,
        before: datetime | str | None = None,
        workflow_name: str | None = None,
        dry_run: bool = False,
        by: str | None = None,
    ) -> PruneResult:
        """Delete runs that have ended long ago, each with all runs that it has submitted; returns
        when that is done.

        A run goes when it and all of those, but for detached ones, ended before ``before`` (a
        datetime with a zone, or RFC 3339 text). Without it, runs go that have been kept for the
        retention of their workflow, or for ``retention_days``; runners do that by themselves every
        hour. With ``before``, no retention counts. ``workflow_name`` is that of the runs at the
        top. ``dry_run`` only counts. Runs that go vanish from every listing at once; those that
        have not ended stay, as do those that are begun again meanwhile. ``actions()`` tells who has
        deleted how many: ``by``, or this user at this host.
        """
        from cloaca_core.features.upkeep.operations import Prune

        return self._do(Prune(before, workflow_name, dry_run, by))

    def health(self) -> dict[str, Any]:
        """The state of the runner: its runs, bodies, loops and failing triggers."""
        from cloaca_core.operations.claiming import Health

        return self._do(Health())

    def drain_runner(self, runner_id: str, *, by: str | None = None) -> bool:
        """Ask a runner of this database to shut down, wherever it runs. As soon as it reads the
        request, it shuts down, as by ``shutdown()`` in its own program: it claims no more runs,
        waits ``shutdown_grace_seconds`` for its bodies and gives back what is left. Then its calls
        raise ``RunnerClosedError``. This returns at once: True if such a runner is registered and
        was not declared dead, also if it was asked before. ``by`` is who asks, for ``actions()``;
        this user at this host by default.
        """
        from cloaca_core.operations.claiming import DrainRunner

        return self._do(DrainRunner(runner_id, by))

    # -- limits ------------------------------------------------------------------------------

    def limits(self) -> list[LimitInfo]:
        """All limits that programs have recorded, by name: the settings that count, who has
        changed them, how many places are used, and how many bodies wait, and since when.
        """
        from cloaca_core.features.limits.operations import ListLimits

        return self._do(ListLimits())

    def limit(
        self, name: str, *, key: str | int | bool | None = None, limit: int = 100
    ) -> LimitDetails:
        """One limit closely: its keys in use, who holds its places and who waits, at most ``limit``
        of each; those of one ``key``, if it is given. ``LimitNotFoundError`` (a KeyError) if no
        program has recorded it.
        """
        from cloaca_core.features.limits.operations import ShowLimit

        return self._do(ShowLimit(name, key, limit))

    def set_limit(
        self,
        name: str,
        *,
        total: int | NoLimit | None = None,
        per_key: int | NoLimit | None = None,
        rate: RateLike | NoLimit | None = None,
        burst: int | None = None,
        rate_per_key: RateLike | NoLimit | None = None,
        burst_per_key: int | None = None,
        by: str | None = None,
    ) -> bool:
        """Change a limit, at once and for all programs of this database. What is set here wins over
        the code until ``clear_limit``, also when a program with another definition opens.

        The settings are those of ``Limit``. None leaves a setting as it is, ``cloaca.NO_LIMIT``
        lifts it. ``total=0`` stops everything that needs the limit. If more is under way than the
        new setting allows, nothing is cut, and nothing begins until less is. Returns False, and
        changes nothing, if all of it is set already. ``by`` is who asks, for ``actions()``; this
        user at this host by default. ``LimitNotFoundError`` (a KeyError) if no program has recorded
        the limit, ``DefinitionError`` (a ValueError) for a setting that cannot be.
        """
        from cloaca_core.features.limits.operations import SetLimit

        return self._do(
            SetLimit(name, total, per_key, rate, burst, rate_per_key, burst_per_key, by)
        )

    def clear_limit(self, name: str, *, by: str | None = None) -> bool:
        """Let the settings of the code count again; False if none was changed."""
        from cloaca_core.features.limits.operations import ClearLimit

        return self._do(ClearLimit(name, by))

    # -- schedules ---------------------------------------------------------------------------

    def register_cron_workflow(
        self,
        workflow_name: str,
        cron_expression: str,
        timezone: str,
        *,
        by: str | None = None,
    ) -> str:
        """Run a workflow at the ticks of a cron expression, from now on; returns the schedule's id.

        ``cron_expression`` has five fields, or six with seconds first; ``timezone`` is a name of
        the IANA database. The workflow need not be registered here: a runner fires the schedules
        of its own workflows. Of the ticks that came while no runner was there, the newest runs
        late. A wrong expression or zone is a ``CronExpressionError`` (a ValueError) "Failed to
        register cron workflow: Invalid cron expression or timezone: …".
        """
        from cloaca_core.features.schedules.operations.schedules import RegisterCron

        return self._do(RegisterCron(workflow_name, cron_expression, timezone, by))

    def schedule(
        self,
        name: str,
        workflow_name: str,
        cron_expression: str,
        timezone: str,
        *,
        catchup_policy: CatchupPolicyName | None = None,
        overlap_policy: OverlapPolicyName | None = None,
        jitter_seconds: int | None = None,
        start_date: datetime | str | None = None,
        end_date: datetime | str | None = None,
        params: ContextLike = None,
        time_limit: Duration | NoLimit | None = None,
        queue: str | None = None,
        by: str | None = None,
    ) -> str:
        """Add the schedule of this name, or change it to these settings; returns its id.

        The same call again changes nothing, so a program may declare its schedules at each start;
        ``actions()`` tells who has added or changed it, ``by`` or this user at this host.
        ``catchup_policy`` is for ticks that no runner fired for a minute: "skip" drops them,
        "run_once" (the default) runs the newest, "run_all" the newest
        ``cron_max_catchup_executions``. ``jitter_seconds`` spreads the start of runs over so much
        time. Dates are datetimes with a zone or RFC 3339; each run's context begins with
        ``params``; ``time_limit`` and ``queue`` are those of each run, as in ``execute``. Refuses
        the same arguments as ``register_cron_workflow``.

        ``overlap_policy`` is for ticks while runs of the schedule have not ended: "allow" (the
        default) starts another one beside them, "skip" makes none, which counts as lost, "queue"
        makes one that starts when the one before it has ended in any way, and "cancel_old" first
        ends the others as Cancelled. Their coroutines are cancelled; a thread body cannot be ended,
        and its result is ignored. After a change of the policy queued runs stay and run in their
        order, unless it is "cancel_old", whose next tick ends them too; they stay as well when the
        schedule is disabled or deleted. Back-filled runs do not count here, nor do runs of a
        workflow that the schedule had before. A disabled schedule stays disabled.
        """
        from cloaca_core.features.schedules.operations.schedules import PutSchedule

        operation = PutSchedule(
            name,
            workflow_name,
            cron_expression,
            timezone,
            params,
            catchup_policy=catchup_policy,
            overlap_policy=overlap_policy,
            jitter_seconds=jitter_seconds,
            start_date=start_date,
            end_date=end_date,
            time_limit=time_limit,
            by=by,
            queue=queue,
        )
        return self._do(operation)

    def register_workflow_instance(
        self,
        workflow_name: str,
        instance_name: str,
        cron_expression: str,
        timezone: str,
        params: ContextLike = None,
        *,
        by: str | None = None,
    ) -> str:
        """Run a workflow by cron with parameters, as a named instance; returns the schedule's id.

        Each run's context begins with ``params`` and the keys of its tick. The same
        ``instance_name`` for the same workflow again changes the instance. Its schedule's name is
        ``tenant::package::workflow::instance_name``, so it differs from another workflow's instance
        of that name and from any ``schedule``. Refuses the same arguments as
        ``register_cron_workflow``, with "Failed to register workflow instance: …".
        """
        from cloaca_core.features.schedules.operations.schedules import PutInstance

        operation = PutInstance(workflow_name, instance_name, cron_expression, timezone, params, by)
        return self._do(operation)

    def backfill(
        self,
        schedule: str,
        start: datetime | str,
        end: datetime | str,
        *,
        limit: int | None = None,
        by: str | None = None,
    ) -> Backfill:
        """Create runs for a period's past ticks that have none.

        ``schedule`` is the id or the name of a schedule, enabled or not, as it is now. Its next
        tick does not change, and it does not matter whether earlier runs have ended. The period is
        from ``start`` on and before ``end``, datetimes with a zone or RFC 3339, with at most
        100,000 ticks, all of them past. At most ``limit`` ticks run, 1,000 by default, the oldest.
        Their runs begin with the keys of runs made late. Each tick has at most one run for ever, so
        the same call again continues where this one ended, also after an error. ``actions()`` tells
        who asked, if there were ticks to run: ``by``, or this user at this host. Errors are
        ``ScheduleError`` (a ValueError) "Failed to back-fill schedule: …".
        """
        from cloaca_core.features.schedules.operations.backfill import RunBackfill

        return self._do(RunBackfill(schedule, start, end, limit, by))

    def preview_backfill(
        self,
        schedule: str,
        start: datetime | str,
        end: datetime | str,
        *,
        limit: int | None = None,
    ) -> Backfill:
        """Tell which ticks ``backfill`` with these arguments would run now; makes no runs."""
        from cloaca_core.features.schedules.operations.backfill import PreviewBackfill

        return self._do(PreviewBackfill(schedule, start, end, limit))

    def run_schedule(self, schedule: str, *, by: str | None = None) -> RunHandle:
        """Make a run of a schedule at once, with its context, time limit and queue.

        ``schedule`` is its id or its name; it may be disabled. The run begins with
        the keys of a tick at this moment, and stands in the schedule's history; the next tick stays
        as it is, and ``overlap_policy`` counts for nothing. Each call makes a run. ``actions()``
        tells who asked: ``by``, or this user at this host. Errors are ``ScheduleError`` (a
        ValueError) "Failed to run schedule: …".
        """
        from cloaca_core.features.schedules.operations.backfill import RunSchedule

        return RunHandle(self._caller, self._do(RunSchedule(schedule, by)), created=True)

    def list_cron_schedules(
        self,
        enabled_only: bool | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> list[dict[str, Any]]:
        """Schedules by workflow: all, or those that are enabled; at most 100 by default."""
        from cloaca_core.features.schedules.operations.schedules import ListSchedules

        return self._do(ListSchedules(enabled_only, limit, offset))

    def get_cron_schedule(self, schedule_id: str) -> dict[str, Any]:
        """One schedule; ``ScheduleError`` (a ValueError) "Failed to get cron schedule: …"."""
        from cloaca_core.features.schedules.operations.schedules import GetSchedule

        return self._do(GetSchedule(schedule_id))

    def update_cron_schedule(
        self,
        schedule_id: str,
        cron_expression: str,
        timezone: str,
        *,
        by: str | None = None,
    ) -> None:
        """Let a schedule tick by another expression from now on. ``by`` is who asks, here and in
        the next calls, as in ``schedule``.
        """
        from cloaca_core.features.schedules.operations.schedules import RetimeSchedule

        self._do(RetimeSchedule(schedule_id, cron_expression, timezone, by))

    def set_cron_schedule_enabled(
        self, schedule_id: str, enabled: bool, *, by: str | None = None
    ) -> None:
        """Enable a schedule from now on, or disable it; an unknown id is no error."""
        from cloaca_core.features.schedules.operations.schedules import EnableSchedule

        self._do(EnableSchedule(schedule_id, enabled, by))

    def delete_cron_schedule(self, schedule_id: str, *, by: str | None = None) -> None:
        """Remove a schedule; its runs and history stay. An unknown id is no error."""
        from cloaca_core.features.schedules.operations.schedules import DeleteSchedule

        self._do(DeleteSchedule(schedule_id, by))

    def get_cron_execution_history(
        self, schedule_id: str, limit: int | None = None, offset: int | None = None
    ) -> list[dict[str, Any]]:
        """The ticks of a schedule that were fired, newest first; at most 100 by default."""
        from cloaca_core.features.schedules.operations.schedules import ScheduleHistory

        return self._do(ScheduleHistory(schedule_id, limit, offset))

    def get_cron_execution_stats(self, since: str) -> dict[str, Any]:
        """Counts of fired and lost ticks of all schedules since a time (RFC 3339 with an offset).

        ``lost_executions`` counts ticks that were missed and dropped by policy; another form of
        ``since`` is a ``ScheduleError`` (a ValueError) "Invalid datetime format: …".
        """
        from cloaca_core.features.schedules.operations.schedules import ScheduleStats

        return self._do(ScheduleStats(since))

    # -- triggers ----------------------------------------------------------------------------

    def list_trigger_schedules(
        self,
        enabled_only: bool | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> list[dict[str, Any]]:
        """Triggers by name: all that any program on this database has registered, or those that
        are enabled; at most 100 by default. ``workflow_name`` is None for a trigger without a
        workflow, ``poll_interval_ms`` is None for one with a cron expression.
        """
        from cloaca_core.features.triggers.operations import ListTriggers

        return self._do(ListTriggers(enabled_only, limit, offset))

    def get_trigger_schedule(self, trigger_name: str) -> dict[str, Any] | None:
        """One trigger; None for an unknown name."""
        from cloaca_core.features.triggers.operations import GetTrigger

        return self._do(GetTrigger(trigger_name))

    def set_trigger_enabled(
        self, trigger_name: str, enabled: bool, *, by: str | None = None
    ) -> None:
        """Enable a trigger from now on, or disable it, for all programs that have it.

        That stays so when it is registered again. Once disabled it fires nothing, not even events
        of a poll that is under way. An unknown name is no error. ``by`` is who asks, for
        ``actions()``; this user at this host by default.
        """
        from cloaca_core.features.triggers.operations import EnableTrigger

        self._do(EnableTrigger(trigger_name, enabled, by))

    def get_trigger_execution_history(
        self, trigger_name: str, limit: int | None = None, offset: int | None = None
    ) -> list[dict[str, Any]]:
        """The runs that a trigger fired, newest first, at most 100 by default; [] for an unknown
        name. ``completed_at`` is when the run ended, None while it has not.
        """
        from cloaca_core.features.triggers.operations import TriggerHistory

        return self._do(TriggerHistory(trigger_name, limit, offset))

    # -- start and stop ----------------------------------------------------------------------

    def shutdown(self) -> None:
        """Let running bodies end, release the other runs for recovery, close. Idempotent.

        Ctrl-C ends the grace period. If Ctrl-C leads to the shutdown or comes during it, the log
        names the bodies that it waits for, or the terminal if there is no log. After the runner has
        broken down, the first call raises the ``RunnerClosedError`` with the reason.
        """
        interrupted = isinstance(sys.exception(), KeyboardInterrupt)
        try:
            closing = self._host.close()
            if interrupted:
                self._host.tell_of_wait()
            with suppress(RunnerClosedError):  # ``end_thread`` raises it, once
                closing.result()
        except KeyboardInterrupt:
            self._host.hurry()
            raise
        self._host.end_thread()

    def __enter__(self) -> Self:
        self._host.refuse_closed()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.shutdown()
        except RunnerClosedError:
            if error is None:
                raise

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._host})"
