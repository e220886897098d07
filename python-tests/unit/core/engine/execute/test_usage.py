"""Each executor tells how its slots are used: free, by bodies that count, by abandoned ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Executor as Futures, Future
from queue import SimpleQueue
from typing import Any

import pytest
from model.quiet import threads_end
from model.runs import active_run, attempt_of, graph_of

from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.engine.execute.executor import Executor
from cloaca_core.engine.execute.usage import Usage
from cloaca_core.features.executors.lazy_pools import LazyPools
from cloaca_core.features.executors.remote.answer import Answer
from cloaca_core.features.executors.supply import Supply


class Unanswered(Futures):
    """Keeps its calls until the test answers them; they cannot be cancelled."""

    def __init__(self) -> None:
        self.calls: SimpleQueue[Future[Any]] = SimpleQueue()

    def submit(self, *_: Any, **__: Any) -> Future[Any]:
        call: Future[Any] = Future()
        call.set_running_or_notify_cancel()
        self.calls.put(call)
        return call


class Scene:
    """An executor ``cpu`` of two slots."""

    def __init__(self) -> None:
        self.futures = Unanswered()
        supply = Supply("cpu", self.futures, slots=2)
        supply.open()
        loop = asyncio.get_running_loop()
        self.executor = Executor(1, 1, loop, pools=LazyPools([supply], loop))

    def start(self, executor: str = "cpu") -> tuple[Attempt, asyncio.Event]:
        """An attempt that was sent there, and the event of its report."""
        run = active_run(graph_of(t={"executor": executor}))
        pool = self.executor.pool(executor)
        assert pool is not None
        ended = asyncio.Event()
        attempt = attempt_of(run, make=pool.attempt, finished=lambda _: ended.set())
        self.executor.submit(attempt)
        return attempt, ended

    async def call(self) -> Future[Any]:
        """The next call that has come to the executor."""
        return await asyncio.to_thread(self.futures.calls.get)

    @property
    def usage(self) -> Usage:
        return self.executor.usage()["cpu"]


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    scene.executor.close()
    await threads_end("cloaca-body")


async def test_bodies_that_run_and_bodies_that_wait(scene: Scene) -> None:
    assert scene.usage == Usage(slots=2, running=0, waiting=0, abandoned=0)
    started = [scene.start() for _ in range(3)]
    calls = [await scene.call() for _ in range(2)]

    assert scene.usage == Usage(slots=2, running=2, waiting=1, abandoned=0)
    calls.append(await _answered(scene, calls.pop(0)))
    assert scene.usage == Usage(slots=2, running=2, waiting=0, abandoned=0)
    for call in calls:
        _answer(call)
    for _, ended in started:
        await ended.wait()


async def test_a_body_that_was_given_up_keeps_its_slot(scene: Scene) -> None:
    attempt, _ = scene.start()
    call = await scene.call()
    scene.executor.abandon(attempt)

    assert scene.usage == Usage(slots=2, running=0, waiting=0, abandoned=1)
    _answer(call)


async def test_one_that_the_runner_was_not_given_has_no_slots(scene: Scene) -> None:
    assert (scene.executor.lacks("gpu"), scene.executor.lacks("cpu")) == (True, False)
    assert list(scene.executor.usage()) == ["cpu"]
    _, ended = scene.start("gpu")
    await ended.wait()

    assert scene.executor.usage()["gpu"] == Usage(slots=0, running=0, waiting=0, abandoned=0)


async def test_without_executors_there_is_nothing_to_tell() -> None:
    executor = Executor(1, 1, asyncio.get_running_loop())

    assert executor.usage() == {}
    executor.close()


async def _answered(scene: Scene, call: Future[Any]) -> Future[Any]:
    """Answer a call; the one that follows it."""
    _answer(call)
    return await scene.call()


def _answer(call: Future[Any]) -> None:
    call.set_result(Answer(change='{"set":{},"removed":[]}'))
