"""The watch over work that no runner takes up: one warning, few looks, and ``health``."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import pytest
from model.hand_clock import HandClock
from model.memory_store import MemoryStore

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.definition.trigger import trigger
from cloaca_core.engine.recover.liveness import Liveness
from cloaca_core.engine.recover.process_identity import this_process
from cloaca_core.engine.recover.runner_id import RunnerId
from cloaca_core.engine.subjects import Subjects
from cloaca_core.errors import StoreUnavailableError
from cloaca_core.features.unserved.watch import PATIENCE, SETTLING, UnservedWatch
from cloaca_core.run.rows import Unserved
from cloaca_core.store.batch import Waiting
from cloaca_core.values.times.instants import SECOND, instant_text
from cloaca_testing.conformance.commits import submit
from cloaca_testing.conformance.rows import NOW, new_run, runner, schedule, trigger_row

GONE = "public::embedded::nightlies"
HERE = "public::embedded::nightly"


class Store(MemoryStore):
    """The model; it counts the looks, and one of them can fail."""

    looks = 0
    broken = False

    async def list_waiting(self, runner_id: str, most: int, gone: Collection[str] = ()) -> Waiting:
        self.looks += 1
        if self.broken:
            raise StoreUnavailableError("no answer")
        return await super().list_waiting(runner_id, most, gone)


@dataclass
class Scene:
    clock: HandClock
    store: Store = field(default_factory=Store)
    registry: Registry = field(default_factory=Registry)

    def __post_init__(self) -> None:
        self.store.wall_clock = lambda: NOW
        self.has_released = False
        self.watch = UnservedWatch(
            self.store,
            self.registry,
            RunnerId("me"),
            Liveness(self.store, this_process()),
            lambda: self.has_released,
            self.clock,
            Subjects(),
        )

    def define(self, name: str) -> None:
        with WorkflowBuilder(name, registry=self.registry):
            task(id="only")(lambda context: None)

    async def after(self, seconds: float) -> float | None:
        """Turn once more after so many seconds."""
        self.clock.now += seconds
        return await self.watch.look_now()

    def move_clocks(self) -> None:
        """Let the store's clock go on with the program's."""
        began = self.clock.now
        self.store.wall_clock = lambda: NOW + int((self.clock.now - began) * SECOND)

    async def leave(self, run_id: str, age: int = 0) -> None:
        """Leave a run behind that was made so many seconds ago."""
        made = await self.store.now() - age * SECOND
        run = new_run(run_id, owner=None, workflow=GONE)._replace(created_at=made)
        await submit(self.store, run)
        self.watch.wake()

    async def wait(self) -> None:
        """Let the watch do what it does in a minute and more when nothing wakes it."""
        pause = await self.watch.look_now()
        for _ in range(3):
            if pause is not None:
                pause = await self.after(pause)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    clock = HandClock()
    return Scene(clock)


@pytest.fixture(autouse=True)
def shown(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.INFO, logger="cloaca")
    yield
    assert {record.levelname for record in caplog.records} <= {"WARNING"}


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.__dict__["workflow"] for record in caplog.records]


async def test_runs_that_this_runner_has_left_are_listed_while_they_wait(scene: Scene) -> None:
    scene.define("nightly")
    workflow = scene.registry.find("nightly").namespace
    await scene.store.register(runner("me"))
    await submit(scene.store, new_run("a", owner=None, workflow=workflow))
    await scene.store.claim("me", [workflow], 1, NOW)
    await scene.store.release_unserved("me", [Unserved("a", 1, '["load"]', 0)])

    assert await scene.after(SETTLING) is None  # it has left none itself: no statement
    assert scene.watch.report() == []
    scene.has_released = True
    scene.watch.wake()
    assert await scene.after(PATIENCE) == PATIENCE
    assert scene.watch.report() == [
        {
            "kind": "task_unserved",
            "workflow": workflow,
            "count": 1,
            "since": instant_text(NOW),
            "did_you_mean": None,
        }
    ]

    await scene.store.register(runner("r2"))
    await scene.store.claim("r2", [workflow], 1, NOW)
    assert await scene.after(PATIENCE) is None
    assert scene.watch.report() == []


async def test_a_run_that_waits_for_half_a_minute_is_told_of_once(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.define("nightly")
    await submit(scene.store, new_run("r", owner=None, workflow=GONE))

    assert await scene.after(SETTLING) == PATIENCE
    assert (said(caplog), scene.watch.report()) == ([], [])
    for _ in range(4):
        assert await scene.after(PATIENCE) == PATIENCE

    (record,) = caplog.records
    assert record.getMessage() == (
        f"no runner takes up workflow '{GONE}', which is not registered here: "
        f"1 run waiting for it; did you mean '{HERE}'?"
    )
    assert scene.watch.report() == [
        {
            "kind": "run",
            "workflow": GONE,
            "count": 1,
            "since": "2023-11-14T22:13:20+00:00",
            "did_you_mean": HERE,
        }
    ]


async def test_one_that_comes_just_after_a_look_is_told_of_as_soon(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """When it was made is known: the look that finds it is not the beginning of its time."""
    scene.move_clocks()
    await scene.after(SETTLING)
    scene.clock.now += 1
    await scene.leave("r")

    assert await scene.after(28) == 1
    assert await scene.after(1) == SETTLING  # it waits for 29 s
    assert said(caplog) == []
    assert await scene.after(SETTLING) == PATIENCE

    assert said(caplog) == [GONE]


async def test_an_old_one_that_is_found_may_have_been_released_just_now(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.move_clocks()
    await scene.leave("r", age=3600)

    assert await scene.after(SETTLING) == PATIENCE
    assert said(caplog) == []
    await scene.after(PATIENCE)

    assert said(caplog) == [GONE]


async def test_a_run_that_is_taken_up_in_time_is_not(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    await scene.store.register(runner("other"))
    await submit(scene.store, new_run("r", owner=None, workflow=GONE))
    await scene.after(SETTLING)
    await scene.store.claim("other", [GONE], 1, NOW)

    assert await scene.after(PATIENCE) is None
    assert said(caplog) == []


async def test_a_schedule_and_a_trigger_of_a_lone_runner_are(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    trigger(name="t", on="nightlies", registry=scene.registry)(lambda: False)
    await scene.store.add_trigger(trigger_row("t")._replace(workflow=GONE))
    await scene.store.put_schedule(schedule("s", workflow=GONE, due_at=NOW + 10**12))

    await scene.wait()

    assert said(caplog) == [GONE]
    assert "1 schedule and 1 trigger waiting for it" in caplog.text
    assert [each["kind"] for each in scene.watch.report()] == ["schedule", "trigger"]


async def test_a_workflow_that_is_registered_later_is_served_from_then_on(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    await submit(scene.store, new_run("r", owner=None, workflow=GONE))
    await scene.wait()
    assert len(scene.watch.report()) == 1

    scene.define("nightlies")
    assert scene.watch.report() == []
    scene.watch.look_soon()

    assert await scene.after(PATIENCE) is None
    assert said(caplog) == [GONE]


async def test_once_it_was_served_it_is_told_of_again(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    await submit(scene.store, new_run("r", owner=None, workflow=GONE))
    await scene.wait()
    await scene.store.register(runner("other"))
    await scene.store.claim("other", [GONE], 1, NOW)
    await scene.after(PATIENCE)
    assert scene.watch.report() == []

    await scene.store.unregister("other")
    scene.watch.wake()
    await scene.after(PATIENCE)
    await scene.after(PATIENCE)

    assert said(caplog) == [GONE, GONE]


async def test_a_watch_without_anything_to_see_looks_once(scene: Scene) -> None:
    assert await scene.watch.look_now() == SETTLING  # the program is about to register more
    assert await scene.after(SETTLING) is None
    assert await scene.after(1e9) is None
    assert scene.store.looks == 2  # a timer that came by itself would not have woken it


async def test_news_by_the_hundred_are_looked_at_every_half_minute(scene: Scene) -> None:
    await scene.after(SETTLING)
    for _ in range(100):
        scene.watch.wake()
        await scene.after(1.0)

    assert scene.store.looks == 1 + 100 // PATIENCE


async def test_what_this_program_has_registered_is_looked_at_soon(scene: Scene) -> None:
    await scene.after(SETTLING)
    scene.watch.look_soon()

    assert await scene.after(SETTLING / 2) == SETTLING / 2
    await scene.after(SETTLING / 2)

    assert scene.store.looks == 2


async def test_a_look_that_failed_is_made_again(scene: Scene) -> None:
    await submit(scene.store, new_run("r", owner=None, workflow=GONE))
    scene.store.broken = True
    with pytest.raises(StoreUnavailableError):
        await scene.after(SETTLING)
    scene.store.broken = False

    assert await scene.watch.look_now() == PATIENCE
    assert await scene.after(PATIENCE) == PATIENCE  # from here on it is followed
    await scene.after(PATIENCE)

    assert len(scene.watch.report()) == 1
