"""Calls about runs: submit, execute, wait and read.

Some are for a runner, others for a handle, which gives its run's id.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from cloaca_core.errors import CloacaError, ConfigError
from cloaca_core.runner.calls.arguments import Requests, Selection, checked_run_id, numbered
from cloaca_core.runner.calls.call import Call, unchanged
from cloaca_core.runner.calls.names import FilterByName
from cloaca_core.runner.calls.orders import asked_for
from cloaca_core.runner.calls.start_options import NO_OPTIONS, StartOptions
from cloaca_core.runner.calls.tracing import (
    executed,
    first,
    is_attached,
    name_of,
    only,
    stamped,
    traced,
)
from cloaca_core.runner.results import (
    PipelineResult,
    RunInfo,
    RunSnapshot,
    TaskResult,
    execute_result,
    info_alone,
    run_info,
    run_status_name,
    task_results,
)
from cloaca_core.runner.user_code import calling_work
from cloaca_core.runner.waiting import checked_timeout, heed_cancel

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping

    from cloaca_core._engine.engine import Engine
    from cloaca_core._engine.observe.facts import RunFacts
    from cloaca_core._engine.observe.onlooker import Looks
    from cloaca_core._engine.observe.recent_runs import Ended
    from cloaca_core._engine.observe.run_reader import Awaited
    from cloaca_core._engine.submit.request import Request
    from cloaca_core.definition.inputs import ContextLike
    from cloaca_core.definition.recorded import RecordedWorkflow
    from cloaca_core.records.runs import AttemptRow, NewRun, RunRow
    from cloaca_core.records.task_logs import ProgressRow
    from cloaca_core.records.waits import NewMessage
    from cloaca_core.runner.calls.bulk import BulkCalls
    from cloaca_core.runner.calls.explain import ExplainCalls
    from cloaca_core.runner.calls.history import HistoryCalls
    from cloaca_core.runner.calls.messages import MessageCalls
    from cloaca_core.runner.calls.steering import SteeringCalls
    from cloaca_core.runner.calls.task_logs import TaskLogCalls
    from cloaca_core.runner.calls.watch import Watch
    from cloaca_core.runner.host import EngineHost
    from cloaca_core.store.outbox import Outbox
    from cloaca_core.values.durations import Duration
    from cloaca_core.values.instants import Instant
    from cloaca_core.values.no_limit import NoLimit
    from cloaca_core.values.option_names import FailedPolicyName, RunStatus

A = TypeVar("A")
T = TypeVar("T")


class RunCalls:
    """Makes the calls of one runner and its handles. Any thread may ask."""

    def __init__(self, host: EngineHost) -> None:
        self._host = host
        self._requests = Requests(host.registry, host.config, by_name=not host.works)

    @cached_property
    def steering(self) -> SteeringCalls:
        """Calls that steer runs; imported at their first use, as few programs steer any."""
        from cloaca_core.runner.calls.steering import SteeringCalls

        return SteeringCalls(self._host)

    @cached_property
    def messages(self) -> MessageCalls:
        """Calls that send messages to runs; imported at their first use."""
        from cloaca_core.runner.calls.messages import MessageCalls

        return MessageCalls(self._host)

    @cached_property
    def bulk(self) -> BulkCalls:
        """Calls that steer many runs; imported at their first use."""
        from cloaca_core.runner.calls.bulk import BulkCalls

        return BulkCalls(self._host, self._requests)

    @cached_property
    def explaining(self) -> ExplainCalls:
        """The call that explains a run; imported at its first use."""
        from cloaca_core.runner.calls.explain import ExplainCalls

        return ExplainCalls(self._host)

    @cached_property
    def history(self) -> HistoryCalls:
        """Calls that look at the past of runs; imported at their first use."""
        from cloaca_core.runner.calls.history import HistoryCalls

        return HistoryCalls(self._host)

    @cached_property
    def task_logs(self) -> TaskLogCalls:
        """Calls that read what bodies have logged; imported at their first use."""
        from cloaca_core.runner.calls.task_logs import TaskLogCalls

        return TaskLogCalls(self._host)

    def database(self) -> concurrent.futures.Future[str | None]:
        """The identity of the database."""
        return self._host.database()

    # -- of a runner -------------------------------------------------------------------------

    def execute(
        self,
        workflow_name: str,
        context: ContextLike,
        timeout: float | None,
        time_limit: Duration | NoLimit | None = None,
        start: StartOptions = NO_OPTIONS,
    ) -> Call[PipelineResult]:
        """Submit a run and wait for its end; raises if it passed its deadline."""
        seconds = checked_timeout(timeout)
        request = self._open_requests().request(
            workflow_name, [context], time_limit=time_limit, start=start
        )
        accepted: list[str] = []
        return Call(
            lambda: executed(
                self._host.tracer,
                numbered(request),
                accepted.append,
                lambda sent, heard: self._host.send(_executing(sent, heard)),
            ),
            execute_result,
            timeout=seconds,
            run=accepted,
        )

    def submit(
        self,
        workflow_name: str,
        context: ContextLike,
        idempotency_key: str | None,
        tags: Mapping[str, str] | None,
        time_limit: Duration | NoLimit | None = None,
        start: StartOptions = NO_OPTIONS,
        failed_policy: FailedPolicyName = "keep",
        send: tuple[str, object] | None = None,
        by: str | None = None,
        *,
        by_right: bool = False,
    ) -> Call[tuple[str, bool]]:
        """Accept a run, with a first message to it; returns its id, or that of the run that has the
        key already, and whether the run was made. The submission is noted as an act only if ``by``
        says who asks. One submitted ``by_right`` begins here, also where no runs are claimed.
        """
        request = self._open_requests().request(
            workflow_name,
            [context],
            tags=tags,
            idempotency_key=idempotency_key,
            time_limit=time_limit,
            start=start,
            failed_policy=failed_policy,
        )
        if send is not None:
            request = replace(request, message=self.messages.first(send, by))
        if by is not None:
            request = asked_for(request, by)
        if by_right:
            request = replace(request, by_right=True)
        return Call(lambda: self._sent(numbered(request), _submitting_one, first), unchanged)

    def outgoing(
        self,
        workflow_name: str,
        context: ContextLike,
        idempotency_key: str | None,
        tags: Mapping[str, str] | None,
        time_limit: Duration | NoLimit | None = None,
        start: StartOptions = NO_OPTIONS,
        failed_policy: FailedPolicyName = "keep",
        send: tuple[str, object] | None = None,
        by: str | None = None,
    ) -> Call[tuple[Outbox, NewRun, NewMessage | None]]:
        """The row of a run that its submitter writes, a first message to it, and the outbox to
        write them with. Needs no hop to the engine's loop if the workflow is registered.
        """
        heed_cancel()
        if failed_policy != "keep":
            raise ConfigError(
                'failed_policy must be "keep" with a connection: a retry is not part of your '
                "transaction",
                field="failed_policy",
            )
        request = self._open_requests().request(
            workflow_name,
            [context],
            tags=tags,
            idempotency_key=idempotency_key,
            time_limit=time_limit,
            start=start,
        )
        if send is not None:
            request = replace(request, message=self.messages.first(send, by))
        if by is not None:
            request = asked_for(request, by)
        if self._host.tracer is not None:
            request = stamped(self._host.tracer, request)
        outgoing = self._host.engine.outgoing
        return Call(
            lambda: self._host.send(lambda engine: engine.definitions.resolved(request)),
            outgoing,
            at_hand=lambda: None if request.is_by_name else outgoing(request),
        )

    def submit_many(
        self,
        workflow_name: str,
        contexts: Iterable[ContextLike],
        tags: Mapping[str, str] | None,
        time_limit: Duration | NoLimit | None = None,
        start: StartOptions = NO_OPTIONS,
    ) -> Iterator[Call[list[str]]]:
        """Accept many runs, one page for each commit; contexts are read page by page. A name that
        is not registered is looked up first: there may be no contexts.
        """
        requests = self._open_requests()
        if (name := requests.unregistered(workflow_name)) is not None:
            yield self._ask(_none_accepted, lambda engine: engine.find(name))
        for request in requests.many(workflow_name, contexts, tags, time_limit, start):
            yield Call(partial(self._sent, request, _submitting, only), unchanged)

    def submit_each(
        self,
        workflow_name: str,
        contexts: Iterable[ContextLike],
        tags: Mapping[str, str] | None,
        time_limit: Duration | NoLimit | None = None,
        start: StartOptions = NO_OPTIONS,
    ) -> Iterator[Call[list[tuple[str, bool]]]]:
        """Accept many runs of a body, each as one call of it: if the body runs again, it finds
        them. Their commits are shared; contexts are read as by ``submit_many``.
        """
        for request in self._open_requests().many(workflow_name, contexts, tags, time_limit, start):
            yield Call(partial(self._sent, request, _submitting_each, _only_id), unchanged)

    def get_run(self, run_id: str) -> Call[str]:
        """The id of a run that is in the database."""
        checked = checked_run_id(run_id)
        return self._read(_id, lambda engine: engine.reader.get_run(checked))

    def list_runs(
        self, selection: Selection, limit: int, before: str | None = None
    ) -> Call[list[RunInfo]]:
        """The runs that match, newest first."""
        run_filter = self._open_requests().run_filter(selection, limit, before)
        wanted = FilterByName.of(self._host, run_filter, selection.workflow_name)
        return self._read(_listing, lambda engine: _listed(engine, wanted))

    def count_runs(self, selection: Selection) -> Call[int]:
        """How many runs match."""
        run_filter = self._open_requests().run_filter(selection)
        wanted = FilterByName.of(self._host, run_filter, selection.workflow_name)
        return self._read(unchanged, lambda engine: _counted(engine, wanted))

    # -- of a handle -------------------------------------------------------------------------

    def status(self, run_id: str) -> Call[RunStatus]:
        """The state of a run."""
        return self._read(run_status_name, lambda engine: engine.reader.get_run(run_id))

    def children(self, run_id: str, limit: int) -> Call[list[RunInfo]]:
        """The runs that bodies of a run have submitted, newest first."""
        return self.list_runs(Selection(parent_id=run_id), limit)

    def result(self, run_id: str, timeout: float | None) -> Call[PipelineResult]:
        """The result of a run when it has ended. A recent one needs no hop to the engine's loop."""
        return Call(
            lambda: self._asked_end(run_id),
            _result,
            timeout=checked_timeout(timeout),
            run=(run_id,),
            at_hand=lambda: self._known_result(run_id),
        )

    def end(self, run_id: str, timeout: float | None) -> Call[str]:
        """The id of a run when it has ended. A recent one needs no hop to the engine's loop."""
        return Call(
            lambda: self._asked_end(run_id),
            lambda _: run_id,
            timeout=checked_timeout(timeout),
            run=(run_id,),
            at_hand=lambda: run_id if self._host.engine.recent.has_completed(run_id) else None,
        )

    def tasks(self, run_id: str) -> Call[dict[str, TaskResult]]:
        """The state of each task of a run."""
        return self._read(_task_results, lambda engine: _tasks(engine, run_id))

    def info(self, run_id: str) -> Call[RunInfo]:
        """A run as it is now."""
        return self._read(info_alone, lambda engine: engine.reader.facts(run_id))

    def watch(self, run_id: str) -> Watch[RunSnapshot]:
        """The run now and after each change, until it has ended."""
        from cloaca_core.runner.calls.watch import Watch

        self._host.refuse_closed()
        return Watch(self._host, lambda engine: _seen(engine, run_id), _told, _snapshot, _is_over)

    # -- of all ------------------------------------------------------------------------------

    def _ask(
        self, read: Callable[[A], T], ask: Callable[[Engine], Coroutine[Any, Any, A]]
    ) -> Call[T]:
        return Call(lambda: self._host.send(ask), read)

    def _read(
        self, read: Callable[[A], T], ask: Callable[[Looks], Coroutine[Any, Any, A]]
    ) -> Call[T]:
        return Call(lambda: self._host.read(ask), read)

    def _sent(
        self,
        request: Request,
        ask: Callable[[Request], Callable[[Engine], Coroutine[Any, Any, A]]],
        read: Callable[[A], str | None],
    ) -> concurrent.futures.Future[A]:
        """Send a submission, within a span if the program traces."""
        if (tracer := self._host.tracer) is None:
            return self._host.send(ask(request))
        return traced(
            tracer,
            name_of(request),
            lambda trace: self._host.send(ask(replace(request, trace=trace))),
            read=read,
            within=is_attached(request),
            runs=len(request.texts),
        )

    def _open_requests(self) -> Requests:
        """The object that checks arguments; a closed runner raises first."""
        self._host.refuse_closed()
        return self._requests

    def _asked_end(self, run_id: str) -> concurrent.futures.Future[Ended]:
        work = calling_work()
        return self._host.send(lambda engine: engine.wait(run_id, work))

    def _known_result(self, run_id: str) -> PipelineResult | None:
        """The result of a run that has completed here, which is final. Another end may belong to an
        earlier round by now.
        """
        recent = self._host.engine.recent
        end = recent.get(run_id) if recent.has_completed(run_id) else None
        return None if end is None else PipelineResult(*end)


