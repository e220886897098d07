"""Functions stand in for bodies, whose calls are counted and whose errors are kept."""

from __future__ import annotations

from typing import Any

import pytest
from model.runs import active_run, attempt_of, graph_of
from tables import each_row

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.engine.execute.work import Line
from cloaca_core.errors import BodyCancelled, BodySuspended, ConfigError
from cloaca_testing.stand_ins import StandIns, TaskKey, alone

PLACE = ("r", "t")


def attempt(body: Any = lambda context: None, **options: Any) -> Attempt:
    """An attempt of the task ``t``."""
    return attempt_of(active_run(graph_of(t={"body": body, **options})))


def key_of(made: Attempt) -> TaskKey:
    return TaskKey(made.owner.row.workflow, "t")


def called(stand_ins: StandIns, made: Attempt) -> object:
    """The answer of the function that the attempt calls."""
    stand_ins.apply(made)
    function: Any = made.task.function
    return function(Context())


@each_row("is_async", [False, True])
def test_an_item_stays_in_the_line_of_its_place(is_async: bool) -> None:
    """A harness would wait for ever for the items behind it, which wait in another place."""

    async def later(context: Context, item: int) -> None: ...

    def soon(context: Context, item: int) -> None: ...

    stand_ins, made = StandIns(), attempt()
    made.line = line = Line(lambda: 0)
    stand_ins.replace_of_items(key_of(made), later if is_async else soon, ("item",))
    stand_ins.apply(made)

    assert made.line is (None if is_async else line)


def test_calls_of_bodies_are_counted() -> None:
    stand_ins = StandIns()

    found = [called(stand_ins, attempt(lambda context: {"n": 1})) for _ in range(2)]

    assert (found, stand_ins.calls[PLACE]) == ([{"n": 1}] * 2, 2)


async def test_an_async_function_may_stand_in_for_a_sync_body() -> None:
    stand_ins, made = StandIns(), attempt()

    async def other(context: Context) -> dict[str, int]:
        return {"n": 2}

    stand_ins.replace(key_of(made), other, wants_handle=False)
    coroutine: Any = called(stand_ins, made)

    assert (made.is_async, made.task.is_async) == (True, True)
    assert await coroutine == {"n": 2}


def test_failures_come_in_their_order_before_the_function() -> None:
    stand_ins = StandIns()
    key = key_of(attempt())
    first, second = ValueError("first"), ValueError("second")
    stand_ins.fail(key, first, 2)
    stand_ins.fail(key, second, 1)

    for error in (first, first, second):
        with pytest.raises(ValueError) as raised:
            called(stand_ins, attempt())
        assert raised.value is stand_ins.errors[PLACE] is error
    assert called(stand_ins, attempt()) is None


@each_row(
    ("error", "times", "message"),
    [
        (3, 1, "error must be an exception, got 3"),
        (int, 1, "error must be an exception"),
        (ValueError, 0, "times counts from 1, got 0"),
    ],
)
def test_a_failure_that_cannot_be_is_refused(error: Any, times: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        StandIns().fail(key_of(attempt()), error, times)


def test_retries_have_no_jitter() -> None:
    made = attempt(retry_jitter=True)
    StandIns().apply(made)

    assert made.task.retry.with_jitter is False


def raising(error: BaseException) -> Any:
    def body(context: Context) -> None:
        raise error

    return body


@each_row(
    ("error", "is_kept", "ends_the_test"),
    [
        (ValueError("odd"), True, False),
        (KeyboardInterrupt(), True, True),
        (SystemExit(), True, False),  # a failed attempt, as in a runner
        (BodyCancelled("cancelled"), True, False),
        (BodySuspended("it waits"), False, False),  # it is called again
    ],
)
def test_errors_are_kept_and_those_of_the_test_raised(
    error: BaseException, is_kept: bool, ends_the_test: bool
) -> None:
    stand_ins = StandIns()
    with pytest.raises(type(error)):
        called(stand_ins, attempt(raising(error)))

    assert (stand_ins.errors == {PLACE: error}) is is_kept
    if ends_the_test:
        with pytest.raises(type(error)):
            stand_ins.raise_interruption()
    stand_ins.raise_interruption()  # once


def test_a_task_alone_depends_on_nothing_and_is_tried_once() -> None:
    with WorkflowBuilder("flow", registry=Registry()) as builder:

        @task
        def first(context: Context) -> None: ...

        @task(dependencies=[first], retry_attempts=5, timeout_seconds=7)
        def second(context: Context) -> None: ...

    workflow = builder.workflow
    assert workflow is not None

    made = alone(workflow, "second")

    (only,) = made.tasks
    assert (made.namespace, made.name, only.id) == (workflow.namespace, "flow", "second")
    assert (only.dependencies, only.rule, only.retry.max_attempts) == ((), None, 1)
    assert only.timeout_seconds == 7
