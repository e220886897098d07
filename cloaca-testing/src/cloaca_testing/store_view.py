"""The database as one engine of a harness sees it: by the virtual clock.

Its loop waits for real while an operation is under way, so no virtual time passes meanwhile. The
database itself is the harness's, which goes on when an engine is killed.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, cast

from cloaca_core.engine.runtime.loop_thread import LoopThread
from cloaca_core.store.changes import Change

if TYPE_CHECKING:
    from cloaca_core.assembly.store import Store
    from cloaca_core.values.times.clock import Clock
    from cloaca_testing.virtual_loop import VirtualLoop

T = TypeVar("T")

ENDLESS: Final = frozenset({"insert_when_free"})
"""Operations that may wait for a transaction of the test."""


class Place(Protocol):
    """Where the operations of a database run."""

    async def call(self, operation: Coroutine[Any, Any, T]) -> T:
        """Run an operation to its end."""

    async def quiesce(self) -> None:
        """Return when the operations of an engine that was killed have ended."""

    def tell(self, function: Callable[[], object]) -> None:
        """Call a function of the database that returns at once."""

    def close(self) -> None:
        """The database has been closed."""


class OwnLoop:
    """The loop of the engine that asks: for a database in memory, which knows no time, and whose
    operations are short.
    """

    async def call(self, operation: Coroutine[Any, Any, T]) -> T:
        return await operation

    async def quiesce(self) -> None:
        """Its thread does one operation after the other."""

    def tell(self, function: Callable[[], object]) -> None:
        function()

    def close(self) -> None:
        """The loop is the engine's."""


class OwnThread:
    """A loop in real time on a thread of its own, for all others: they listen, look at their
    sessions now and then, and try again after a pause.
    """

    def __init__(self) -> None:
        self._thread = LoopThread()
        self._thread.start()
        self._under_way: set[concurrent.futures.Future[Any]] = set()

    async def call(self, operation: Coroutine[Any, Any, T]) -> T:
        answer = self._thread.submit(operation)
        self._under_way.add(answer)
        answer.add_done_callback(self._under_way.discard)
        return await asyncio.wrap_future(answer)

    async def quiesce(self) -> None:
        if self._under_way:
            await asyncio.wait([asyncio.wrap_future(each) for each in list(self._under_way)])

    def tell(self, function: Callable[[], object]) -> None:
        self._thread.loop.call_soon_threadsafe(function)

    def close(self) -> None:
        self._thread.stop()


class StoreView:
    """All operations of ``store``, by the time of ``clock``, one after the other: the order in
    which several at once would end is another one each time.
    """

    def __init__(self, store: Store, place: Place, loop: VirtualLoop, clock: Clock) -> None:
        self._store = store
        self._place = place
        self._loop = loop
        self._changed = asyncio.Event()
        self._turn = asyncio.Lock()
        self.wall: Callable[[], int] = clock.wall
        self._monotonic = clock.monotonic

    @classmethod
    def of(cls, store: Store, place: Place, loop: VirtualLoop, clock: Clock) -> Store:
        """The view, as the engine takes it."""
        return cast("Store", cls(store, place, loop, clock))

    def together(self) -> StoreView:
        """The same: here each operation has a turn of its own."""
        return self

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

    def set_watched(self, *, watched: bool) -> None:
        """Do nothing: the driver tells of every change."""

    def set_contended(self, *, contended: bool) -> None:
        """As the store's."""
        self._place.tell(lambda: self._store.set_contended(contended=contended))

    def on_connected(self, connected: Callable[[], None]) -> None:
        """Do nothing: connections open in real time."""

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
        self, name: str, operation: Callable[..., Coroutine[Any, Any, Any]]
    ) -> Callable[..., Awaitable[Any]]:
        async def call(*args: Any, **options: Any) -> Any:
            with self._loop.real_work(f"the database, which does {name}"):
                return await self._place.call(operation(*args, **options))

        async def call_in_turn(*args: Any, **options: Any) -> Any:
            async with self._turn:
                return await call(*args, **options)

        return call if name in ENDLESS else call_in_turn