@contextmanager
def telling_accepted(handles: list[Any]) -> Iterator[None]:
    """Attach the handles of runs accepted so far to an error within."""
    try:
        yield
    except CloacaError as error:
        error.accepted = handles
        raise


def _executing(
    request: Request, accepted: Callable[[str], None]
) -> Callable[[Engine], Coroutine[Any, Any, Ended]]:
    """Submit a run and wait for its end, on behalf of the calling body, if there is one."""
    work = calling_work()
    return lambda engine: engine.execute(request, work, accepted)


def _submitting(request: Request) -> Callable[[Engine], Coroutine[Any, Any, list[str]]]:
    """Submit runs."""
    return lambda engine: engine.submit(request)


def _submitting_one(request: Request) -> Callable[[Engine], Coroutine[Any, Any, tuple[str, bool]]]:
    """Submit one run."""
    return lambda engine: engine.submit_one(request)


def _submitting_each(
    request: Request,
) -> Callable[[Engine], Coroutine[Any, Any, list[tuple[str, bool]]]]:
    """Submit each run of a request by itself."""
    each = [numbered(part) for part in request.parts()]

    async def submitted(engine: Engine) -> list[tuple[str, bool]]:
        return await asyncio.gather(*[engine.submit_one(part) for part in each])

    return submitted


