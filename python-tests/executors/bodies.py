"""Bodies that run in workers, and their workflows. Workers import this module by name.

A body meets the test at named pipes in the folder that its context names: it says its process in
``inside``, and goes on when something is written to ``go``. So neither needs a clock.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cloaca

LOG = logging.getLogger("app.there")
SECRET = "c4nary-7f3a"  # noqa: S105 - it opens nothing
POLL = 0.01
"""Seconds between two looks of a body at ``handle.cancelled``; there is no way to wait for it."""


def hear_interrupts() -> None:
    """Have a worker handle SIGINT as Python does, even if the tests were started without that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def note(context: cloaca.Context, handle: cloaca.TaskHandle | cloaca.AsyncTaskHandle) -> None:
    """Write this execution of the body down."""
    path = Path(context["folder"], "executions")
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{handle.task_id} {handle.attempt} {os.getpid()}\n")


def pipes(folder: Path) -> dict[str, Any]:
    """A context whose bodies meet the test in this folder."""
    for name in ("inside", "go"):
        os.mkfifo(folder / name)
    return {"folder": str(folder)}


def facts(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, Any]:
    """Everything that a body is told."""
    return {
        "pid": os.getpid(),
        "run_id": handle.run_id,
        "task_id": handle.task_id,
        "attempt": handle.attempt,
        "epoch": handle.epoch,
        "key": handle.idempotency_key,
        "cancelled": handle.cancelled,
    }


async def awaited(context: cloaca.Context, handle: cloaca.AsyncTaskHandle) -> dict[str, Any]:
    """An async body."""
    await asyncio.sleep(0)
    return {"awaited": handle.task_id}


def raising(context: cloaca.Context) -> None:
    """Raise."""
    raise LookupError("nothing here")


def signalling(context: cloaca.Context) -> None:
    """Raise by itself what signals raise."""
    if context["kind"] == "interrupt":
        raise KeyboardInterrupt("by hand")
    raise cloaca.BodyCancelled("by hand")


def telling(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
    """Log a secret, and raise an error with it and another one in its cause."""
    LOG.info("with %s", SECRET)
    handle.progress(1, 2, f"with {SECRET}")
    try:
        raise LookupError(SECRET)
    except LookupError as error:
        raise ValueError(f"no answer with {SECRET}") from error


def meeting(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, Any]:
    """Meet the test the first time; run through afterwards."""
    is_first = not Path(context["folder"], "executions").exists()
    note(context, handle)
    if is_first:
        Path(context["folder"], "inside").write_text(str(os.getpid()), encoding="utf-8")
        Path(context["folder"], "go").read_text(encoding="utf-8")
    return {"met": handle.attempt}


async def waiting(context: cloaca.Context, handle: cloaca.AsyncTaskHandle) -> dict[str, Any]:
    """Say that it is there, and wait for ever the first time, in the midst of an event loop."""
    if handle.attempt == 1:
        await asyncio.to_thread(Path(context["folder"], "inside").write_text, str(os.getpid()))
        await asyncio.Event().wait()
    return {"met": handle.attempt}


def held(context: Mapping[str, Any]) -> None:
    """Meet the test; no body, but a call of another user of the executor."""
    Path(context["folder"], "inside").write_text(str(os.getpid()), encoding="utf-8")
    Path(context["folder"], "go").read_text(encoding="utf-8")


def logging_(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
    """Log, wait for the test, and log again."""
    LOG.info("first of %d", 2)
    handle.progress(1, 2, "half")
    Path(context["folder"], "go").read_text(encoding="utf-8")
    handle.log("second", process=os.getpid())


def poison(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
    """Kill the worker, each time."""
    note(context, handle)
    os.kill(os.getpid(), signal.SIGKILL)


def killer(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
    """Meet the test and kill the worker, each time."""
    Path(context["folder"], "inside").write_text(str(os.getpid()), encoding="utf-8")
    os.kill(os.getpid(), signal.SIGKILL)


def enduring(context: cloaca.Context) -> None:
    """Go on until there is a file ``end``, however often it begins."""
    while not Path(context["folder"], "end").exists():
        time.sleep(POLL)


def heeding(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
    """Go on until told to end, and say that it ended."""
    Path(context["folder"], "inside").write_text(str(os.getpid()), encoding="utf-8")
    while not handle.cancelled:
        time.sleep(POLL)
    Path(context["folder"], "go").read_text(encoding="utf-8")


def passing(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
    """Only be written down."""
    note(context, handle)


def lasting(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
    """Go on until the time is over."""
    while not handle.cancelled:
        time.sleep(POLL)


def converting(context: cloaca.Context, item: str, handle: cloaca.TaskHandle) -> dict[str, Any]:
    """What the body of an item is told."""
    if item == "bad":
        raise ValueError("no such file")
    return {
        **facts(context, handle),
        "item": item,
        "index": handle.index,
        "label": handle.label,
        "count": handle.item_count,
        "shared": context["shared"],
    }


async def converting_async(
    context: cloaca.Context, *, handle: cloaca.AsyncTaskHandle, item: str
) -> list[Any]:
    """The same, async, with its parameters in another order."""
    await asyncio.sleep(0)
    return [item, handle.index, context["shared"]]


def registry() -> cloaca.Registry:
    """The workflows: one task each, but for ``several``, which has one in each way to run."""
    made = cloaca.Registry()
    with cloaca.WorkflowBuilder("mapped", registry=made):
        files: dict[str, Any] = {"map": "files", "executor": "there", "retry_attempts": 1}
        cloaca.task(id="each", item_policy="collect", **files)(converting)
        cloaca.task(id="awaited", **files)(converting_async)
    with cloaca.WorkflowBuilder("several", registry=made):
        told = cloaca.task(id="told", executor="there")(facts)
        other = cloaca.task(id="other", executor="there", dependencies=[told])(awaited)
        cloaca.task(id="here", dependencies=[other])(lambda context: {"here": os.getpid()})
    with cloaca.WorkflowBuilder("as_long", registry=made):
        cloaca.task(id="t", timeout_seconds=2.5, retry_attempts=1)(lasting)
    for name, body, options in (
        ("raising", raising, {"retry_attempts": 1}),
        ("signalling", signalling, {"retry_attempts": 2, "retry_delay_ms": 1}),
        ("telling", telling, {"retry_attempts": 1}),
        ("meeting", meeting, {}),
        ("waiting", waiting, {}),
        ("logging", logging_, {}),
        ("poison", poison, {}),
        ("killer", killer, {}),
        ("enduring", enduring, {}),
        ("heeding", heeding, {}),
        ("deaf", meeting, {"timeout_seconds": 2.0, "retry_attempts": 2, "retry_delay_ms": 1}),
        ("limited", heeding, {"timeout_seconds": 1.0, "retry_attempts": 1}),
        ("brief", passing, {"timeout_seconds": 2.0, "retry_attempts": 1}),
        ("passing", passing, {}),
    ):
        with cloaca.WorkflowBuilder(name, registry=made):
            cloaca.task(id="t", executor="there", **options)(body)
    return made
