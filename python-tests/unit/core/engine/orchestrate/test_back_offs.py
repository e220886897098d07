"""Attempts wait for their time, unless they are taken first."""

from __future__ import annotations

import asyncio

import pytest
from model.hand_clock import HandClock
from model.runs import active_run, graph_of
from model.virtual_time import the_loop

from cloaca_core.engine.orchestrate.launcher import BackOffs
from cloaca_core.run.active_run import ActiveRun
from cloaca_core.run.restore import Resume

pytestmark = pytest.mark.virtual_time

GRAPH = graph_of(a={}, b={})
FIRST, SECOND = Resume(2, retry_at=17, crashes=1), Resume(5, retry_at=18)
MINUTE = 60_000_000


class Scene:
    """``due`` has the attempts whose time has come."""

    def __init__(self) -> None:
        self.due: list[tuple[ActiveRun, int, Resume]] = []
        self.came = asyncio.Event()
        self.run = active_run(GRAPH)
        self.clock = HandClock(0.0)
        self.back_offs = BackOffs(self.clock, self._is_due)

    def _is_due(self, run: ActiveRun, task: int, resume: Resume) -> None:
        self.due.append((run, task, resume))
        self.came.set()


@pytest.fixture
async def scene() -> Scene:
    return Scene()


async def test_an_attempt_goes_on_as_it_was_when_its_time_has_come(scene: Scene) -> None:
    scene.back_offs.add(scene.run, 0, FIRST, 60.0)
    assert (scene.due, scene.run in scene.back_offs.waiting) == ([], True)

    await scene.came.wait()

    assert scene.due == [(scene.run, 0, FIRST._replace(retry_at=None))]
    assert not scene.back_offs.waiting


@pytest.mark.parametrize(
    ("shown", "waits_for"),
    [
        (59.9, 60.1),  # the wall was corrected: by it, some of the time is left
        (0.0, 60.0),  # it was set back
        (4000.0, 60.0),
    ],
)
async def test_by_the_wall_no_attempt_goes_on_before_its_time(
    scene: Scene, shown: float, waits_for: float
) -> None:
    beginning = the_loop().time()
    scene.back_offs.add(scene.run, 0, FIRST, 60.0)
    scene.clock.now = shown
    the_loop().call_at(beginning + 60.05, setattr, scene.clock, "now", shown + 3600)

    await scene.came.wait()

    assert the_loop().time() - beginning == pytest.approx(waits_for)
    assert scene.due == [(scene.run, 0, FIRST._replace(retry_at=None))]


async def test_those_that_wait_on_are_taken_as_others(scene: Scene) -> None:
    scene.back_offs.add(scene.run, 0, FIRST, 60.0)
    scene.clock.now = 59.9
    taken = the_loop().create_future()
    the_loop().call_at(
        the_loop().time() + 60.05,
        lambda: taken.set_result(scene.back_offs.take(scene.run)),
    )

    assert await taken == {0: FIRST._replace(retry_at=MINUTE)}
    await asyncio.sleep(3600)
    assert scene.due == []


async def test_it_waits_no_more_when_it_goes_on(scene: Scene) -> None:
    """It may be told to wait again at once."""
    waiting: list[bool] = []

    def is_due(run: ActiveRun, task: int, resume: Resume) -> None:
        waiting.append(run in back_offs.waiting)
        back_offs.add(run, task, resume, 60.0)
        scene.came.set()

    back_offs = BackOffs(HandClock(), is_due)
    back_offs.add(scene.run, 0, FIRST, 60.0)
    await scene.came.wait()

    assert (waiting, scene.run in back_offs.waiting) == ([False], True)


async def test_it_is_known_when_each_is_due(scene: Scene) -> None:
    scene.back_offs.add(scene.run, 0, FIRST, 60.0)
    scene.back_offs.add(scene.run, 1, SECOND, 120.0)
    other = active_run(GRAPH, id="other")
    assert scene.back_offs.due(scene.run) == {0: MINUTE, 1: 2 * MINUTE}
    assert scene.back_offs.due(other) == {}

    await scene.came.wait()

    assert scene.back_offs.due(scene.run) == {1: 2 * MINUTE}


async def test_those_that_are_taken_do_not_go_on_here(scene: Scene) -> None:
    scene.back_offs.add(scene.run, 0, FIRST, 60.0)
    scene.back_offs.add(scene.run, 1, SECOND, 120.0)
    other = active_run(GRAPH, id="other")
    scene.back_offs.add(other, 0, FIRST, 180.0)

    taken = scene.back_offs.take(scene.run)

    assert taken == {0: FIRST._replace(retry_at=MINUTE), 1: SECOND._replace(retry_at=2 * MINUTE)}
    assert scene.run not in scene.back_offs.waiting
    assert scene.back_offs.take(scene.run) == {}
    await scene.came.wait()
    assert [run.id for run, _, _ in scene.due] == ["other"]
