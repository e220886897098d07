"""Operations about runs: submit, execute, wait and read."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from cloaca_core.definition.submission import NO_OPTIONS, StartOptions, Submission, Submissions
from cloaca_core.engine.calls.arguments import Selection, checked_run_id, numbered
from cloaca_core.engine.calls.call import Call, unchanged
from cloaca_core.engine.calls.user_code import calling_work
from cloaca_core.engine.calls.waiting import checked_timeout, heed_cancel
from cloaca_core.errors import CloacaError, ConfigError
from cloaca_core.features.definitions.names import FilterByName
from cloaca_core.features.telemetry.tracing import (
    executed,
    first,
    is_attached,
    name_of,
    only,
    stamped,
    traced,
)
from cloaca_core.views.results import (
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

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Callable, Coroutine, Iterator, Sequence

    from cloaca_core.assembly.caller import Caller
    from cloaca_core.assembly.engine import Engine
    from cloaca_core.assembly.host import EngineHost
    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.definition.inputs import ContextLike
    from cloaca_core.definition.recorded import RecordedWorkflow
    from cloaca_core.engine.observe.recent_runs import Ended
    from cloaca_core.engine.runtime.thread_calls import ParkedCall
    from cloaca_core.engine.submit.request import Request
    from cloaca_core.features.explain.facts import RunFacts
    from cloaca_core.features.task_logs.records import ProgressRow
    from cloaca_core.operations.watch import Watch
    from cloaca_core.run.rows import AttemptRow, NewRun, RunRow
    from cloaca_core.store.messages import NewMessage
    from cloaca_core.store.outbox import Outbox
    from cloaca_core.values.option_names import RunStatus
    from cloaca_core.values.times.durations import Duration
    from cloaca_core.values.times.instants import Instant
    from cloaca_core.values.times.no_limit import NoLimit
    from cloaca_core.views.run_past import Awaited

A = TypeVar("A")


# -- submit --------------------------------------------------------------------------------------


class Execute(NamedTuple):
    """Submit a run and wait for its end; raises if it passed its deadline."""

    workflow_name: str
    context: ContextLike = None
    timeout: float | None = None
    time_limit: Duration | NoLimit | None = None
    start: StartOptions = NO_OPTIONS

    def call(self, caller: Caller) -> Call[PipelineResult]:
        """See ``Operation``."""
        seconds = None if self.timeout is None else checked_timeout(self.timeout)
        request = caller.requests().request(
            self.workflow_name, [self.context], time_limit=self.time_limit, start=self.start
        )
        host = caller.host
        accepted: list[str] = []
        return ExecuteCall(
            host,
            request,
            lambda: executed(
                host.tracer,
                numbered(request),
                accepted.append,
                lambda sent, heard: host.send(_executing(sent, heard)),
            ),
            seconds,
            accepted,
        )


class Submit(Submission):
    """Accept a run, with a first message to it; returns its id, or the id of the run that has the
    key already, and whether the run was made. The submission is noted as an act only if ``by`` says
    who asks.
    """

    __slots__ = ()

    def call(self, caller: Caller) -> Call[tuple[str, bool]]:
        """See ``Operation``."""
        request = _requested(self, caller)
        return Call(
            lambda: _sent(caller.host, numbered(request), _submitting_one, first), unchanged
        )

    def outgoing(self, caller: Caller) -> Call[tuple[Outbox, NewRun, NewMessage | None]]:
        """The row of a run that its submitter writes, a first message to it, and the outbox to
        write them with. Needs no hop to the engine's loop if the workflow is registered.
        """
        heed_cancel()
        if self.failed_policy != "keep":
            raise ConfigError(
                'failed_policy must be "keep" with a connection: a retry is not part of your '
                "transaction",
                field="failed_policy",
            )
        request, host = _requested(self, caller), caller.host
        if host.tracer is not None:
            request = stamped(host.tracer, request)
        outgoing = host.engine.outgoing
        return Call(
            lambda: host.send(lambda engine: engine.definitions.resolved(request)),
            outgoing,
            at_hand=lambda: None if request.is_by_name else outgoing(request),
        )


class BeginHere(Submission):
    """Accept a run as ``Submit`` does, and begin it here, also where no runs are claimed."""

    __slots__ = ()

    def call(self, caller: Caller) -> Call[tuple[str, bool]]:
        """See ``Operation``."""
        request = replace(_requested(self, caller), by_right=True)
        return Call(
            lambda: _sent(caller.host, numbered(request), _submitting_one, first), unchanged
        )


class SubmitMany(Submissions):
    """Accept many runs, one page for each commit; contexts are read page by page."""

    __slots__ = ()

    def pages(self, caller: Caller) -> Iterator[Call[list[str]]]:
        """The ids of the runs of each page. A name that is not registered is looked up first: there
        may be no contexts.
        """
        requests = caller.requests()
        if (name := requests.unregistered(self.workflow_name)) is not None:
            yield caller.act(lambda engine: engine.find(name), _none_accepted)
        for request in requests.many(self):
            yield Call(partial(_sent, caller.host, request, _submitting, only), unchanged)

    def pages_of_body(self, caller: Caller) -> Iterator[Call[list[tuple[str, bool]]]]:
        """The same for a body, each run as one call of it: if the body runs again, it finds them.
        Their commits are shared.
        """
        for request in caller.requests().many(self):
            yield Call(partial(_sent, caller.host, request, _submitting_each, _only_id), unchanged)


def _requested(asked: Submission, caller: Caller) -> Request:
    """The checked request of a submission; a closed runner raises first."""
    request = caller.requests().request(
        asked.workflow_name,
        [asked.context],
        tags=asked.tags,
        idempotency_key=asked.idempotency_key,
        time_limit=asked.time_limit,
        start=asked.start,
        failed_policy=asked.failed_policy,
    )
    if asked.send is not None:
        from cloaca_core.features.waits.operations import first_message  # few runs begin with one

        request = replace(request, message=first_message(caller.host, asked.send, asked.by))
    if asked.by is not None:
        from cloaca_core.engine.calls.orders import asked_for  # as few say who asks

        request = asked_for(request, asked.by)
    return request


def _sent(
    host: EngineHost,
    request: Request,
    ask: Callable[[Request], Callable[[Engine], Coroutine[Any, Any, A]]],
    read: Callable[[A], str | None],
) -> concurrent.futures.Future[A]:
    """Send a submission, within a span if the program traces."""
    if (tracer := host.tracer) is None:
        return host.send(ask(request))
    return traced(
        tracer,
        name_of(request),
        lambda trace: host.send(ask(replace(request, trace=trace))),
        read=read,
        within=is_attached(request),
        runs=len(request.texts),
    )


@contextmanager
def telling_accepted(handles: list[Any]) -> Iterator[None]:
    """Attach the handles of runs accepted so far to an error within."""
    try:
        yield
    except CloacaError as error:
        error.accepted = handles
        raise


class ExecuteCall(Call[PipelineResult]):
    """Executes a run. A thread of the program that waits for it does without a future."""

    __slots__ = ("_host", "_request")

    def __init__(
        self,
        host: EngineHost,
        request: Request,
        send: Callable[[], concurrent.futures.Future[Ended]],
        timeout: float | None,
        run: Sequence[str],
    ) -> None:
        super().__init__(send, execute_result, timeout=timeout, run=run)
        self._host = host
        self._request = request

    def wait(self) -> PipelineResult:
        host, request = self._host, self._request
        if calling_work() is not None or host.tracer is not None or not host.parks:
            return super().wait()

        def ask(engine: Engine, call: ParkedCall[Ended]) -> None:
            engine.execute_parked(request, call)

        return execute_result(host.park(ask, self._timeout))


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


# -- look ----------------------------------------------------------------------------------------


class GetRun(NamedTuple):
    """The id of a run that is in the database."""

    run_id: str

    def call(self, caller: Caller) -> Call[str]:
        """See ``Operation``."""
        checked = checked_run_id(self.run_id)
        return caller.look(lambda engine: engine.reader.get_run(checked), _id)


class ListRuns(NamedTuple):
    """The runs that match, newest first."""

    selection: Selection
    limit: int
    before: str | None = None

    def call(self, caller: Caller) -> Call[list[RunInfo]]:
        """See ``Operation``."""
        run_filter = caller.requests().run_filter(self.selection, self.limit, self.before)
        wanted = FilterByName.of(caller.host, run_filter, self.selection.workflow_name)
        return caller.look(lambda engine: _listed(engine, wanted), _listing)


class CountRuns(NamedTuple):
    """How many runs match."""

    selection: Selection

    def call(self, caller: Caller) -> Call[int]:
        """See ``Operation``."""
        run_filter = caller.requests().run_filter(self.selection)
        wanted = FilterByName.of(caller.host, run_filter, self.selection.workflow_name)
        return caller.look(lambda engine: _counted(engine, wanted), unchanged)


class Status(NamedTuple):
    """The state of a run."""

    run_id: str

    def call(self, caller: Caller) -> Call[RunStatus]:
        """See ``Operation``."""
        return caller.look(lambda engine: engine.reader.get_run(self.run_id), run_status_name)


class Tasks(NamedTuple):
    """The state of each task of a run."""

    run_id: str

    def call(self, caller: Caller) -> Call[dict[str, TaskResult]]:
        """See ``Operation``."""
        return caller.look(lambda engine: _tasks(engine, self.run_id), _task_results)


class Info(NamedTuple):
    """A run as it is now."""

    run_id: str

    def call(self, caller: Caller) -> Call[RunInfo]:
        """See ``Operation``."""
        from cloaca_core.views.run_past import facts_of  # here: a list of runs reads less

        return caller.look(lambda engine: facts_of(engine, self.run_id), info_alone)


def watch(host: EngineHost, run_id: str) -> Watch[RunSnapshot]:
    """The run now and after each change, until it has ended."""
    from cloaca_core.operations.watch import Watch

    host.refuse_closed()
    return Watch(host, lambda engine: _seen(engine, run_id), _told, _snapshot, _is_over)


# -- wait ----------------------------------------------------------------------------------------


class Result(NamedTuple):
    """The result of a run when it has ended. A recent one needs no hop to the engine's loop."""

    run_id: str
    timeout: float | None = None

    def call(self, caller: Caller) -> Call[PipelineResult]:
        """See ``Operation``."""
        host, run_id = caller.host, self.run_id
        return Call(
            partial(_asked_end, host, run_id),
            _result,
            timeout=None if self.timeout is None else checked_timeout(self.timeout),
            run=(run_id,),
            at_hand=partial(_known_result, host, run_id),
        )


