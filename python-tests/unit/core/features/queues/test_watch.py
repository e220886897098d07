"""Queues that nobody serves: one warning for each, and none where a runner serves them."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import pytest
from model.memory_store import MemoryStore

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.engine.orchestrate.served import Served
from cloaca_core.engine.recover.liveness import Liveness
from cloaca_core.engine.recover.process_identity import this_process
from cloaca_core.engine.subjects import Subjects
from cloaca_core.errors import StoreUnavailableError
from cloaca_core.features.queues.watch import QueueWatch
from cloaca_core.store.runner_rows import RunnerRow
from cloaca_testing.conformance.rows import runner


class Store(MemoryStore):
    """The model; it notes when runners are read."""

    def __init__(self) -> None:
        super().__init__()
        self.looks: list[str] = []
        self.away = False

    async def runners(self) -> list[RunnerRow]:
        self.looks.append("runners")
        if self.away:
            raise StoreUnavailableError("away")
        return await super().runners()


class Scene:
    """A program with a workflow that asks for "gpu" and for the usual queue."""

    def __init__(
        self, queues: Mapping[str, int | None] | None = None, *, works: bool = True
    ) -> None:
        self.store = Store()
        self.registry = Registry()
        with WorkflowBuilder("flow", registry=self.registry):
            task(id="a")(lambda context: None)
            task(id="b", queue="gpu")(lambda context: None)
        served, self.subjects = Served(queues), Subjects()
        liveness = Liveness(self.store, this_process())
        self.watch = QueueWatch(
            self.store, served, self.registry, liveness, self.subjects, works=works
        )


async def test_a_runner_names_the_queues_of_its_workflows_that_nobody_serves(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "cloaca")
    scene = Scene({"default": None})

    await scene.watch.look()
    await scene.watch.look()

    assert caplog.messages == ["no living runner serves queue 'gpu': tasks that ask for it wait"]
    assert scene.watch.unserved == ["gpu"]


@pytest.mark.parametrize("queues", ['["gpu"]', None])
async def test_a_living_runner_that_serves_it_ends_that(
    queues: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "cloaca")
    scene = Scene({"default": None})
    await scene.watch.look()
    await scene.store.register(runner("other", queues=queues)._replace(lease_until=10**18))

    await scene.watch.look()
    assert scene.watch.unserved == []

    await scene.store.drain("other")
    await scene.watch.look()
    assert scene.watch.unserved == ["gpu"]
    assert len(caplog.messages) == 2


async def test_a_runner_that_serves_all_reads_nothing() -> None:
    scene = Scene()
    await scene.watch.submits(["gpu", "tape"])
    assert (scene.store.looks, scene.watch.unserved) == ([], ())


async def test_who_submits_looks_once_for_each_queue(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "cloaca")
    scene = Scene(works=False)
    for _ in range(2):
        await scene.watch.submits(["tape"])
    assert len(caplog.messages) == 1
    await scene.store.register(runner("other")._replace(lease_until=10**18))
    await scene.watch.submits(["tape"])
    assert scene.watch.unserved == []

    await scene.watch.submits(["tape"])

    assert scene.store.looks == ["runners"] * 3


async def test_a_database_that_does_not_answer_ends_no_submission() -> None:
    scene = Scene(works=False)
    scene.store.away = True
    await scene.watch.submits(["tape"])
    assert scene.store.looks == ["runners"]
