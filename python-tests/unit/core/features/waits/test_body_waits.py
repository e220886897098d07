"""A body that waits has no slot; it goes on, or is asked to leave, once."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from model.quiet import quiet
from model.runs import active_run, attempt_of, cancel, graph_of

from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.errors import BodyCancelled, BodySuspended
from cloaca_core.features.steps.memos import BodyCall
from cloaca_core.features.steps.steps import Answer
from cloaca_core.features.waits.body_waits import BodyWaits
from cloaca_core.features.waits.open_waits import OpenWait, OpenWaits
from cloaca_core.features.waits.records import WaitRow
from cloaca_core.run.active_run import ActiveRun
from cloaca_core.values.waits import EVENT
from cloaca_testing.conformance.rows import memo

pytestmark = pytest.mark.virtual_time

MEMO = memo("r")


class Scene:
    """A body, in place of all that lets it wait. It gets its slot back while ``slot_free`` is
    set.
    """

    def __init__(self) -> None:
        self.attempt = attempt_of(active_run(graph_of(t={})), crashes=2)
        self.open = OpenWaits()
        self.answers: list[Answer] = []
        self.slots: list[str] = []
        self.slot_free = asyncio.Event()
        self.slot_free.set()
        self.ceased: list[list[str]] = []
        self.waits = BodyWaits(10.0, cast(Any, self), cast(Any, self), self._cease)

    def wait(self, number: int = 1, *, may_suspend: bool = True) -> tuple[BodyCall, OpenWait]:
        row = WaitRow("r", "t", EVENT, "go", number, 1, "", 0, None)
        call, wait = BodyCall(self.attempt, lambda _: None), self.open.add(0, row)
        self.waits.attend(call, wait, may_suspend=may_suspend)
        return call, wait

    def _cease(self, run: ActiveRun) -> None:
        assert run is self.attempt.owner
        self.ceased.append(list(self.slots))

    # -- as its memos and waiting bodies ---------------------------------------------------------

    def conclude(self, call: BodyCall, answer: Answer) -> None:
        assert call.attempt is self.attempt
        self.answers.append(answer)

    def end_waits(self, attempt: Attempt) -> None:
        assert attempt is self.attempt

    def release_slot(self, _: Attempt) -> None:
        self.slots.append("released")

    async def reacquire_slot(self, _: Attempt) -> None:
        await self.slot_free.wait()
        self.slots.append("reacquired")


@pytest.fixture
async def scene() -> Scene:
    return Scene()


def signals(scene: Scene) -> list[str]:
    assert all(isinstance(each, BodySuspended) for each in scene.answers)
    return [str(each) for each in scene.answers]


async def test_it_gives_its_slot_back_and_kills_no_process_meanwhile(scene: Scene) -> None:
    _, wait = scene.wait()

    assert (scene.slots, scene.attempt.crashes, wait.attended) == (["released"], 0, True)
    assert scene.answers == []


async def test_a_wait_that_is_not_kept_shows_no_progress(scene: Scene) -> None:
    """A body that kills its process behind it comes to it each time."""
    scene.waits.defer(BodyCall(scene.attempt, lambda _: None), 5)

    assert (scene.slots, scene.attempt.crashes) == (["released"], 2)


async def test_it_goes_on_with_its_slot_when_the_wait_is_over(scene: Scene) -> None:
    _, wait = scene.wait()
    scene.slot_free.clear()
    scene.waits.go_on(wait, MEMO)
    await asyncio.sleep(60)
    before = list(scene.answers)
    scene.slot_free.set()
    await quiet()

    assert (before, scene.answers) == ([], [[MEMO]])
    assert scene.slots == ["released", "reacquired"]
    assert not wait.attended


async def test_its_run_is_looked_at_as_it_waits_no_more_and_when_it_has_its_slot(
    scene: Scene,
) -> None:
    _, wait = scene.wait()
    scene.slot_free.clear()
    assert scene.ceased == []
    scene.waits.go_on(wait, MEMO)
    assert scene.ceased == [["released"]]
    scene.slot_free.set()
    await quiet()

    assert scene.ceased == [["released"], ["released", "reacquired"]]


async def test_its_run_is_looked_at_when_it_is_asked_to_leave(scene: Scene) -> None:
    scene.wait()
    await asyncio.sleep(11)

    assert scene.ceased == [["released"]]


async def test_it_is_asked_to_leave_after_a_while(scene: Scene) -> None:
    _, wait = scene.wait()
    await asyncio.sleep(9.9)
    assert scene.answers == []
    await asyncio.sleep(0.2)

    assert signals(scene) == ["run r task t attempt 1 leaves while it waits for go"]
    assert (scene.attempt.is_suspending, wait.attended) == (True, False)
    scene.waits.go_on(wait, MEMO)
    await quiet()
    assert (len(scene.answers), scene.slots) == (1, ["released"])  # it has no use for the slot


@pytest.mark.parametrize(
    "why", ["other thread", "ending", "abandoned", "over", "forgotten", "cut off"]
)
async def test_it_is_not_asked_to_leave(scene: Scene, why: str) -> None:
    call, wait = scene.wait(may_suspend=why != "other thread")
    if why == "cut off":
        assert call.withdraw()
    wait.ending = why == "ending"
    scene.attempt.abandoned = why == "abandoned"
    if why == "over":
        scene.waits.go_on(wait, MEMO)
    if why == "forgotten":
        scene.waits.forget(wait)
    await asyncio.sleep(60)

    assert not scene.attempt.is_suspending
    assert scene.answers == ([[MEMO]] if why == "over" else [])


async def test_a_cancel_ends_its_wait_once(scene: Scene) -> None:
    call, wait = scene.wait()
    assert call.interrupted is not None
    cancel(scene.attempt.owner)

    call.interrupted()
    await quiet()
    scene.waits.go_on(wait, MEMO)
    await asyncio.sleep(60)

    (answer,) = scene.answers
    assert isinstance(answer, BodyCancelled)
    assert (scene.slots, scene.attempt.is_suspending) == (["released", "reacquired"], False)
    assert call.interrupted is None


async def test_one_that_comes_to_a_wait_that_is_over_goes_on_at_once(scene: Scene) -> None:
    scene.waits.answer(BodyCall(scene.attempt, lambda _: None), MEMO)

    assert (scene.answers, scene.slots) == ([[MEMO]], [])


async def test_a_deferred_body_has_its_time_and_does_not_make_it_leave(scene: Scene) -> None:
    scene.waits.defer(BodyCall(scene.attempt, lambda _: None), 60)
    await asyncio.sleep(59)
    before = list(scene.answers)
    await asyncio.sleep(2)

    assert (before, scene.answers) == ([], [None])
    assert (scene.slots, scene.attempt.is_suspending) == (["released", "reacquired"], False)


async def test_a_cancel_ends_a_deferral(scene: Scene) -> None:
    call = BodyCall(scene.attempt, lambda _: None)
    scene.waits.defer(call, 60)
    assert call.interrupted is not None
    call.interrupted()
    await asyncio.sleep(120)

    (answer,) = scene.answers
    assert isinstance(answer, BodyCancelled)


async def test_nothing_is_kept_of_a_wait_that_is_over(scene: Scene) -> None:
    for number in range(3):
        _, wait = scene.wait(number)
        scene.waits.go_on(wait, MEMO)
    await quiet()

    assert (scene.waits._calls, scene.waits._tasks) == ({}, set())
