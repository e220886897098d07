"""Changes which loop counts as the running one on this thread.

A test, or an application under test, may have a loop that runs while it calls the harness, and
asyncio refuses to run another one on the same thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def beside_running_loop() -> Iterator[None]:
    """Within, another loop may run on this thread, although a test's own loop does already."""
    outer = asyncio._get_running_loop()
    if outer is None:
        yield
        return
    swap: Callable[[Any, Any], Any] = getattr(asyncio.tasks, "_swap_current_task", _keep)
    task = swap(outer, None)
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(outer)
        swap(outer, task)


@contextmanager
def as_if_running(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Within, code takes this loop for the running one. It does not run."""
    with beside_running_loop():
        asyncio._set_running_loop(loop)
        try:
            yield
        finally:
            asyncio._set_running_loop(None)


def _keep(_: object, task: object) -> object:
    """Before Python 3.12 each loop has a current task of its own."""
    return task
