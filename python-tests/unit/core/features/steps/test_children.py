"""The runs that a body submits go to the façade of its program, as long as the body goes on."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any, cast

import pytest
from model.runs import active_run, attempt_of, graph_of
from tables import each_row

from cloaca_core.client.async_client import AsyncClient
from cloaca_core.client.client import Client
from cloaca_core.definition.handles.async_handle import AsyncTaskHandle
from cloaca_core.definition.handles.task_handle import TaskHandle
from cloaca_core.definition.submission import Submission, Submissions
from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.engine.execute.children import Children
from cloaca_core.errors import BodyCancelled, RunnerUsageError
from cloaca_core.features.waits.calls import AttemptWaits

ONE, MANY = Submission("w", {"n": 1}), Submissions("w", [None])


class Front:
    """Notes what it is to submit."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def submit(self, attempt: Attempt, asked: Any) -> str:
        self.asked.append((attempt, asked))
        return "handle"

    async def submit_async(self, attempt: Attempt, asked: Any) -> str:
        return self.submit(attempt, asked)

    def submit_many(self, attempt: Attempt, asked: Any) -> list[str]:
        return [self.submit(attempt, asked)]

    async def submit_many_async(self, attempt: Attempt, asked: Any) -> list[str]:
        return [self.submit(attempt, asked)]


def body(front: Front | None) -> tuple[AttemptWaits, Attempt]:
    attempt, children = attempt_of(active_run(graph_of(t={}))), Children()
    children.front = cast(Any, front)
    return AttemptWaits(cast(Any, None), attempt, children), attempt


async def test_all_calls_are_handed_on_with_the_attempt() -> None:
    front = Front()
    calls, attempt = body(front)

    assert calls.submit(ONE) == "handle"
    assert await calls.submit_async(ONE) == "handle"
    assert calls.submit_many(MANY) == ["handle"]
    assert await calls.submit_many_async(MANY) == ["handle"]
    assert front.asked == [(attempt, asked) for asked in (ONE, ONE, MANY, MANY)]


async def test_a_body_that_is_to_end_submits_nothing() -> None:
    front = Front()
    calls, attempt = body(front)
    attempt.abandoned = True

    for call in (calls.submit, calls.submit_many):
        with pytest.raises(BodyCancelled):
            call(cast(Any, MANY))
    for coming in (calls.submit_async, calls.submit_many_async):
        with pytest.raises(asyncio.CancelledError):
            await coming(cast(Any, MANY))
    assert front.asked == []


def test_an_engine_without_a_program_submits_nothing() -> None:
    calls, _ = body(None)

    with pytest.raises(RunnerUsageError, match="no runner was opened for this engine"):
        calls.submit(ONE)


@each_row(("handle", "client"), [(TaskHandle, Client), (AsyncTaskHandle, AsyncClient)])
def test_a_handle_takes_the_options_of_a_client(handle: Any, client: Any) -> None:
    for name in ("submit", "submit_many"):
        there = dict(inspect.signature(getattr(client, name)).parameters)
        there.pop("connection", None)  # a transaction of one's own needs a client

        assert dict(inspect.signature(getattr(handle, name)).parameters) == there
