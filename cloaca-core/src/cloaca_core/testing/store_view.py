"""The database as one engine of a harness sees it: by the virtual clock.

Its loop waits for real while an operation is under way, so no virtual time passes meanwhile. The
database itself is the harness's, which may go on when the engine was killed.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

from cloaca_core.store.changes import Change

if TYPE_CHECKING:
    from cloaca_core.store.protocol import Store
    from cloaca_core.testing.virtual_loop import VirtualLoop
    from cloaca_core.values.clock import Clock


class StoreView:
    """All operations of ``store``, by the time of ``clock``."""

    def __init__(self, store: Store, loop: VirtualLoop, clock: Clock) -> None:
        self._store = store
        self._loop = loop
        self._changed = asyncio.Event()
        self.wall: Callable[[], int] = clock.wall
        self._monotonic = clock.monotonic

    @classmethod
    def of(cls, store: Store, loop: VirtualLoop, clock: Clock) -> Store:
        """The view, as the engine takes it."""
        return cast("Store", cls(store, loop, clock))

    def lease_clock(self) -> int:
        """µs."""
        return round(self._monotonic() * 1e6)

    async def now(self) -> int:
        """As ``wall``."""
        return self.wall()

    async def wait_changed(self) -> Change:
        """Return when the harness says that others may have written."""
        await self._changed.wait()
        self._changed.clear()
        return Change.ANYTHING

    def look(self) -> None:
        """Others may have written."""
        self._changed.set()

    async def close(self) -> None:
        """Leave it open: it is closed by the harness."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if not inspect.iscoroutinefunction(found):
            return found
        operation = self._by_loop(name, found)
        self.__dict__[name] = operation
        return operation

    def _by_loop(
        self, name: str, operation: Callable[..., Awaitable[Any]]
    ) -> Callable[..., Awaitable[Any]]:
        async def call(*args: Any, **options: Any) -> Any:
            with self._loop.real_work(f"the database, which does {name}"):
                return await operation(*args, **options)

        return call
