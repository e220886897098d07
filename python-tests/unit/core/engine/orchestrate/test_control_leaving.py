"""A run that is given back takes nothing with it that could begin here, and its row says all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from model.orchestration import PAIR, Scene, fail
from model.quiet import quiet
from model.runs import graph_of
from tables import each_row

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.nodes.approval import approval
from cloaca_core.definition.nodes.sleep import sleep
from cloaca_core.definition.nodes.wait_for import wait_for
from cloaca_core.definition.registry import Registry
from cloaca_core.run.active_run import ActiveRun
from cloaca_core.run.graph import PlanGraph, plan_graph
from cloaca_core.run.rows import AttemptRow, Park
from cloaca_core.values.times.instants import SECOND
from cloaca_core.values.waits import NEVER
from cloaca_testing.conformance.rows import attempt as attempt_row

pytestmark = pytest.mark.virtual_time

NOW = 1_000_000 * SECOND
MINUTE = 60 * SECOND
BACKS_OFF = graph_of(
    a={"body": fail, "retry_attempts": 3, "retry_delay_ms": 60_000, "retry_jitter": False}
)


def node(make: Callable[[], object]) -> PlanGraph:
    with WorkflowBuilder("w", registry=Registry()) as builder:
        make()
    return plan_graph(builder.workflow)


SIGNED = node(lambda: approval("signed", "Sign?"))
GO = node(lambda: wait_for("go"))
NAP = node(lambda: sleep("nap", seconds=4))


def scene_of(**settings: Any) -> Scene:
    scene = Scene(**settings)
    scene.clock.shown = NOW
    return scene


@pytest.fixture
async def scene() -> Scene:
    return scene_of()


async def waiting(scene: Scene, graph: PlanGraph, **fields: Any) -> ActiveRun:
    """A run that has begun to wait, as that is durable."""
    run = scene.adopt(graph, **fields)
    if scene.executor.queued:
        scene.executor.run()
    await scene.journal.commit()
    await quiet()
    return run


async def pass_time(scene: Scene, seconds: float) -> None:
    assert scene.clock.shown is not None
    scene.clock.shown += round(seconds * SECOND)
    await asyncio.sleep(seconds)


def parks(scene: Scene) -> list[Park | None]:
    return [entry.park for entry in scene.journal.waiting]


# -- a run that waits ------------------------------------------------------------------------------


async def test_a_retry_is_taken_back_and_messages_that_nothing_waits_for_were_seen(
    scene: Scene,
) -> None:
    """Else the run would be claimed again at once."""
    run = await waiting(scene, BACKS_OFF, messages=3)

    assert parks(scene) == [Park("r", NOW + MINUTE, NOW, 3)]
    assert (scene.retries(run), scene.queued()) == ({}, [])
    await scene.journal.commit()
    assert (list(scene.runs), scene.capacity.told[-1], scene.given_back) == ([], 0, 0)


async def test_one_that_waits_for_a_decision_rests_in_the_table(scene: Scene) -> None:
    await waiting(scene, SIGNED)

    assert parks(scene) == [Park("r", NEVER, NOW, rests=1)]


async def test_one_that_waits_for_an_event_stays_for_a_while_without_a_place(scene: Scene) -> None:
    await waiting(scene, GO)
    assert (parks(scene), scene.runs.waiting(), scene.capacity.told) == ([], 1, [0])

    await pass_time(scene, 10)

    assert parks(scene) == [Park("r", NEVER, NOW + 10 * SECOND, rests=1, rested=10 * SECOND)]


async def test_so_many_stay_as_there_are_places() -> None:
    scene = scene_of(max_active_runs=1)
    await waiting(scene, GO, id="a")
    await waiting(scene, GO, id="b")

    assert [park and park.id for park in parks(scene)] == ["b"]


async def test_a_runner_that_could_not_claim_it_again_keeps_it() -> None:
    scene = scene_of(never_evicts=True)
    run = await waiting(scene, BACKS_OFF)

    assert (parks(scene), len(scene.retries(run))) == ([], 1)


# -- the runner leaves -----------------------------------------------------------------------------


@each_row("never_evicts", [False, True])
async def test_a_runner_that_leaves_gives_back_what_rests_here(never_evicts: bool) -> None:
    scene = scene_of(never_evicts=never_evicts)
    await waiting(scene, NAP)
    scene.adopt(PAIR, id="works")
    await pass_time(scene, 1)
    assert parks(scene) == []

    assert scene.orchestrator.control.give_back_rested()

    due_at, now = NOW + 4 * SECOND, NOW + SECOND
    assert parks(scene) == [Park("r", due_at, now, rests=1, rested=SECOND)]


async def test_and_one_that_has_rested_and_works(scene: Scene) -> None:
    run = scene.adopt(PAIR)
    assert not scene.orchestrator.control.give_back_rested()
    scene.begin()
    scene.orchestrator.control.limits.rest(run)
    await pass_time(scene, 1)
    scene.orchestrator.control.limits.go_on(run)

    assert scene.orchestrator.control.give_back_rested()

    assert parks(scene) == [Park("r", None, NOW + SECOND, rested=SECOND)]


# -- another runner has free slots -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("begun", "past", "fields"),
    [
        (0, [], {"epoch": 4}),
        (1, [attempt_row("r", "b", epoch=3)], {"epoch": 4}),
        (1, [], {"epoch": 4, "recoveries": 1}),
        (1, [], {"epoch": 4, "round": 2}),
    ],
)
async def test_one_that_waits_for_a_slot_is_given_back_as_if_it_had_not_been_claimed(
    scene: Scene, begun: int, past: list[AttemptRow], fields: dict[str, int]
) -> None:
    run = scene.adopt(graph_of(a={}, b={}), past=past, **fields)
    scene.journal.waiting.clear()  # marks of a recovered run

    scene.orchestrator.control.hand_over(run)

    assert parks(scene) == [Park("r", None, NOW, begun=begun)]
    assert (scene.attempts(run), scene.queued()) == ({}, [])
    await scene.journal.commit()
    assert (list(scene.runs), scene.given_back) == ([], 1)


@pytest.mark.parametrize(
    ("is_told", "past", "queue"),
    [
        (True, [attempt_row("r", "b", epoch=3)], "gpu"),
        (False, [attempt_row("r", "b", epoch=3)], "default"),
        (False, [], "gpu"),  # its limit begins anew
    ],
)
async def test_the_end_of_its_limit_is_told_if_it_has_begun_and_is_in_a_queue(
    scene: Scene, is_told: bool, past: list[AttemptRow], queue: str
) -> None:
    limits = {"time_limit": MINUTE, "started_at": NOW - SECOND}
    run = scene.adopt(graph_of(a={}, b={}), past=past, epoch=4, queue=queue, **limits)
    scene.journal.waiting.clear()

    scene.orchestrator.control.hand_over(run)

    (park,) = parks(scene)
    assert park is not None
    assert park.overdue_at == (NOW - SECOND + MINUTE if is_told else None)


async def test_it_stays_if_a_body_begins_at_this_moment(scene: Scene) -> None:
    run = scene.adopt(PAIR)
    scene.begin()

    scene.orchestrator.control.hand_over(run)

    assert (parks(scene), scene.queued()) == ([], ["b"])
