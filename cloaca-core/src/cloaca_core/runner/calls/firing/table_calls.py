"""Calls that a table of the engine answers, each by the method of its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar

from cloaca_core.runner.calls.call import Call, unchanged

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from cloaca_core._engine.engine import Engine
    from cloaca_core.runner.host import EngineHost

P = ParamSpec("P")
T = TypeVar("T")
TableT = TypeVar("TableT")


class TableCalls(Generic[TableT]):
    """Makes the calls of one runner; ``table`` makes their table, on the engine's loop. Any thread
    may ask.
    """

    def __init__(self, host: EngineHost, table: Callable[[Engine], TableT]) -> None:
        self._host = host
        self._table = table

    def _ask(
        self,
        method: Callable[Concatenate[TableT, P], Coroutine[Any, Any, T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Call[T]:
        """A call of a method of the table."""

        async def answer(engine: Engine) -> T:
            return await method(self._table(engine), *args, **kwargs)

        return Call(lambda: self._host.send(answer), unchanged)
