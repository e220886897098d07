"""An executor of the test's: it keeps the calls, and the test answers them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import Any


class Call:
    """A call that was submitted, and runs from the beginning."""

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self.function = function
        self.arguments = arguments
        self.future: Future[Any] = Future()
        self.future.set_running_or_notify_cancel()

    def run(self) -> Any:
        """Run it here, as a worker would, and answer."""
        result = self.function(*self.arguments)
        self.future.set_result(result)
        return result


class ExecutorByHand(Executor):
    """``refusals`` are raised by the next submits. Any thread may take the next call."""

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers
        self.refusals: list[Exception] = []
        self.shutdowns: list[dict[str, Any]] = []
        self._calls: SimpleQueue[Call] = SimpleQueue()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        assert not kwargs
        if self.refusals:
            raise self.refusals.pop(0)
        self._calls.put(call := Call(fn, args))
        return call.future

    def next(self) -> Call:
        """The next call; waits until there is one."""
        return self._calls.get(timeout=60)

    def shutdown(self, *args: Any, **options: Any) -> None:
        assert not args
        self.shutdowns.append(options)
