"""Bodies on executors, for the runners that process tests start. The executors' workers import it.

Each notes itself in the ledger and tells the test its process, on the stdout of its runner. Those
that wait do so at the pipe ``release`` beside the ledger, so that one opening lets all of them go.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import cloaca
import cloaca.executors

LEDGER = Path(os.environ["CLOACA_TEST_LEDGER"])

cpu = cloaca.executors.process(workers=3)


def pool() -> Executor:
    """One of the standard library's, that breaks with all calls."""
    return ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn"))


def threads() -> Executor:
    """One whose bodies run in the process of the runner."""
    return ThreadPoolExecutor(3)


def define(registry: cloaca.Registry) -> None:
    """A workflow of one task for each body."""
    for body in (quick, falls, waits, waits_async, lasts, goes_on, poison, busy):
        with cloaca.WorkflowBuilder(body.__name__, registry=registry):
            cloaca.task(id="t", executor="cpu", retry_attempts=1)(body)


def _note(handle: cloaca.TaskHandle | cloaca.AsyncTaskHandle) -> None:
    line = f"{handle.run_id} t {handle.attempt} {handle.epoch} {os.getpid()}\n"
    with LEDGER.open("ab", buffering=0) as ledger:
        ledger.write(line.encode())


def _say(word: str) -> None:
    """One line, whole even if several processes speak."""
    os.write(sys.__stdout__.fileno() if sys.__stdout__ else 1, f"{word} {os.getpid()}\n".encode())


def _await_release() -> None:
    LEDGER.with_name("release").read_bytes()


def quick(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, int]:
    _note(handle)
    return {"attempt": handle.attempt}


def falls(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, int]:
    """Waits in its first attempt to be killed."""
    _note(handle)
    if handle.attempt == 1:
        _say("falling")
        while True:
            signal.pause()
    return {"attempt": handle.attempt}


def waits(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, int]:
    _note(handle)
    _say("waiting")
    _await_release()
    return {"attempt": handle.attempt}


async def waits_async(context: cloaca.Context, handle: cloaca.AsyncTaskHandle) -> dict[str, int]:
    _note(handle)
    _say("waiting")
    _await_release()
    return {"attempt": handle.attempt}


def lasts(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, int]:
    """Goes on until there is a file ``end`` beside the ledger, however often it begins."""
    _note(handle)
    _say("lasting")
    while not LEDGER.with_name("end").exists():
        time.sleep(0.01)
    return {"attempt": handle.attempt}


def goes_on(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
    """Ends by no exception."""
    _note(handle)
    _say("going-on")
    while True:
        try:
            signal.pause()
        except cloaca.BodyCancelled:
            continue


def poison(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
    _note(handle)
    _say("poison")
    os.kill(os.getpid(), signal.SIGKILL)


def busy(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, int]:
    """Work that takes so long that a signal may come in its midst."""
    _note(handle)
    _say("busy")
    time.sleep(0.05)
    return {"attempt": handle.attempt}
