"""Operations that submit runs; ``Execute`` also waits for the end."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from cloaca_core.definition.submission import NO_OPTIONS, StartOptions, Submission, Submissions
from cloaca_core.engine.calls.arguments import keyed_child, numbered
from cloaca_core.engine.calls.call import Call, unchanged
from cloaca_core.engine.calls.user_code import calling_work
from cloaca_core.engine.calls.waiting import checked_timeout, raise_if_cancelled
from cloaca_core.errors import CloacaError, ConfigError
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
    execute_result,
)

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Callable, Coroutine, Iterator, Sequence

    from cloaca_core.assembly.caller import Caller
    from cloaca_core.assembly.engine import Engine
    from cloaca_core.assembly.host import EngineHost
    from cloaca_core.definition.context import ContextLike
    from cloaca_core.definition.handles.child_calls import BegunChild, ChildCall
    from cloaca_core.definition.recorded import RecordedWorkflow
    from cloaca_core.engine.observe.completion import Ended
    from cloaca_core.engine.runtime.thread_calls import ParkedCall
    from cloaca_core.engine.submit.request import Request
    from cloaca_core.run.rows import NewRun
    from cloaca_core.store.messages import NewMessage
    from cloaca_core.store.outbox import Outbox
    from cloaca_core.values.times.durations import Duration
    from cloaca_core.values.times.no_limit import NoLimit

A = TypeVar("A")


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
    """Accept a run, with a first message to it. Returns its id, or the id of the run that has the
    key already, and whether the run was made. The submission is recorded as an act only if ``by``
    names a caller.
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
        write them with. Needs no hop to the engine's loop if the workflow is registered and no
        queue is named.
        """
        raise_if_cancelled()
        if self.failed_policy != "keep":
            raise ConfigError(
                'failed_policy must be "keep" with a connection: a retry is not part of your '
                "transaction",
                field="failed_policy",
            )
        if self.singleton is not None:
            raise ConfigError(
                "a run with a singleton key cannot be part of your transaction: while that is "
                "open, all runs with the key would wait for it; give no connection",
                field="singleton",
            )
        request, host = _requested(self, caller), caller.host
        if host.tracer is not None:
            request = stamped(host.tracer, request)
        outgoing = host.engine.outgoing
        is_at_hand = not request.is_by_name and request.start.queue is None
        return Call(
            lambda: host.send(lambda engine: engine.resolver.ready_to_go(request, engine.outbox)),
            outgoing,
            at_hand=lambda: outgoing(request) if is_at_hand else None,
            writes=False,
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


class BeginChild(NamedTuple):
    """Start a child run of the body that calls, or find the one that this call has started. Its
    workflow is registered here, or recorded by another program, whose runners execute it.
    """

    asked: ChildCall

    def call(self, caller: Caller) -> Call[BegunChild]:
        """See ``Operation``."""
        asked, host = self.asked, caller.host
        request = caller.requests().request(
            asked.workflow_name,
            [asked.context],
            tags=asked.tags,
            time_limit=asked.time_limit,
            start=asked.start,
            by_name=True,
        )
        request = replace(request, child_kind=asked.kind)
        return Call(
            lambda: _sent(host, keyed_child(request, asked.key), _beginning_child, first),
            unchanged,
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
            yield caller.act(lambda engine: engine.resolver.find(name), _none_accepted)
        for request in requests.many(self):
            yield Call(partial(_sent, caller.host, request, _submitting, only), unchanged)

    def pages_of_body(self, caller: Caller) -> Iterator[Call[list[tuple[str, bool]]]]:
        """As above for a body, each run as one call of it: if the body runs again, it finds them.
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
    if asked.singleton is not None or asked.singleton_policy != "existing":
        from cloaca_core.engine.calls.singletons import checked_singleton  # few runs have a key

        grace = caller.host.config.shutdown_grace_seconds
        singleton = checked_singleton(asked.singleton, asked.singleton_policy, asked.by, grace)
        request = replace(request, singleton=singleton)
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


def _beginning_child(request: Request) -> Callable[[Engine], Coroutine[Any, Any, BegunChild]]:
    """Start a child run."""
    return lambda engine: engine.child_runs.begin(request)


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


def _none_accepted(_: RecordedWorkflow) -> list[str]:
    return []
