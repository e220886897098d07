"""The executors of a runner by name; one that it was not given puts bodies off."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from model.executor_by_hand import ExecutorByHand
from model.runs import active_run, attempt_of, graph_of
from unit.core.features.executors.remote import bodies

from cloaca_core.engine.execute.outcome import Raised
from cloaca_core.features.executors.by_value import ByValue
from cloaca_core.features.executors.remote.pools import Pools
from cloaca_core.features.executors.supply import Supply


class Scene:
    """Pools of two executors, of which one was made for the runner."""

    def __init__(self) -> None:
        self.given, self.made = ExecutorByHand(3), ExecutorByHand(2)
        self.supplies = [Supply("given", self.given), Supply("made", lambda: self.made)]
        for supply in self.supplies:
            supply.open()
        self.pools = Pools(self.supplies, asyncio.get_running_loop())


@pytest.fixture
async def scene() -> Scene:
    return Scene()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


async def test_each_executor_has_a_pool_of_its_size(scene: Scene) -> None:
    given, made = scene.pools

    assert [(pool.place, pool.threads.slots) for pool in (given, made)] == [
        ("executor given", 3),
        ("executor made", 2),
    ]
    assert scene.pools.find("made") is made


async def test_bodies_die_together_that_know_one_executor_by_several_names() -> None:
    one, other = ExecutorByHand(), ExecutorByHand()
    supplies = [
        Supply("one", one),
        Supply("other", other),
        Supply("by value", ByValue(one)),
    ]
    for supply in supplies:
        supply.open()
    pools = Pools(supplies, asyncio.get_running_loop())

    assert [pool.domain for pool in pools] == [
        "executor one",
        "executor other",
        "executor one",
    ]
    assert pools.find("absent").domain == "executor absent"
    pools.close()


async def test_one_that_is_not_there_is_told_of_and_puts_bodies_off(scene: Scene) -> None:
    absent = scene.pools.find("gpu")
    assert list(scene.pools)[2:] == [absent]
    assert scene.pools.find("gpu") is absent
    run = active_run(graph_of(t={"executor": "gpu", "body": bodies.nothing}))
    attempt = attempt_of(run, make=absent.attempt)
    await asyncio.to_thread(attempt.run)

    assert attempt.outcome == Raised(
        "ExecutorUnavailableError",
        "this runner was opened without an executor 'gpu': give it in a program as "
        "DefaultRunner(..., executors={...}), to cloaca worker in [executors] of cloaca.toml",
        "",
        again=True,
        after=1.0,
        counts=False,
    )


async def test_the_end_shuts_down_what_was_made_and_tells_bodies_to_end(
    scene: Scene, home: Path
) -> None:
    pool = scene.pools.find("made")
    pool.cancel_files.path(attempt_of(active_run(graph_of(t={})))).touch()
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    shutdown = scene.made.shutdown

    def shut_down(**options: Any) -> None:
        shutdown(**options)
        loop.call_soon_threadsafe(ended.set)

    scene.made.shutdown = shut_down  # type: ignore[method-assign]  # notes its end
    scene.pools.close()
    await ended.wait()

    assert scene.made.shutdowns == [{"wait": False, "cancel_futures": True}]
    assert scene.given.shutdowns == []
    assert _names(home) == []


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]
