"""A report of the runner has the keys of the reference, and the state of this moment."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from model.memory_store import MemoryStore
from model.orchestration import PAIR, Scene
from model.quiet import quiet

from cloaca_core.assembly.health import Health
from cloaca_core.engine.execute.usage import Usage
from cloaca_core.engine.recover.runner_id import RunnerId
from cloaca_core.engine.runtime.supervisor import SupervisedLoop
from cloaca_core.engine.submit.held_keys import HeldKeys
from cloaca_core.errors import RunnerClosedError, StoreFullError, StoreUnavailableError
from cloaca_core.run.rows import NewRun
from cloaca_core.store.batch import NO_ROWS, Rows
from cloaca_testing.conformance.rows import new_run

UNSERVED = [{"kind": "run", "workflow": "w", "count": 1}]


class Store(MemoryStore):
    """A transaction of others writes the key of each run that is submitted, and never ends."""

    async def insert_when_free(self, run: NewRun, rows: Rows = NO_ROWS) -> str:
        await asyncio.Event().wait()
        return await super().insert_when_free(run, rows)


class Desk:
    """The parts of a runner that a report is about."""

    def __init__(self) -> None:
        self.scene = Scene()
        self.runner_id = RunnerId("me")
        self.usage: dict[str, Usage] = {}
        self.executor = SimpleNamespace(abandoned=0, usage=lambda: self.usage)
        self.held_keys = HeldKeys(Store())
        self.triggers = SimpleNamespace(failures={})
        self.unserved = SimpleNamespace(report=lambda: UNSERVED)
        self.loop = SupervisedLoop("claim", self._turn)
        self.health = self.health_of(self.runner_id)

    async def _turn(self) -> None:
        raise NotImplementedError

    def health_of(self, runner_id: RunnerId | None) -> Health:
        return Health(
            runner_id=runner_id,
            runs=self.scene.runs,
            capacity=self.scene.capacity,
            executor=cast(Any, self.executor),
            start_marks=self.scene.start_marks,
            journal=self.scene.journal,
            held_keys=self.held_keys,
            triggers=cast(Any, self.triggers),
            unserved=cast(Any, self.unserved),
            queues=cast(Any, SimpleNamespace(unserved=["gpu"])),
            loops=[self.loop],
        )


@pytest.fixture
async def desk() -> Desk:
    return Desk()


async def test_a_runner_that_has_just_begun_has_nothing_to_tell(desk: Desk) -> None:
    assert desk.health.report() == {
        "runner_id": "me",
        "active_runs": 0,
        "running_bodies": 0,
        "abandoned_bodies": 0,
        "executors": {},
        "held_submits": 0,
        "paused": False,
        "journal_error": None,
        "loops": {"claim": {"last_success": None, "error": None}},
        "failing_triggers": {},
        "unserved": UNSERVED,
        "unserved_queues": ["gpu"],
    }


async def test_what_it_does_and_what_fails_is_in_its_own_place(desk: Desk) -> None:
    desk.scene.adopt(PAIR)
    desk.scene.begin()  # the other body waits for a slot
    desk.executor.abandoned = 3
    desk.usage = {"cpu": Usage(4, 2, 5, 1)}
    held = [asyncio.ensure_future(desk.held_keys.insert(new_run(n, key="k"))) for n in "abcd"]
    await quiet()
    desk.scene.capacity.paused = True
    desk.scene.journal.failure = StoreFullError("no space")
    desk.loop.last_success, desk.loop.failure = 1.5, StoreUnavailableError("away")
    desk.triggers.failures = {"t": "ValueError: bad"}

    report = desk.health.report()

    assert report == {
        "runner_id": "me",
        "active_runs": 1,
        "running_bodies": 1,
        "abandoned_bodies": 3,
        "executors": {"cpu": {"slots": 4, "running": 2, "waiting": 5, "abandoned": 1}},
        "held_submits": 4,
        "paused": True,
        "journal_error": "no space",
        "loops": {"claim": {"last_success": 1.5, "error": "away"}},
        "failing_triggers": {"t": "ValueError: bad"},
        "unserved": UNSERVED,
        "unserved_queues": ["gpu"],
    }
    assert json.loads(json.dumps(report)) == report  # a probe can send it
    desk.held_keys.fail_all(RunnerClosedError("over"))
    await asyncio.gather(*held, return_exceptions=True)


async def test_a_client_has_no_id_and_a_runner_that_was_declared_dead_its_new_one(
    desk: Desk,
) -> None:
    desk.runner_id.current = "reborn"

    assert desk.health.report()["runner_id"] == "reborn"
    assert desk.health_of(None).report()["runner_id"] is None
