"""Bodies that the workers of an executor import, for scenario 62. Each runs on threads as well."""

from __future__ import annotations

import asyncio
import os
import re
import time
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import cloaca

FACTS = ("run_id", "task_id", "attempt", "epoch", "idempotency_key", "cancelled")


class BusyError(Exception):
    """The user's own. It comes back to the runner, for a retry condition to judge."""


class RowError(LookupError):
    """As ``BusyError``, but no pickle brings it back."""

    def __init__(self, table: str, *, key: int) -> None:
        super().__init__(f"{table} has no {key}")


class Jobs:
    """A place for a function with a dotted name."""

    @staticmethod
    def returns(context: cloaca.Context) -> dict[str, Any]:
        return {"n": context["n"] + 1}


def pool() -> Executor:
    """Found by its import path."""
    return ThreadPoolExecutor(3)


def sets(context: cloaca.Context) -> None:
    context["n"] = context["n"] + 1
    context.update_from_dict({"nested": {"ü": [1, 2.5, None, True]}})


def removes(context: cloaca.Context) -> None:
    context.remove("n")


def returns_another(context: cloaca.Context) -> cloaca.Context:
    return cloaca.Context({"other": context["n"]})


async def awaits(context: cloaca.Context) -> dict[str, Any]:
    await asyncio.sleep(0)
    return {"n": context["n"] + 1}


async def awaits_and_fails(context: cloaca.Context, handle: cloaca.AsyncTaskHandle) -> None:
    raise BusyError(f"attempt {handle.attempt}")


def tells_facts(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, Any]:
    return {"facts": {name: getattr(handle, name) for name in FACTS}}


def tells_process(context: cloaca.Context) -> dict[str, int]:
    return {"pid": os.getpid()}


def returns_a_number(context: cloaca.Context) -> Any:
    return 7


def returns_no_json(context: cloaca.Context) -> dict[str, Any]:
    return {"n": object()}


def returns_much(context: cloaca.Context) -> dict[str, Any]:
    return {"text": "x" * 20_000}


def fails(context: cloaca.Context, handle: cloaca.TaskHandle) -> NoReturn:
    raise ValueError(f"attempt {handle.attempt}")


def fails_twice(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, int]:
    if handle.attempt <= 2:
        raise BusyError(f"attempt {handle.attempt}")
    return {"attempt": handle.attempt}


def fails_without_pickle(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, int]:
    if handle.attempt <= 2:
        raise RowError("users", key=handle.attempt)
    return {"attempt": handle.attempt}


def fails_with_a_class_of_its_own(
    context: cloaca.Context, handle: cloaca.TaskHandle
) -> dict[str, int]:
    """As clients of web services do, which make classes of errors when they meet them."""
    kind = type("ThrottledError", (BusyError, ConnectionError), {"__module__": "made.up"})
    if handle.attempt <= 2:
        raise kind("slow down")
    return {"attempt": handle.attempt}


def fails_for_a_cause(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, int]:
    if handle.attempt <= 2:
        try:
            raise RowError("users", key=handle.attempt)
        except RowError:
            try:
                raise OSError("disk")
            except OSError as error:
                raise ValueError("no answer") from error
    return {"attempt": handle.attempt}


def exits(context: cloaca.Context) -> None:
    raise SystemExit(3)


def interrupts_itself(context: cloaca.Context) -> None:
    raise KeyboardInterrupt("by hand")


async def interrupts_itself_later(context: cloaca.Context) -> None:
    await asyncio.sleep(0)
    raise KeyboardInterrupt("by hand")


def cuts_itself_off(context: cloaca.Context) -> None:
    raise cloaca.BodyCancelled("by hand")


def asks(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, int]:
    """For another attempt: first one that counts, then one that does not, for a reason."""
    if handle.attempt == 1:
        raise cloaca.RetryAfter(0.001)
    if handle.attempt == 2:
        raise cloaca.RetryAfter(0.001, count=False) from RowError("users", key=2)
    return {"attempt": handle.attempt}


def asks_in_vain(context: cloaca.Context) -> None:
    raise cloaca.RetryAfter(0.001, cause=BusyError("busy"))


def calls_step(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
    handle.step("name", int, 7)


def calls_submit(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
    handle.submit("calls")


def calls_sleep(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
    handle.sleep(1)


async def calls_wait_for(context: cloaca.Context, handle: cloaca.AsyncTaskHandle) -> None:
    await handle.wait_for("mail")


def calls_sleep_until(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
    handle.sleep_until(datetime(2100, 1, 1, tzinfo=UTC))


def calls_defer_until(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
    handle.defer_until(lambda: True)


def calls_with_options(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
    handle.with_options(returns=int).step("name", int, 7)


def holds(context: cloaca.Context) -> None:
    """Tells its process by one pipe, and ends when the other says so."""
    Path(context["told"]).write_text(str(os.getpid()))
    Path(context["go"]).read_text()


def looks_at_its_handle(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, bool]:
    """Tells its process, and ends by itself once its handle says so."""
    Path(context["told"]).write_text(str(os.getpid()))
    while not handle.cancelled:
        time.sleep(0.001)
    return {"ended": True}


def cleans_up(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, bool]:
    """Tells its process, and does something more after the signal to end."""
    try:
        Path(context["told"]).write_text(str(os.getpid()))
        time.sleep(3600)
    except cloaca.BodyCancelled:
        return {"cancelled": handle.cancelled}
    raise AssertionError("no signal has come")


async def cleans_up_later(
    context: cloaca.Context, handle: cloaca.AsyncTaskHandle
) -> dict[str, bool]:
    """As ``cleans_up``, and awaits something more."""
    try:
        await asyncio.to_thread(Path(context["told"]).write_text, str(os.getpid()))
        await asyncio.sleep(3600)
    except (asyncio.CancelledError, cloaca.BodyCancelled):
        await asyncio.sleep(0)
        return {"cancelled": handle.cancelled}
    raise AssertionError("no signal has come")


def keeps_the_lock(context: cloaca.Context) -> None:
    """As ``sleeps``, and lets no other thread of its process run."""
    re.match("(a+)+$", "a" * 64 + "b")


def sleeps(context: cloaca.Context) -> None:
    """Tells nothing, and sleeps."""
    time.sleep(3600)


def lets_itself_be_ended(context: cloaca.Context) -> None:
    """Tells its process, and sleeps until a signal ends it."""
    Path(context["told"]).write_text(str(os.getpid()))
    time.sleep(3600)


def goes_on(context: cloaca.Context) -> None:
    """Tells its process, and then that it does not heed the signal to end."""
    word = str(os.getpid())
    while True:
        try:
            Path(context["told"]).write_text(word)
            time.sleep(3600)
        except cloaca.BodyCancelled:
            word = "told"


def notes(context: cloaca.Context) -> None:
    """Writes its name down, after those of earlier bodies."""
    with Path(context["file"]).open("a") as file:
        file.write(context["name"] + "\n")
