"""What a schedule does while its earlier runs have not ended: skip, queue, cancel the old ones."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest

import cloaca

PATIENCE = 30
"""Seconds until a test gives up; a schedule of every second fires well before."""
EVERY_SECOND = "* * * * * *"

Begun = queue.SimpleQueue[tuple[str, str]]
"""Run and time of the tick, of each body that has begun."""


class Gate:
    """Holds bodies in threads until they are let go, and counts those that are held."""

    def __init__(self) -> None:
        self.begun: Begun = queue.SimpleQueue()
        self.at_once = 0
        self._held = 0
        self._lock = threading.Lock()
        self._pass = threading.Semaphore(0)

    def hold(self, context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
        with self._lock:
            self._held += 1
            self.at_once = max(self.at_once, self._held)
        self.begun.put((handle.run_id, context["scheduled_time"]))
        self._pass.acquire()
        with self._lock:
            self._held -= 1

    def let_go(self, count: int = 1) -> None:
        self._pass.release(count)


@pytest.fixture
def runner(open_runner: Callable[..., cloaca.DefaultRunner]) -> cloaca.DefaultRunner:
    """One that does not wait for the last coroutine, which nothing ends."""
    return open_runner(shutdown_grace_seconds=0)


@pytest.fixture
def gate() -> Iterator[Gate]:
    """The workflow "tick" is held at this one."""
    held = Gate()
    with cloaca.WorkflowBuilder("tick"):

        @cloaca.task
        def take(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            held.hold(context, handle)
            context["taken"] = True

    yield held
    held.let_go(1000)


@pytest.fixture
def begun() -> Begun:
    """Of the coroutines of the workflow "wait", which only a cancellation ends."""
    bodies: Begun = queue.SimpleQueue()
    with cloaca.WorkflowBuilder("wait"):

        @cloaca.task
        async def wait(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            bodies.put((handle.run_id, context["scheduled_time"]))
            try:
                await asyncio.Event().wait()
            finally:
                bodies.put((handle.run_id, "stopped"))

    return bodies


def pass_seconds(runner: cloaca.DefaultRunner, count: int) -> None:
    """Return when so many further ticks of every second have been decided."""
    beats: queue.SimpleQueue[None] = queue.SimpleQueue()
    with cloaca.WorkflowBuilder("beat"):

        @cloaca.task
        def beat(context: cloaca.Context) -> None:
            beats.put(None)

    schedule_id = runner.schedule("beat", "beat", EVERY_SECOND, "UTC")
    for _ in range(count):
        beats.get(timeout=PATIENCE)
    runner.delete_cron_schedule(schedule_id)


def ids_of(runner: cloaca.DefaultRunner, schedule_id: str) -> list[str | None]:
    """The runs of a schedule's ticks, oldest first."""
    history = runner.get_cron_execution_history(schedule_id)
    return [row["workflow_execution_id"] for row in reversed(history)]


# -- skip ----------------------------------------------------------------------------------------


def test_ticks_are_skipped_until_the_run_has_ended(
    runner: cloaca.DefaultRunner, gate: Gate
) -> None:
    schedule_id = runner.schedule("s", "tick", EVERY_SECOND, "UTC", overlap_policy="skip")
    first, first_time = gate.begun.get(timeout=PATIENCE)

    pass_seconds(runner, 3)
    assert ids_of(runner, schedule_id)[:2] == [first, None]
    gate.let_go()
    second, second_time = gate.begun.get(timeout=PATIENCE)
    runner.set_cron_schedule_enabled(schedule_id, False)

    assert datetime.fromisoformat(second_time) - datetime.fromisoformat(first_time) >= timedelta(
        seconds=2
    )
    ids = ids_of(runner, schedule_id)
    assert [each for each in ids if each is not None] == [first, second]
    assert runner.get_cron_schedule(schedule_id)["last_run_at"] == second_time
    stats = runner.get_cron_execution_stats("2020-01-01T00:00:00Z")
    assert stats["lost_executions"] == ids.count(None) >= 1


