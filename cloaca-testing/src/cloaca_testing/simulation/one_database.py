"""Where the operations of the one database of a story run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from cloaca_testing.running_loops import beside_running_loop

T = TypeVar("T")


class OneDatabase:
    """Where its operations run: on a loop of its own, each at once and to its end. A runner's loop
    stands still meanwhile, so the order of all operations follows from the story.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()

    def do(self, operation: Coroutine[Any, Any, T]) -> T:
        """Run an operation to its end."""
        with beside_running_loop():
            return self._loop.run_until_complete(operation)

    async def call(self, operation: Coroutine[Any, Any, T]) -> T:
        return self.do(operation)

    async def quiesce(self) -> None:
        """None is under way."""

    def tell(self, function: Callable[[], object]) -> None:
        function()

    def close(self) -> None:
        self._loop.close()
