"""Calls that a table of the engine answers, on the engine's loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from cloaca_core.engine.calls.call import Call, unchanged
from cloaca_core.engine.calls.orders import asker

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from cloaca_core.engine.calls.call import CallerOf

EngineT = TypeVar("EngineT")
T = TypeVar("T")
TableT = TypeVar("TableT")


def table_call(
    caller: CallerOf[EngineT, object],
    table: Callable[[EngineT, str], TableT],
    by: str | None,
    ask: Callable[[TableT], Coroutine[Any, Any, T]],
) -> Call[T]:
    """Call the table that ``table`` makes for the caller ``by``. The table checks the arguments."""
    who = asker(by)

    async def answer(engine: EngineT) -> T:
        return await ask(table(engine, who))

    return caller.act(answer, unchanged)
