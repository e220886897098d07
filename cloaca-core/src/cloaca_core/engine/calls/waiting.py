"""Waits of a façade for the engine, blocking or awaiting. Refuses a wait that would block the
engine.

Errors of the engine are passed on. A call that is cut short when the engine ends raises
``RunnerClosedError``. The end of a wait does not change the run.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Sequence
from typing import TypeVar

from cloaca_core.engine.calls.user_code import calling_work
from cloaca_core.engine.runtime.loop_care import wake_timer
from cloaca_core.engine.runtime.thread_calls import CallFuture
from cloaca_core.errors import (
    SHUT_DOWN,
    BodyCancelled,
    PipelineTimeoutError,
    RunnerClosedError,
    RunnerUsageError,
)
from cloaca_core.values.arguments import number

T = TypeVar("T")


def checked_timeout(timeout: float) -> float:
    """A checked timeout. Called before anything is submitted, so that a refusal leaves nothing
    behind.
    """
    return min(number("timeout", timeout), threading.TIMEOUT_MAX)


def wait_for(
    future: concurrent.futures.Future[T], timeout: float | None = None, run: Sequence[str] = ()
) -> T:
    """The future's result, on a thread that may block. Ctrl-C ends the wait at once.

    ``run`` holds the id of the run that is waited for, as soon as it is known. If a body's wait
    times out, the body continues when it has its slot again.
    """
    try:
        return future.result(timeout)
    except concurrent.futures.CancelledError:
        raise RunnerClosedError(SHUT_DOWN) from None
    except TimeoutError:
        if not future.cancel():  # the engine raised it, or the end came at the last moment
            return future.result()
        if calling_work() is not None and isinstance(future, CallFuture):
            future.join()
        raise no_end(timeout, run) from None
    finally:
        future.cancel()


async def awaited(
    future: concurrent.futures.Future[T], timeout: float | None = None, run: Sequence[str] = ()
) -> T:
    """The future's result, on any loop; ``run`` as in ``wait_for``. A coroutine whose run is being
    cancelled gets ``CancelledError``.
    """
    if future.done():  # also for a timeout of 0, which would end before a loop's next step
        return wait_for(future)
    try:
        async with asyncio.timeout(timeout) as limit:
            with wake_timer():
                return await asyncio.wrap_future(future)
    except TimeoutError:
        if not limit.expired():
            raise
        raise no_end(timeout, run) from None
    except BodyCancelled as signal:
        raise asyncio.CancelledError(str(signal)) from None
    except asyncio.CancelledError:
        if not future.cancelled() or _is_cancelled_itself():
            raise
        raise RunnerClosedError(SHUT_DOWN) from None


def no_end(timeout: float | None, run: Sequence[str]) -> PipelineTimeoutError:
    """The error for a wait that ended before the run."""
    waited = f"after {timeout} s of waiting"
    if not run:
        message = f"no answer {waited}: it is not known whether the run was accepted"
        return PipelineTimeoutError(message, timeout=timeout)
    message = f"no end {waited}; run {run[0]} goes on"
    return PipelineTimeoutError(message, run_id=run[0], timeout=timeout)


def _is_cancelled_itself() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def raise_if_cancelled(*, writes: bool = False) -> None:
    """Raise ``BodyCancelled`` in a body whose run is being cancelled, ``CancelledError`` in a
    coroutine. Refuse a call that ``writes`` in a transactional body.
    """
    work = calling_work()
    if work is None:
        return
    if writes and work.attempt.task.transactional and work is work.attempt:
        raise not_in_transaction(work.attempt.task.id, "this call")
    if not work.attempt.cancelled:
        return
    message = f"run {work.attempt.owner.id} is being cancelled"
    raise asyncio.CancelledError(message) if work.is_async else BodyCancelled(message)


def not_in_transaction(task_id: str, call: str) -> RunnerUsageError:
    """Make the error for a call that would write beside the transaction of a body, or wait in it;
    the caller raises it.
    """
    return RunnerUsageError(
        f"task {task_id!r} is transactional: {call} is not part of its transaction. Write by "
        "handle.connection, or give submit and send connection=handle.connection; everything else "
        "belongs into a task before or after it"
    )


def refuse_blocking_call(*, writes: bool = False) -> None:
    """Refuse a blocking call on a loop that runs task bodies, as it would block all of them, a call
    of a body whose run is being cancelled, and one that ``writes`` in a transactional body.
    """
    work = calling_work()
    if work is None:
        return
    raise_if_cancelled(writes=writes)
    if not work.is_async:
        return
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RunnerUsageError(
        f"task {work.attempt.task.id!r} is async: a blocking call would stop all async tasks; "
        "use an AsyncRunner and await the call, or make the task a plain function"
    )
