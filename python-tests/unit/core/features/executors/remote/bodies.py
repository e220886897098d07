"""Bodies that a worker finds by name, for the tests beside."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

from cloaca_core.definition.context import Context
from cloaca_core.definition.handles.async_handle import AsyncTaskHandle
from cloaca_core.definition.handles.task_handle import TaskHandle
from cloaca_core.definition.retries.retry_after import RetryAfter
from cloaca_core.errors import BodyCancelled

FACTS = ("run_id", "task_id", "attempt", "epoch", "idempotency_key", "cancelled")


class NotFoundError(LookupError):
    """Cannot be pickled: it is made from other arguments than it is given on."""

    def __init__(self, table: str, key: str) -> None:
        super().__init__(f"{table} has no {key}")
        self.key = key


def changes(context: Context) -> dict[str, Any]:
    context["trail"] = [*context.get("trail", []), "here"]
    context.remove("old")
    return {"value": 1}


async def awaits(context: Context) -> dict[str, Any]:
    await asyncio.sleep(0)
    return {"value": context["value"] + 1}


def tells_facts(context: Context, handle: TaskHandle) -> dict[str, Any]:
    return {name: getattr(handle, name) for name in FACTS}


async def tells_facts_later(context: Context, handle: AsyncTaskHandle) -> dict[str, Any]:
    return {name: getattr(handle, name) for name in FACTS}


def is_told(context: Context, handle: TaskHandle) -> dict[str, Any]:
    """Has its runner tell it to end, and then sees it close."""
    seen = [handle.cancelled]
    file = Path(context["file"])
    file.touch()
    seen.append(handle.cancelled)
    file.unlink()
    file.parent.rmdir()
    return {"seen": [*seen, handle.cancelled]}


def asks(context: Context, handle: TaskHandle) -> None:
    """Calls what only an engine answers."""
    getattr(handle, context["call"])(*context["arguments"])


async def asks_later(context: Context, handle: AsyncTaskHandle) -> None:
    await getattr(handle, context["call"])(*context["arguments"])


def defers(context: Context, handle: TaskHandle) -> None:
    handle.defer_until(lambda: True)


async def defers_later(context: Context, handle: AsyncTaskHandle) -> None:
    await handle.defer_until(lambda: True)


def steps_with_options(context: Context, handle: TaskHandle) -> None:
    handle.with_options(returns=str)


def fails(context: Context) -> None:
    raise NotFoundError("users", "7")


def fails_plainly(context: Context) -> None:
    raise ValueError("bad")


async def fails_later(context: Context) -> None:
    raise ValueError("bad")


def asks_for_another(context: Context) -> None:
    raise RetryAfter(7, count=False)


def asks_because(context: Context) -> None:
    raise RetryAfter(7) from NotFoundError("users", "7")


class UnpicklableError(Exception):
    def __reduce__(self) -> Any:
        raise SystemExit("not to be pickled")


class FrozenError(Exception):
    def with_traceback(self, _: object) -> Any:
        raise RuntimeError("frozen")


class _Nameless(type):
    @property
    def __module__(cls) -> str:  # type: ignore[override]  # as user code may
        raise ValueError("lazy")


class NamelessError(Exception, metaclass=_Nameless):
    pass


def fails_without_pickle(context: Context) -> None:
    raise UnpicklableError("m")


def fails_frozen(context: Context) -> None:
    raise FrozenError("m")


def fails_nameless(context: Context) -> None:
    raise NamelessError("m")


def exits(context: Context) -> None:
    raise SystemExit(3)


def interrupts_itself(context: Context) -> None:
    raise KeyboardInterrupt("by hand")


def cuts_itself_off(context: Context) -> None:
    raise BodyCancelled("by hand")


def is_interrupted(context: Context) -> None:
    signal.raise_signal(signal.SIGINT)


async def is_interrupted_later(context: Context) -> None:
    await asyncio.sleep(0)
    signal.raise_signal(signal.SIGINT)
    await asyncio.sleep(0)


async def is_told_in_a_callback(context: Context) -> dict[str, str]:
    """As when the signal comes while the loop calls something."""
    asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGUSR1)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        if "cleans" not in context:
            raise
    return {"cleaned": context["cleans"]}


async def fails_in_a_callback(context: Context) -> None:
    """Nothing waits for what callbacks raise."""
    asyncio.get_running_loop().call_soon([].pop)
    await asyncio.sleep(0)


def is_cut_off(context: Context) -> None:
    """As the process executor does it."""
    Path(context["file"]).touch()
    raise BodyCancelled("told to end")


def returns_a_number(context: Context) -> Any:
    return 7


def nothing(context: Context) -> None:
    """Does nothing."""


NO_FUNCTION = 7
