"""Watches a run: another snapshot of it each time that something has changed, until it is over.

Each step of a watch is a call that waits on the engine's loop for a notice of a change, and reads
anew then. It ends with a snapshot that differs from the one before, so a notice of something else
goes unseen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from cloaca_core.engine.calls.call import Call
from cloaca_core.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from cloaca_core.assembly.engine import Engine
    from cloaca_core.assembly.host import EngineHost

A = TypeVar("A")
T_co = TypeVar("T_co", covariant=True)


class Watch(Generic[T_co]):
    """Snapshots, for ``for`` and for ``async for``. The first comes at once, the last one shows the
    end. A slow caller misses snapshots in between. For one caller at a time.

    * ``read`` reads the facts on the engine's loop
    * ``told`` is the part of them in which a change counts
    * ``shape`` makes the snapshot of the facts, on the caller's thread
    * ``is_over`` says of the facts that no others will come
    """

    def __init__(
        self,
        host: EngineHost,
        read: Callable[[Engine], Coroutine[Any, Any, A]],
        told: Callable[[A], object],
        shape: Callable[[A], T_co],
        is_over: Callable[[A], bool],
    ) -> None:
        # Only these four get the facts, so their type is not kept.
        self._host = host
        self._read: Callable[[Engine], Coroutine[Any, Any, Any]] = read
        self._told: Callable[[Any], object] = told
        self._shape: Callable[[Any], T_co] = shape
        self._is_over: Callable[[Any], bool] = is_over
        self._last: object = None
        self._has_ended = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T_co:
        if self._has_ended:
            raise StopIteration
        return self._step().wait()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T_co:
        if self._has_ended:
            raise StopAsyncIteration
        return await self._step()

    def _step(self) -> Call[T_co]:
        return Call(lambda: self._host.send(self._next), self._taken)

    async def _next(self, engine: Engine) -> Any:
        """The next facts that differ from the last ones; runs on the engine's loop."""
        with engine.watchers.listening() as notices:
            while True:
                try:
                    facts = await self._read(engine)
                except StoreError:
                    notices.refuse_closed()  # it was closed meanwhile
                    raise
                if self._last is None or self._told(facts) != self._last:
                    return facts
                await notices.next()

    def _taken(self, facts: Any) -> T_co:
        self._last = self._told(facts)
        self._has_ended = self._is_over(facts)
        return self._shape(facts)