def _only_id(answer: list[tuple[str, bool]]) -> str | None:
    return only([run_id for run_id, _ in answer])


class _Tasks(NamedTuple):
    """The rows of a run, the tasks of its definition, and the ends for which they may wait."""

    row: RunRow
    attempts: list[AttemptRow]
    task_ids: list[str]
    awaited: Awaited
    progress: list[ProgressRow]


async def _tasks(engine: Looks, run_id: str) -> _Tasks:
    """All that is known of the tasks of a run; runs on the engine's loop."""
    reader = engine.reader
    row, attempts = await reader.current_attempts(run_id)
    task_ids, awaited = await reader.task_ids(row), await reader.awaited(row, attempts)
    return _Tasks(row, attempts, task_ids, awaited, await engine.store.progress([run_id]))


class _Seen(NamedTuple):
    """A run alone, and what is known of its tasks."""

    facts: RunFacts
    tasks: _Tasks


async def _seen(engine: Looks, run_id: str) -> _Seen:
    """All that a snapshot shows; runs on the engine's loop. The tasks are read last: those of a run
    that is seen to have ended are final.
    """
    facts = await engine.reader.facts(run_id)
    return _Seen(facts, await _tasks(engine, run_id))


async def _listed(engine: Looks, wanted: FilterByName) -> tuple[list[RunRow], Instant]:
    """The runs that match, and when they did; runs on the engine's loop."""
    rows = await engine.reader.list_runs(await wanted.resolved(engine))
    return rows, engine.store.wall()


async def _counted(engine: Looks, wanted: FilterByName) -> int:
    """How many runs match; runs on the engine's loop."""
    return await engine.reader.count_runs(await wanted.resolved(engine))


# -- how answers are read ------------------------------------------------------------------------


def _none_accepted(_: RecordedWorkflow) -> list[str]:
    return []


def _id(row: RunRow) -> str:
    return row.id


def _listing(found: tuple[list[RunRow], Instant]) -> list[RunInfo]:
    rows, now = found
    return [run_info(row, now) for row in rows]


def _result(ended: Ended) -> PipelineResult:
    return PipelineResult(*ended)


def _task_results(found: _Tasks) -> dict[str, TaskResult]:
    return task_results(
        found.attempts,
        found.task_ids,
        run=found.row,
        children=found.awaited.children,
        waits=found.awaited.waits,
        progress=found.progress,
    )


def _snapshot(seen: _Seen) -> RunSnapshot:
    return RunSnapshot(info_alone(seen.facts), _task_results(seen.tasks))


def _told(seen: _Seen) -> object:
    """All but the time at which it was read."""
    return seen._replace(facts=seen.facts._replace(now=0))


def _is_over(seen: _Seen) -> bool:
    return seen.facts.row.ended_at is not None
