"""Ways in which a program steers a run, and bodies that wait meanwhile: for scenarios 55 and 56."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any, TypeAlias

import cloaca

WAIT = 60
LONG = 3600.0
WAYS = ("handle", "other runner", "async", "client", "async client")
"""By its runner, or by another program that has opened the database."""

Steer: TypeAlias = Callable[..., cloaca.Steered]


class Gate:
    """Holds bodies in threads until it is opened, and knows what has begun."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.open = threading.Event()
        self.seen: list[str] = []

    def hold(self, _: cloaca.Context) -> None:
        self.begun.set()
        assert self.open.wait(WAIT)


def steer_by(way: str, database_url: str, runner: cloaca.DefaultRunner) -> Steer:
    """A function that steers a run in this way; ``runner`` is the one that executes it."""

    def call(kind_of_act: str, run_id: str, **options: Any) -> cloaca.Steered:
        if way == "handle":
            return steered(runner, kind_of_act, run_id, options)
        if way == "other runner":
            with cloaca.DefaultRunner(database_url, start=False) as other:
                return steered(other, kind_of_act, run_id, options)
        if way == "client":
            with cloaca.Client(database_url) as client:
                return steered(client, kind_of_act, run_id, options)

        async def awaited() -> cloaca.Steered:
            client = cloaca.AsyncClient(database_url)
            other = cloaca.AsyncRunner(database_url, start=False)
            async with client if way == "async client" else other as opened:
                act = getattr(await opened.get_run(run_id), kind_of_act)
                answer: cloaca.Steered = await act(**options)
                return answer

        return asyncio.run(awaited())

    return call


def steered(
    runner: cloaca.Client, kind: str, run_id: str, options: dict[str, Any]
) -> cloaca.Steered:
    answer: cloaca.Steered = getattr(runner.get_run(run_id), kind)(**options)
    return answer


def define(name: str, body: Callable[..., Any], **options: Any) -> None:
    """A workflow of one task ``t``."""
    with cloaca.WorkflowBuilder(name):
        cloaca.task(id="t", **options)(body)


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread or runner does."""
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
