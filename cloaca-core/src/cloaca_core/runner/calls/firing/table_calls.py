"""Calls that a table of the engine answers, each by the method of its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar

from cloaca_core.runner.calls.call import Call, unchanged
from cloaca_core.runner.calls.orders import asker

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from cloaca_core._engine.engine import Engine
    from cloaca_core.runner.host import EngineHost

P = ParamSpec("P")
T = TypeVar("T")
TableT = TypeVar("TableT")


class TableCalls(Generic[TableT]):
    """Makes the calls of one runner; ``table`` makes the table that one who asks has, on the
    engine's loop. Any thread may ask.
    """

    def __init__(self, host: EngineHost, table: Callable[[Engine, str], TableT]) -> None:
        self._host = host
        self._table = table

    def _ask(
        self,
        method: Callable[Concatenate[TableT, P], Coroutine[Any, Any, T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Call[T]:
        """A call of a method of the table that changes nothing."""
        return self._ask_as(None, method, *args, **kwargs)

    def _ask_as(
        self,
        by: str | None,
        method: Callable[Concatenate[TableT, P], Coroutine[Any, Any, T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Call[T]:
        """A call of a method of the table, for one who asks."""
        who = asker(by)

        async def answer(engine: Engine) -> T:
            return await method(self._table(engine, who), *args, **kwargs)

        return Call(lambda: self._host.send(answer), unchanged)