class End(NamedTuple):
    """The id of a run when it has ended. A recent one needs no hop to the engine's loop."""

    run_id: str
    timeout: float | None = None

    def call(self, caller: Caller) -> Call[str]:
        """See ``Operation``."""
        host, run_id = caller.host, self.run_id
        return Call(
            partial(_asked_end, host, run_id),
            lambda _: run_id,
            timeout=None if self.timeout is None else checked_timeout(self.timeout),
            run=(run_id,),
            at_hand=lambda: run_id if host.engine.recent.has_completed(run_id) else None,
        )


def _asked_end(host: EngineHost, run_id: str) -> concurrent.futures.Future[Ended]:
    work = calling_work()
    return host.send(lambda engine: engine.wait(run_id, work))


def _known_result(host: EngineHost, run_id: str) -> PipelineResult | None:
    """The result of a run that has completed here, which is final. Another end may belong to an
    earlier round by now.
    """
    recent = host.engine.recent
    end = recent.get(run_id) if recent.has_completed(run_id) else None
    return None if end is None else PipelineResult(*end)


# -- on the engine's loop ------------------------------------------------------------------------


class _Tasks(NamedTuple):
    """The rows of a run, the tasks of its definition, and the ends for which they may wait."""

    row: RunRow
    attempts: list[AttemptRow]
    task_ids: list[str]
    awaited: Awaited
    progress: list[ProgressRow]


async def _tasks(engine: Looks, run_id: str) -> _Tasks:
    """All that is known of the tasks of a run; runs on the engine's loop."""
    from cloaca_core.views.run_past import awaited_by  # as above

    reader = engine.reader
    row, attempts = await reader.current_attempts(run_id)
    task_ids, awaited = await reader.task_ids(row), await awaited_by(engine.store, row, attempts)
    return _Tasks(row, attempts, task_ids, awaited, await engine.store.progress([run_id]))


class _Seen(NamedTuple):
    """A run alone, and what is known of its tasks."""

    facts: RunFacts
    tasks: _Tasks


async def _seen(engine: Looks, run_id: str) -> _Seen:
    """All that a snapshot shows; runs on the engine's loop. The tasks are read last: those of a run
    that is seen to have ended are final.
    """
    from cloaca_core.views.run_past import facts_of  # as above

    facts = await facts_of(engine, run_id)
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
