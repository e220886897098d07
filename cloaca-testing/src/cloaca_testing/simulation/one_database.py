"""Where the operations of the one database of a story run."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class OneDatabase:
    """Where its operations run: each at once and to its end, on the thread of the test. A runner's
    loop stands still meanwhile, so the order of all operations follows from the story. The database
    is in memory and has no thread, so no operation ever waits.
    """

    def do(self, operation: Coroutine[Any, Any, T]) -> T:
        """Run an operation to its end."""
        try:
            operation.send(None)
        except StopIteration as end:
            answer: T = end.value
            return answer
        operation.close()
        raise RuntimeError("an operation of a database without a thread waits")

    async def call(self, operation: Coroutine[Any, Any, T]) -> T:
        return self.do(operation)

    async def quiesce(self) -> None:
        """None is under way."""

    def tell(self, function: Callable[[], object]) -> None:
        function()

    def close(self) -> None:
        """There is nothing to close."""
