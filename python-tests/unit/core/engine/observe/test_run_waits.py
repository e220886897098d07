"""A body that waits for a run has no slot meanwhile, and has it again however the wait ends."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from model.orchestration import PAIR, Scene
from model.quiet import quiet
from model.runs import active_run, attempt_of, ended

from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.engine.observe.completion import Ended
from cloaca_core.engine.observe.run_waits import DEEPEST, RunWaits
from cloaca_core.engine.submit.request import Request
from cloaca_core.errors import BodyCancelled, RunnerUsageError, StoreFullError


class Submitter:
    """Notes what it is asked for, and accepts each as the run ``child``; or it fails."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.failure: Exception | None = None

    async def submit(self, request: Request) -> list[str]:
        self.requests.append(request)
        if self.failure is not None:
            raise self.failure
        return ["child"]


class Completion:
    """Runs end when the test says so; ``given_up`` are those that callers wait for no more."""

    def __init__(self) -> None:
        self.awaited: dict[str, asyncio.Future[Ended]] = {}
        self.given_up: list[str] = []

    async def of(self, run_id: str) -> Ended:
        self.awaited[run_id] = asyncio.get_running_loop().create_future()
        try:
            return await self.awaited[run_id]
        except asyncio.CancelledError:
            self.given_up.append(run_id)
            raise


class Desk:
    """A run ``r`` of ours, of which one body runs; ``accepted`` are the ids that were told."""

    def __init__(self) -> None:
        self.scene = Scene()
        self.submitter, self.completion = Submitter(), Completion()
        self.run = self.scene.adopt(PAIR)
        self.body = self.scene.begin()
        self.accepted: list[str] = []
        self.waits = RunWaits(
            self.scene.runs,
            cast(Any, self.submitter),
            cast(Any, self.completion),
            self.scene.waiting_bodies,
        )

    async def execute(self, body: Attempt | None) -> asyncio.Task[Ended]:
        """A caller, perhaps within a body, executes a run; it waits for the end by now."""
        request = Request(cast(Any, None), ["{}"], [{}], "{}", parent=body)
        call = asyncio.create_task(self.waits.execute(request, body, self.accepted.append))
        await quiet()
        return call

    async def wait(self, run_id: str) -> asyncio.Task[Ended]:
        """The body waits for the end of a run."""
        call = asyncio.create_task(self.waits.wait(run_id, self.body))
        await quiet()
        return call

    def slots(self) -> tuple[int, int]:
        """How often a slot was released and taken again."""
        return self.scene.executor.released, self.scene.executor.reacquired


@pytest.fixture
async def desk() -> Desk:
    return Desk()


async def test_a_caller_outside_of_a_body_hears_of_the_id_before_the_end(desk: Desk) -> None:
    call = await desk.execute(None)
    assert (desk.accepted, call.done()) == (["child"], False)

    desk.completion.awaited["child"].set_result(ended("child"))

    assert (await call).row.id == "child"
    assert [each.by_right for each in desk.submitter.requests] == [False]
    assert desk.slots() == (0, 0)


async def test_a_body_of_ours_waits_by_right_and_without_its_slot(desk: Desk) -> None:
    call = await desk.execute(desk.body)
    assert (desk.body.holds_slot, desk.slots()) == (False, (1, 0))

    desk.completion.awaited["child"].set_result(ended("child"))
    await call

    assert (desk.body.holds_slot, desk.slots()) == (True, (1, 1))
    assert [each.by_right for each in desk.submitter.requests] == [True]


async def test_a_body_of_another_runner_keeps_the_slot_that_is_not_ours(desk: Desk) -> None:
    call = await desk.execute(attempt_of(active_run(PAIR)))
    desk.completion.awaited["child"].set_result(ended("child"))
    await call

    assert [each.by_right for each in desk.submitter.requests] == [False]
    assert desk.slots() == (0, 0)


async def test_a_body_that_was_given_up_has_no_slot_to_release(desk: Desk) -> None:
    desk.scene.executor.abandon(desk.body)

    call = await desk.wait("child")
    desk.completion.awaited["child"].set_result(ended("child"))
    await call

    assert desk.slots() == (0, 0)


async def test_a_body_is_told_that_it_would_wait_for_itself(desk: Desk) -> None:
    with pytest.raises(RunnerUsageError, match="wait for itself"):
        await desk.waits.wait("r", desk.body)

    assert desk.slots() == (0, 0)


@pytest.mark.parametrize(("above", "refused"), [(DEEPEST - 1, False), (DEEPEST, True)])
async def test_so_many_runs_wait_for_one_another_and_no_more(
    desk: Desk, above: int, refused: bool
) -> None:
    desk.run.depth = above
    workflow: Any = type("Workflow", (), {"namespace": "public::embedded::endless"})
    request = Request(workflow, ["{}"], [{}], "{}", parent=desk.body)
    call = asyncio.create_task(desk.waits.execute(request, desk.body, desk.accepted.append))
    await quiet()

    assert (call.done(), desk.slots()[0]) == ((True, 0) if refused else (False, 1))
    if refused:
        with pytest.raises(RunnerUsageError, match="public::embedded::endless execute itself"):
            await call
    assert len(desk.submitter.requests) == (not refused)
    call.cancel()
    await quiet()


async def test_a_submission_that_fails_is_told_to_a_body_that_has_its_slot_again(
    desk: Desk,
) -> None:
    desk.submitter.failure = StoreFullError("no space")

    with pytest.raises(StoreFullError):
        await (await desk.execute(desk.body))

    assert (desk.body.holds_slot, desk.slots(), desk.accepted) == (True, (1, 1), [])


async def test_a_wait_ends_with_its_own_run_that_is_being_cancelled(desk: Desk) -> None:
    call = await desk.wait("child")

    desk.scene.waiting_bodies.interrupt(desk.body)

    with pytest.raises(BodyCancelled):
        await call
    await quiet()
    assert desk.completion.given_up == ["child"]
    assert (desk.body.holds_slot, desk.slots()) == (True, (1, 1))


async def test_an_end_that_has_come_counts_more_than_a_cancel(desk: Desk) -> None:
    call = await desk.wait("child")
    desk.completion.awaited["child"].set_result(ended("child"))
    await asyncio.sleep(0)  # the end is known, and its caller has not gone on
    desk.scene.waiting_bodies.interrupt(desk.body)

    assert (await call).row.id == "child"


async def test_a_caller_that_gives_up_cancels_no_return_of_the_slot(desk: Desk) -> None:
    call = await desk.wait("child")
    desk.scene.executor.slot_free.clear()
    for _ in range(2):
        call.cancel()
        await quiet()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (desk.completion.given_up, desk.body.holds_slot) == (["child"], False)

    desk.scene.executor.slot_free.set()
    await quiet()

    assert (desk.body.holds_slot, desk.slots()) == (True, (1, 1))
