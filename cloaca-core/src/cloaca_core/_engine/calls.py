"""How a façade waits for the engine: blocking or awaiting, and from where it may.

What the engine raises passes through. A call that the end of the engine cuts short is a
``RunnerClosedError``, and a wait that ends first leaves the run alone.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from typing import TypeVar

from cloaca_core._engine.attempt import CURRENT_JOB, Job
from cloaca_core._engine.engine import CLOSED
from cloaca_core.arguments import number
from cloaca_core.errors import PipelineTimeoutError, RunnerClosedError, RunnerUsageError

T = TypeVar("T")


def checked_timeout(timeout: float | None) -> float | None:
    """How long to wait. Asked before anything is submitted, so that a refusal leaves nothing."""
    return None if timeout is None else min(number("timeout", timeout), threading.TIMEOUT_MAX)


def wait_for(future: concurrent.futures.Future[T], timeout: float | None = None) -> T:
    """The future's result, on a thread that may block. Ctrl-C ends the wait at once."""
    try:
        return future.result(timeout)
    except concurrent.futures.CancelledError:
        raise RunnerClosedError(CLOSED) from None
    except TimeoutError:
        if future.done():
            raise  # the engine's own
        raise PipelineTimeoutError(
            f"no end after {timeout:g} s of waiting; the run goes on"
        ) from None
    finally:
        future.cancel()


async def awaited(future: concurrent.futures.Future[T], timeout: float | None = None) -> T:
    """The future's result, on any loop."""
    try:
        async with asyncio.timeout(timeout) as limit:
            return await asyncio.wrap_future(future)
    except TimeoutError:
        if not limit.expired():
            raise
        raise PipelineTimeoutError(
            f"no end after {timeout:g} s of waiting; the run goes on"
        ) from None
    except asyncio.CancelledError:
        if not future.cancelled() or _is_cancelled_itself():
            raise
        raise RunnerClosedError(CLOSED) from None


def _is_cancelled_itself() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def current_job() -> Job | None:
    """The job whose body calls, if a body does."""
    return CURRENT_JOB.get()


def refuse_blocking_call() -> None:
    """Refuse a blocking call on a loop that runs task bodies: it would block all of them."""
    job = CURRENT_JOB.get()
    if job is None or not job.is_async:
        return
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RunnerUsageError(
        f"task {job.task.id!r} is async: a blocking call would stop all async tasks; "
        "use an AsyncRunner and await the call, or make the task a plain function"
    )
