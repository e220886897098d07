"""Sends submissions within a span, if the program traces."""

from __future__ import annotations

import concurrent.futures
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from cloaca_core.definition.registry import Unregistered
from cloaca_core.values.namespace import short_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloaca_core.engine.submit.request import Request
    from cloaca_core.run.watcher import SubmitSpan, SubmitTracer

A = TypeVar("A")

FORK: Final = "fork"
"""The name of the span of a fork."""


def name_of(request: Request) -> str:
    """The name of the span of a submission."""
    workflow = request.workflow
    name = workflow.name if isinstance(workflow, Unregistered) else workflow.namespace
    return f"submit {short_name(name)}"


def is_attached(request: Request) -> bool:
    """Whether a body submits, and the run shares the fate of the body's run."""
    return request.parent is not None and not request.start.detached


def traced(
    tracer: SubmitTracer | None,
    name: str,
    send: Callable[[str | None], concurrent.futures.Future[A]],
    *,
    read: Callable[[A], str | None],
    within: bool = False,
    runs: int = 1,
) -> concurrent.futures.Future[A]:
    """Send a submission, with what its rows name as their trace; ``read`` gets the id of its run
    from the answer.
    """
    if tracer is None:
        return send(None)
    span = tracer.begin(name, within=within, runs=runs)
    return _followed(span, send, read)


def executed(
    tracer: SubmitTracer | None,
    request: Request,
    accepted: Callable[[str], None],
    send: Callable[[Request, Callable[[str], None]], concurrent.futures.Future[A]],
) -> concurrent.futures.Future[A]:
    """Send a submission whose answer is the end of its run; its span ends when it is accepted."""
    if tracer is None:
        return send(request, accepted)
    span = tracer.begin(name_of(request), within=True)

    def heard(run_id: str) -> None:
        span.accepted(run_id)
        accepted(run_id)

    return _followed(
        span, lambda trace: send(replace(request, trace=trace), heard), read=lambda _: None
    )


def _followed(
    span: SubmitSpan,
    send: Callable[[str | None], concurrent.futures.Future[A]],
    read: Callable[[A], str | None],
) -> concurrent.futures.Future[A]:
    """Send within a span, which ends with the answer."""
    try:
        future = send(span.trace)
    except BaseException as error:
        span.failed(error)
        raise

    def end(done: concurrent.futures.Future[A]) -> None:
        if done.cancelled():
            span.failed(concurrent.futures.CancelledError())
        elif (error := done.exception()) is not None:
            span.failed(error)
        else:
            span.accepted(read(done.result()))

    future.add_done_callback(end)
    return future


def first(answer: tuple[str, bool]) -> str:
    """The id of the run, from the answer to a submission."""
    return answer[0]


def only(answer: list[str]) -> str | None:
    """The id of the run, from the answer to a submission of one or many."""
    return answer[0] if len(answer) == 1 else None


def stamped(tracer: SubmitTracer, request: Request) -> Request:
    """A request whose run its caller writes. Its span ends at once: the write is not seen here."""
    span = tracer.begin(name_of(request), within=is_attached(request))
    span.accepted(None)
    return replace(request, trace=span.trace)