# -- queue ---------------------------------------------------------------------------------------


def test_runs_queue_and_start_one_after_the_other_in_the_order_of_their_ticks(
    runner: cloaca.DefaultRunner, gate: Gate
) -> None:
    schedule_id = runner.schedule("s", "tick", EVERY_SECOND, "UTC", overlap_policy="queue")
    first, _ = gate.begun.get(timeout=PATIENCE)
    pass_seconds(runner, 3)
    runner.set_cron_schedule_enabled(schedule_id, False)
    ids = ids_of(runner, schedule_id)
    waiting = [runner.get_run(str(run_id)).status() for run_id in ids[1:]]
    assert len(waiting) >= 2
    assert set(waiting) == {"Pending"}

    gate.let_go(len(ids))

    begun = [first, *(gate.begun.get(timeout=PATIENCE)[0] for _ in ids[1:])]
    assert begun == ids
    assert runner.get_run(begun[-1]).result(PATIENCE).status == "Completed"
    assert gate.at_once == 1
    assert runner.get_cron_execution_stats("2020-01-01T00:00:00Z")["lost_executions"] == 0


def test_a_run_that_failed_lets_the_next_one_start(runner: cloaca.DefaultRunner) -> None:
    begun: queue.SimpleQueue[str] = queue.SimpleQueue()
    held = threading.Semaphore(0)
    with cloaca.WorkflowBuilder("broken"):

        @cloaca.task(retry_attempts=1)
        def breaks(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            begun.put(handle.run_id)
            held.acquire()
            raise ValueError("no")

    schedule_id = runner.schedule("s", "broken", EVERY_SECOND, "UTC", overlap_policy="queue")
    first = begun.get(timeout=PATIENCE)
    pass_seconds(runner, 2)
    runner.set_cron_schedule_enabled(schedule_id, False)

    held.release(1000)

    assert runner.get_run(first).result(PATIENCE).status == "Failed"
    for run_id in ids_of(runner, schedule_id)[1:]:
        assert runner.get_run(str(run_id)).result(PATIENCE).status == "Failed"


def test_queued_runs_go_on_in_their_order_when_their_schedule_is_deleted(
    runner: cloaca.DefaultRunner, gate: Gate
) -> None:
    schedule_id = runner.schedule("s", "tick", EVERY_SECOND, "UTC", overlap_policy="queue")
    first, _ = gate.begun.get(timeout=PATIENCE)
    pass_seconds(runner, 3)

    runner.delete_cron_schedule(schedule_id)
    ids = ids_of(runner, schedule_id)
    gate.let_go(len(ids))

    assert [first, *(gate.begun.get(timeout=PATIENCE)[0] for _ in ids[1:])] == ids
    assert gate.at_once == 1


def test_after_a_change_to_allow_new_runs_start_beside_those_that_wait(
    runner: cloaca.DefaultRunner, gate: Gate
) -> None:
    schedule_id = runner.schedule("s", "tick", EVERY_SECOND, "UTC", overlap_policy="queue")
    first, _ = gate.begun.get(timeout=PATIENCE)
    pass_seconds(runner, 2)

    assert runner.schedule("s", "tick", EVERY_SECOND, "UTC") == schedule_id
    beside, _ = gate.begun.get(timeout=PATIENCE)

    assert runner.get_cron_schedule(schedule_id)["overlap_policy"] == "allow"
    runner.set_cron_schedule_enabled(schedule_id, False)
    ids = ids_of(runner, schedule_id)
    assert ids[0] == first
    assert ids.index(beside) >= 2
    assert runner.get_run(str(ids[1])).status() == "Pending"
    gate.let_go(len(ids))
    for run_id in ids:
        assert runner.get_run(str(run_id)).result(PATIENCE).status == "Completed"


# -- cancel_old ----------------------------------------------------------------------------------


def test_a_tick_ends_the_run_of_the_one_before_and_stops_its_coroutine(
    runner: cloaca.DefaultRunner, begun: Begun
) -> None:
    schedule_id = runner.schedule("s", "wait", EVERY_SECOND, "UTC", overlap_policy="cancel_old")
    first, _ = begun.get(timeout=PATIENCE)

    result = runner.get_run(first).result(PATIENCE)
    events = {begun.get(timeout=PATIENCE) for _ in range(2)}
    runner.set_cron_schedule_enabled(schedule_id, False)

    assert (first, "stopped") in events
    assert result.status == "Cancelled"
    assert result.error is not None
    assert result.error.startswith(f"cancelled by schedule 's' ({schedule_id}): its tick of ")
    assert result.task_results["wait"].status == "Cancelled"
    assert result.final_context["schedule_id"] == schedule_id
    assert first in [run.id for run in runner.list_runs(status="Cancelled")]
    with pytest.raises(cloaca.RunFailedError, match="is Cancelled"):
        result.raise_for_status()


def test_what_a_thread_body_still_returns_is_not_taken(
    open_runner: Callable[..., cloaca.DefaultRunner], gate: Gate
) -> None:
    runner = open_runner(max_concurrent_tasks=1)
    schedule_id = runner.schedule("s", "tick", EVERY_SECOND, "UTC", overlap_policy="cancel_old")
    first, _ = gate.begun.get(timeout=PATIENCE)
    second, _ = gate.begun.get(timeout=PATIENCE)  # in a thread that takes the place of the first's
    runner.set_cron_schedule_enabled(schedule_id, False)

    gate.let_go(1000)

    last = str(ids_of(runner, schedule_id)[-1])
    assert runner.get_run(last).result(PATIENCE).final_context["taken"] is True
    result = runner.get_run(first).result(PATIENCE)
    assert result.status == "Cancelled"
    assert "taken" not in result.final_context
    assert second in ids_of(runner, schedule_id)


def test_a_run_of_another_runner_is_stopped_there(
    open_runner: Callable[..., cloaca.DefaultRunner], begun: Begun
) -> None:
    working = open_runner(enable_cron_scheduling=False, shutdown_grace_seconds=0)
    firing = open_runner(shutdown_grace_seconds=0)
    firing.stop()  # claims nothing; schedules fire all the same
    schedule_id = firing.schedule("s", "wait", EVERY_SECOND, "UTC", overlap_policy="cancel_old")
    first, _ = begun.get(timeout=PATIENCE)

    assert working.get_run(first).result(PATIENCE).status == "Cancelled"
    assert firing.get_run(first).result(PATIENCE).status == "Cancelled"
    events = {begun.get(timeout=PATIENCE) for _ in range(2)}
    firing.set_cron_schedule_enabled(schedule_id, False)

    assert (first, "stopped") in events
    assert len({run_id for run_id, _ in events}) == 2


def test_queued_runs_are_cancelled_after_a_change_to_cancel_old(
    runner: cloaca.DefaultRunner, begun: Begun
) -> None:
    schedule_id = runner.schedule("s", "wait", EVERY_SECOND, "UTC", overlap_policy="queue")
    first, _ = begun.get(timeout=PATIENCE)
    pass_seconds(runner, 3)

    runner.schedule("s", "wait", EVERY_SECOND, "UTC", overlap_policy="cancel_old")
    assert runner.get_run(first).result(PATIENCE).status == "Cancelled"
    runner.set_cron_schedule_enabled(schedule_id, False)

    *old, _ = ids_of(runner, schedule_id)
    assert len(old) >= 2
    for run_id in old:
        assert runner.get_run(str(run_id)).result(PATIENCE).status == "Cancelled"


# -- another workflow ----------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["skip", "queue"])
def test_a_schedule_that_is_moved_does_not_meet_runs_of_the_workflow_before(
    runner: cloaca.DefaultRunner, gate: Gate, begun: Begun, policy: str
) -> None:
    runner.schedule("s", "tick", EVERY_SECOND, "UTC", overlap_policy=policy)
    gate.begun.get(timeout=PATIENCE)

    runner.schedule("s", "wait", EVERY_SECOND, "UTC", overlap_policy=policy)

    begun.get(timeout=PATIENCE)
