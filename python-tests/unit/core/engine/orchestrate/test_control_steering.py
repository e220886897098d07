"""Of a run that is to be cancelled or paused nothing starts, and one record brings it there."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from model.by_hand import land, settle
from model.orchestration import CHAIN, PAIR, Scene, fail, rows_of
from model.runs import graph_of

from cloaca_core.definition.context import Context
from cloaca_core.definition.handles.task_handle import TaskHandle
from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.engine.execute.outcome import CutOff
from cloaca_core.errors import BodyCancelled
from cloaca_core.run.active_run import ActiveRun
from cloaca_core.run.reasons import Reason
from cloaca_core.run.rows import RunEnd
from cloaca_core.values.states import ReasonCode, RunStatus, TaskStatus
from cloaca_core.values.times.instants import SECOND
from cloaca_core.values.times.no_limit import NO_LIMIT
from cloaca_testing.conformance.rows import attempt as attempt_row

pytestmark = pytest.mark.virtual_time

NOW = 1_000_000 * SECOND
GRACE = 30
WHY = Reason(ReasonCode.CANCELLED, "cancelled by ann")
BACK_OFF = {"retry_attempts": 3, "retry_delay_ms": 60_000, "retry_jitter": False}


@pytest.fixture
async def scene() -> Scene:
    scene = Scene()
    scene.clock.shown = NOW
    return scene


def cancel(scene: Scene, run: ActiveRun, grace: float = GRACE) -> None:
    """As after a read of the requests: the table has it as well."""
    scene.journal.stop_requests[run.id] = RunStatus.CANCELLED
    scene.orchestrator.control.cancel(run, WHY, NOW + round(grace * SECOND))


def pause(scene: Scene, run: ActiveRun) -> None:
    scene.journal.stop_requests[run.id] = RunStatus.PAUSED
    scene.orchestrator.control.pause(run, "paused by ann")


def resume(scene: Scene, run: ActiveRun) -> None:
    del scene.journal.stop_requests[run.id]
    scene.orchestrator.control.tell(run, run.life.resumed, run.life.stops_found)


def cut(scene: Scene, attempt: Attempt) -> None:
    """It ends because it was interrupted."""
    attempt._come_to(CutOff())
    scene.executor.report(attempt)


async def ended(scene: Scene) -> tuple[list[tuple[str, int, str]], RunEnd]:
    """The record that ends the one run, and its end."""
    record = await scene.journal.commit()
    ((_, end),) = scene.ended
    assert not scene.runs
    assert scene.journal.waiting == []
    assert scene.executor.queued == scene.executor.expected == []
    return rows_of(record), end


def told(calls: list[object], **options: Any) -> dict[str, Any]:
    """Options of a task whose callbacks note that they are called."""
    return {
        "on_cancel": lambda task_id, context: calls.append(("on_cancel", task_id, dict(context))),
        "on_failure": lambda *_: calls.append("on_failure"),
        "on_success": lambda *_: calls.append("on_success"),
        **options,
    }


# -- cancel ----------------------------------------------------------------------------------------


async def test_what_waits_for_a_slot_does_not_start_and_the_run_ends(scene: Scene) -> None:
    run = scene.adopt(PAIR, {"n": 1})
    cancel(scene, run)
    rows, end = await ended(scene)

    assert rows == []
    assert end[2:5] == (RunStatus.CANCELLED, None, "cancelled by ann")
    assert end.reason_code == ReasonCode.CANCELLED


async def test_a_body_that_runs_is_told_and_waited_for(scene: Scene) -> None:
    seen: list[bool] = []

    def body(context: Context, handle: TaskHandle) -> dict[str, int]:
        seen.append(handle.cancelled)
        return {"x": 1}

    run = scene.adopt(graph_of(a={"body": body}, b={"dependencies": ["a"]}), {"n": 1})
    attempt = scene.begin()
    cancel(scene, run)
    assert scene.journal.waiting == []
    assert scene.executor.interrupted == [attempt]

    scene.executor.finish(attempt)
    rows, end = await ended(scene)

    assert (seen, rows) == ([True], [("a", 1, "Completed")])
    assert (end.status, end.final_context) == ("Cancelled", None)


async def test_of_several_bodies_each_is_recorded_when_it_ends_and_the_last_with_the_end(
    scene: Scene,
) -> None:
    run = scene.adopt(PAIR)
    first, second = scene.begin(), scene.begin()
    cancel(scene, run)
    scene.executor.finish(second)
    assert rows_of(await scene.journal.commit()) == [("b", 1, "Completed")]
    cut(scene, first)

    assert (await ended(scene))[0] == [("a", 1, "Cancelled")]


async def test_a_body_that_was_cut_off_keeps_its_start_and_its_callback_is_called(
    scene: Scene,
) -> None:
    def body(context: Context) -> None:
        raise BodyCancelled("it makes a call")

    calls: list[object] = []
    run = scene.adopt(graph_of(a=told(calls, body=body)), {"n": 1})
    attempt = scene.begin()
    started_at = attempt.started_at
    cancel(scene, run)
    scene.executor.finish(attempt)
    assert (scene.queued(), scene.journal.waiting) == (["Callback"], [])
    scene.executor.run()
    record = await scene.journal.commit()

    assert calls == [("on_cancel", "a", {"n": 1})]
    (row,) = record.attempts
    assert (row.status, row.started_at, row.ended_at) == ("Cancelled", started_at, NOW)
    assert (row.skip_reason, row.reason_code) == ("cancelled by ann", "cancelled")
    assert record.end is not None


async def test_a_signal_that_comes_without_a_cancel_is_an_error(scene: Scene) -> None:
    def body(context: Context) -> None:
        raise BodyCancelled("of another run")

    scene.adopt(graph_of(a={"body": body, "retry_attempts": 1}))

    assert await scene.finish() == [("a", 1, "Failed")]


async def test_an_error_of_a_body_is_recorded_and_not_tried_again(scene: Scene) -> None:
    calls: list[object] = []
    run = scene.adopt(graph_of(a=told(calls, body=fail, retry_attempts=5, retry_delay_ms=0)))
    attempt = scene.begin()
    cancel(scene, run)
    scene.executor.finish(attempt)
    scene.executor.run()
    record = await scene.journal.commit()

    assert rows_of(record) == [("a", 1, "Failed")]
    assert [row.retry_at for row in record.attempts] == [None]
    assert calls == ["on_failure"]
    assert [end.status for _, end in scene.ended] == ["Cancelled"]
    assert not scene.executor.queued


async def test_what_was_prepared_ahead_of_a_record_does_not_begin(scene: Scene) -> None:
    run = scene.adopt(CHAIN)
    scene.executor.run()
    assert scene.expected() == ["b"]
    cancel(scene, run)

    assert rows_of(await scene.journal.commit()) == [("a", 1, "Completed")]
    assert (await ended(scene))[0] == []


async def test_what_began_before_the_loop_heard_of_the_record_is_told_when_it_does(
    scene: Scene,
) -> None:
    """The record was committed before the request, which the engine has read meanwhile."""
    run = scene.adopt(CHAIN)
    scene.executor.run()
    record = await scene.journal.entry()
    cancel(scene, run)
    land(record)
    attempt = scene.begin()
    assert scene.executor.interrupted == []
    settle(record)
    assert scene.executor.interrupted == [attempt]
    cut(scene, attempt)

    assert (await ended(scene))[0] == [("b", 1, "Cancelled")]


async def test_what_was_let_go_and_has_not_begun_when_the_loop_hears_of_it_is_taken_back(
    scene: Scene,
) -> None:
    run = scene.adopt(CHAIN)
    scene.executor.run()
    record = await scene.journal.entry()
    cancel(scene, run)
    land(record)
    assert scene.queued() == ["b"]
    settle(record)

    assert (await ended(scene))[0] == []


async def test_a_body_that_waits_for_another_run_is_woken(scene: Scene) -> None:
    run = scene.adopt(graph_of(a={}))
    attempt = scene.begin()
    with scene.waiting_bodies.interruption(attempt) as interrupt:
        scene.waiting_bodies.release_slot(attempt)
        assert rows_of(await scene.journal.commit()) == [("a", 1, "Waiting")]
        cancel(scene, run)
        with pytest.raises(BodyCancelled, match=r"^run r is being cancelled$"):
            await interrupt
        await scene.waiting_bodies.reacquire_slot(attempt)
    cut(scene, attempt)

    assert (await ended(scene))[0] == [("a", 1, "Cancelled")]


async def test_a_retry_in_its_back_off_never_comes(scene: Scene) -> None:
    run = scene.adopt(graph_of(a={"body": fail, **BACK_OFF, "retry_delay_ms": 4_000}))
    scene.executor.run()
    await scene.journal.commit()
    assert scene.retries(run)
    cancel(scene, run)
    await ended(scene)
    await asyncio.sleep(3600)

    assert (scene.queued(), scene.journal.waiting) == ([], [])


async def test_a_retry_whose_failure_is_on_its_way_to_the_table_never_comes(scene: Scene) -> None:
    run = scene.adopt(graph_of(a={"body": fail, **BACK_OFF}))
    scene.executor.run()
    cancel(scene, run)

    assert rows_of(await scene.journal.commit()) == [("a", 1, "Failed")]
    await ended(scene)
    assert not scene.retries(run)


async def test_a_suspect_whose_start_mark_is_on_its_way_does_not_begin(scene: Scene) -> None:
    past = [attempt_row("r", "a", status=TaskStatus.RUNNING, crashes=1)]
    run = scene.adopt(graph_of(a={}, b={}), past=past, recoveries=1, epoch=2)
    assert [rows_of(each) for each in scene.journal.waiting] == [
        [("a", 1, "Running")],
        [("b", 1, "Running")],
    ]
    cancel(scene, run)
    while scene.journal.waiting:
        record = await scene.journal.commit()

    assert record.end is not None
    assert scene.queued() == []


async def test_a_callback_under_way_is_waited_for(scene: Scene) -> None:
    calls: list[object] = []
    run = scene.adopt(graph_of(a=told(calls), b={"dependencies": ["a"]}))
    scene.executor.run()
    callback = scene.executor.begin()
    cancel(scene, run)
    assert scene.journal.waiting == []
    scene.executor.finish(callback)

    assert (await ended(scene))[0] == [("a", 1, "Completed")]
    assert calls == ["on_success"]


# -- the deadline ----------------------------------------------------------------------------------


async def test_at_the_deadline_bodies_are_given_up_and_their_callbacks_called(scene: Scene) -> None:
    calls: list[object] = []
    run = scene.adopt(graph_of(a=told(calls)), {"n": 1})
    attempt = scene.begin()
    cancel(scene, run)
    await asyncio.sleep(GRACE - 0.1)
    assert scene.journal.waiting == []
    await asyncio.sleep(0.2)
    record = await scene.journal.commit()

    assert rows_of(record) == [("a", 1, "Cancelled")]
    assert attempt.abandoned
    assert scene.queued() == ["Callback"]
    scene.executor.run()
    assert calls == [("on_cancel", "a", {"n": 1})]
    scene.executor.finish(attempt)  # much later
    assert scene.journal.waiting == []
    assert [end.status for _, end in scene.ended] == ["Cancelled"]


async def test_a_body_that_has_ended_by_the_deadline_is_recorded_though_its_callback_has_not(
    scene: Scene,
) -> None:
    calls: list[object] = []
    run = scene.adopt(graph_of(a=told(calls), b=told(calls, body=fail, retry_attempts=1)))
    scene.executor.run()
    scene.executor.run(scene.executor.queued[0])
    assert scene.queued() == ["Callback", "Callback"]
    cancel(scene, run, grace=0)
    await asyncio.sleep(0)

    record = await scene.journal.commit()
    assert rows_of(record) == [("a", 1, "Completed"), ("b", 1, "Failed")]
    assert (calls, scene.queued()) == ([], [])


async def test_a_callback_about_a_cut_is_not_called_again_at_the_deadline(scene: Scene) -> None:
    calls: list[object] = []
    run = scene.adopt(graph_of(a=told(calls)))
    attempt = scene.begin()
    cancel(scene, run)
    cut(scene, attempt)
    callback = scene.executor.begin()
    await asyncio.sleep(GRACE + 1)

    assert rows_of(await scene.journal.commit()) == [("a", 1, "Cancelled")]
    scene.executor.finish(callback)
    assert (len(calls), scene.queued()) == (1, [])


# -- a cancel and what is on its way ---------------------------------------------------------------


async def test_an_end_that_is_on_its_way_comes_first_and_the_table_says_how_it_was_written(
    scene: Scene,
) -> None:
    run = scene.adopt(graph_of(a={}))
    scene.executor.run()
    cancel(scene, run)
    record = await scene.journal.commit()

    assert record.end is not None
    assert record.end.status == "Completed"
    assert (scene.ended, scene.ended_elsewhere) == ([], [run])
    assert scene.journal.waiting == []


async def test_a_run_that_is_being_given_back_is_ended_instead(scene: Scene) -> None:
    run = scene.adopt(PAIR)
    pause(scene, run)
    cancel(scene, run)
    (parked,) = scene.journal.waiting  # its commit decides
    assert parked.park is not None
    await scene.journal.commit()
    assert run.id in scene.runs

    assert (await ended(scene))[1].status == "Cancelled"


async def test_a_cancel_that_comes_too_late_for_that_is_left_to_the_table(scene: Scene) -> None:
    run = scene.adopt(PAIR)
    pause(scene, run)
    scene.orchestrator.control.cancel(run, WHY, NOW)

    await parked(scene)
    assert scene.stop_requests


async def test_a_cancel_of_which_the_park_hears_first_ends_it_soon(scene: Scene) -> None:
    run = scene.adopt(PAIR)
    pause(scene, run)
    scene.journal.stop_requests[run.id] = RunStatus.CANCELLED
    await scene.journal.commit()
    assert (list(scene.runs), scene.stop_requests, scene.journal.waiting) == ([run], 1, [])
    cancel(scene, run)

    assert (await ended(scene))[1].status == "Cancelled"


@pytest.mark.parametrize("stop_request", [RunStatus.CANCELLED, RunStatus.PAUSED])
async def test_a_commit_that_meets_a_wish_starts_nothing(
    scene: Scene, stop_request: RunStatus
) -> None:
    run = scene.adopt(graph_of(a={}, b={}, c={"dependencies": ["a"]}))
    first = scene.begin()
    scene.executor.finish(first)
    scene.journal.stop_requests[run.id] = stop_request

    assert rows_of(await scene.journal.commit()) == [("a", 1, "Completed")]
    assert (scene.queued(), scene.expected(), scene.stop_requests) == ([], [], 1)
    assert run.cancelled is False  # why is read soon


async def test_what_ends_between_the_meeting_of_a_wish_and_its_reading_is_recorded(
    scene: Scene,
) -> None:
    run = scene.adopt(graph_of(a={}, b={}, c={"dependencies": ["a", "b"]}))
    first, second = scene.begin(), scene.begin()
    scene.executor.finish(first)
    scene.journal.stop_requests[run.id] = RunStatus.CANCELLED
    await scene.journal.commit()
    scene.executor.finish(second)
    assert rows_of(await scene.journal.commit()) == [("b", 1, "Completed")]
    assert scene.journal.waiting == []
    cancel(scene, run)

    assert (await ended(scene))[1].status == "Cancelled"


async def test_a_run_that_is_lost_meanwhile_is_forgotten(scene: Scene) -> None:
    run = scene.adopt(graph_of(a={}))
    scene.begin()
    cancel(scene, run)
    scene.orchestrator.control.drop(run)
    await asyncio.sleep(GRACE + 1)

    assert (scene.journal.waiting, scene.ended, list(scene.runs)) == ([], [], [])


# -- pause -----------------------------------------------------------------------------------------


async def parked(scene: Scene) -> None:
    """The run is given back, and nothing of it is left here."""
    record = await scene.journal.commit()
    assert record.park is not None
    assert record.park.due_at is None
    assert (list(scene.runs), scene.ended, scene.journal.waiting) == ([], [], [])
    assert (scene.executor.queued, scene.executor.expected) == ([], [])


async def test_a_paused_run_without_bodies_is_given_back_at_once(scene: Scene) -> None:
    run = scene.adopt(PAIR)
    pause(scene, run)

    await parked(scene)
    assert scene.stop_requests
    assert scene.given_back == 0  # not before it is resumed


async def test_how_long_it_had_rested_is_told_with_its_park(scene: Scene) -> None:
    run = scene.adopt(PAIR)
    scene.orchestrator.control.limits.rest(run)
    scene.clock.shown = NOW + 40
    pause(scene, run)

    park = (await scene.journal.commit()).park

    assert park is not None
    assert (park.rests, park.rested) == (0, 40)


async def test_a_body_and_its_callback_end_and_are_recorded_and_nothing_follows(
    scene: Scene,
) -> None:
    calls: list[object] = []
    run = scene.adopt(graph_of(a=told(calls), b={"dependencies": ["a"]}))
    attempt = scene.begin()
    pause(scene, run)
    assert not attempt.cancelled
    scene.executor.finish(attempt)
    scene.executor.run()
    assert rows_of(await scene.journal.commit()) == [("a", 1, "Completed")]

    assert calls == ["on_success"]
    assert run.life.held == [1]
    await parked(scene)


async def test_resumed_before_it_is_given_back_it_goes_on_with_what_was_held(scene: Scene) -> None:
    run = scene.adopt(graph_of(a={}, b={}, c={"dependencies": ["a"]}))
    attempt = scene.begin()
    pause(scene, run)
    scene.executor.finish(attempt)
    assert scene.queued() == []
    resume(scene, run)
    assert scene.queued() == []  # before a commit has found that it is still ours
    await scene.journal.commit()
    await scene.journal.commit()

    assert sorted(scene.queued()) == ["b", "c"]
    assert sorted(await scene.finish()) == [("b", 1, "Completed"), ("c", 1, "Completed")]
    assert [end.status for _, end in scene.ended] == ["Completed"]


async def test_what_was_prepared_ahead_waits_for_its_record_though_it_is_resumed_before(
    scene: Scene,
) -> None:
    """Else a body could run whose input is lost with this process."""
    run = scene.adopt(CHAIN)
    scene.executor.run()
    pause(scene, run)
    resume(scene, run)
    assert scene.queued() == []

    assert rows_of(await scene.journal.commit()) == [("a", 1, "Completed")]
    assert scene.queued() == ["b"]


async def test_a_run_that_is_being_given_back_does_not_go_on_here(scene: Scene) -> None:
    """Its next owner goes on: the table lets it be claimed at once."""
    run = scene.adopt(PAIR)
    pause(scene, run)
    resume(scene, run)
    assert scene.queued() == []

    await parked(scene)
    assert scene.given_back == 1  # the runner looks for it, as no other one may be there


async def test_a_retry_keeps_its_number_and_its_instant(scene: Scene) -> None:
    run = scene.adopt(graph_of(a={"body": fail, **BACK_OFF, "retry_delay_ms": 4_000}, b={}))
    scene.begin(1)
    scene.executor.run()
    await scene.journal.commit()
    pause(scene, run)
    assert (scene.retries(run), run.life.held) == ({}, [0])
    scene.clock.shown = NOW + 1 * SECOND
    await asyncio.sleep(60)
    assert scene.queued() == []
    resume(scene, run)
    await scene.journal.commit()
    await asyncio.sleep(2.99)
    assert scene.queued() == []
    await asyncio.sleep(0.02)

    assert scene.begin().number == 2


async def test_a_retry_that_fell_due_in_the_pause_is_due_when_the_run_goes_on(scene: Scene) -> None:
    run = scene.adopt(graph_of(a={"body": fail, **BACK_OFF, "retry_delay_ms": 4_000}, b={}))
    scene.begin(1)
    scene.executor.run()
    await scene.journal.commit()
    pause(scene, run)
    scene.clock.shown = NOW + 3600 * SECOND
    resume(scene, run)
    await scene.journal.commit()

    assert scene.begin().number == 2


async def test_an_attempt_that_waited_for_its_slot_begins_as_the_same_attempt(scene: Scene) -> None:
    past = [attempt_row("r", "a", 2, status=TaskStatus.RUNNING, crashes=1)]
    run = scene.adopt(graph_of(a={}, b={}), past=past, recoveries=1)
    await scene.journal.commit()  # the mark of a
    await scene.journal.commit()  # and of b
    assert scene.begin(1).task.id == "b"
    pause(scene, run)
    resume(scene, run)
    while scene.journal.waiting:
        await scene.journal.commit()
    attempt = scene.begin()

    assert (attempt.task.id, attempt.number, attempt.crashes) == ("a", 2, 1)


async def test_the_time_limit_stands_still() -> None:
    scene = Scene(pipeline_timeout_seconds=10, task_timeout_seconds=NO_LIMIT)
    scene.clock.shown = NOW
    run = scene.adopt(PAIR, started_at=NOW)
    scene.begin()

    async def passes(seconds: float) -> None:
        await asyncio.sleep(seconds)
        assert scene.clock.shown is not None
        scene.clock.shown += round(seconds * SECOND)

    await passes(4)
    pause(scene, run)
    await passes(3600)
    resume(scene, run)
    await scene.journal.commit()
    await passes(5.9)
    assert scene.journal.waiting == []
    await passes(0.2)
    await scene.journal.commit()

    assert [end.error_message for _, end in scene.ended] == ["Pipeline timeout after 10s"]
