"""The policies of a schedule whose earlier runs have not ended: skip, queue, cancel the old ones.

Its ticks come when a test says so: the clock that they are due by stands still meanwhile. That they
come by themselves is what 35 shows.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

import cloaca

PATIENCE = 60
"""Seconds until a test gives up."""
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


class Seconds:
    """The clock of ticks: it stands still an hour ago but for the seconds that are let pass."""

    def __init__(self) -> None:
        self._now = (int(time.time()) - 3600) * 1_000_000

    def govern(self, runner: cloaca.DefaultRunner) -> cloaca.DefaultRunner:
        store: Any = runner._host.engine.store

        async def now() -> int:
            return self._now

        store.now = now
        return runner

    def let_pass(self, runner: cloaca.DefaultRunner, count: int = 1) -> None:
        """Have the runner fire what is due at each; returns when it has."""
        for _ in range(count):
            self._now += 1_000_000
            runner._host.send(self._fire).result(PATIENCE)

    @staticmethod
    async def _fire(engine: Any) -> None:
        while await engine.schedule_loop.fire_due() == 0.0:
            continue


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def runner(
    open_runner: Callable[..., cloaca.DefaultRunner], seconds: Seconds
) -> cloaca.DefaultRunner:
    """One that does not wait for the last coroutine, which nothing ends."""
    return seconds.govern(open_runner(shutdown_grace_seconds=0))


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


def ids_of(runner: cloaca.DefaultRunner, schedule_id: str) -> list[str | None]:
    """The runs of a schedule's ticks, oldest first."""
    history = runner.get_cron_execution_history(schedule_id)
    return [row["workflow_execution_id"] for row in reversed(history)]


# -- skip ----------------------------------------------------------------------------------------


@pytest.mark.each_backend
def test_ticks_are_skipped_until_the_run_has_ended(
    runner: cloaca.DefaultRunner, gate: Gate, seconds: Seconds
) -> None:
    schedule_id = runner.schedule("s", "tick", EVERY_SECOND, "UTC", overlap_policy="skip")
    seconds.let_pass(runner, 4)
    first, first_time = gate.begun.get(timeout=PATIENCE)

    gate.let_go()
    runner.get_run(first).result(PATIENCE)
    seconds.let_pass(runner)
    second, second_time = gate.begun.get(timeout=PATIENCE)

    passed = datetime.fromisoformat(second_time) - datetime.fromisoformat(first_time)
    assert passed == timedelta(seconds=4)
    assert ids_of(runner, schedule_id) == [first, None, None, None, second]
    assert runner.get_cron_schedule(schedule_id)["last_run_at"] == second_time
    stats = runner.get_cron_execution_stats("2020-01-01T00:00:00Z")
    assert stats["lost_executions"] == 3


# -- queue ---------------------------------------------------------------------------------------


def test_runs_queue_and_start_one_after_the_other_in_the_order_of_their_ticks(
    runner: cloaca.DefaultRunner, gate: Gate, seconds: Seconds
) -> None:
    schedule_id = runner.schedule("s", "tick", EVERY_SECOND, "UTC", overlap_policy="queue")
    seconds.let_pass(runner, 4)
    first, _ = gate.begun.get(timeout=PATIENCE)
    ids = ids_of(runner, schedule_id)
    waiting = [runner.get_run(str(run_id)).status() for run_id in ids[1:]]
    assert waiting == ["Pending"] * 3

    gate.let_go(len(ids))

    begun = [first, *(gate.begun.get(timeout=PATIENCE)[0] for _ in ids[1:])]
    assert begun == ids
    assert runner.get_run(begun[-1]).result(PATIENCE).status == "Completed"
    assert gate.at_once == 1
    assert runner.get_cron_execution_stats("2020-01-01T00:00:00Z")["lost_executions"] == 0


def test_a_run_that_failed_lets_the_next_one_start(
    runner: cloaca.DefaultRunner, seconds: Seconds
) -> None:
    begun: queue.SimpleQueue[str] = queue.SimpleQueue()
    held = threading.Semaphore(0)
    with cloaca.WorkflowBuilder("broken"):

        @cloaca.task(retry_attempts=1)
        def breaks(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            begun.put(handle.run_id)
            held.acquire()
            raise ValueError("no")

    schedule_id = runner.schedule("s", "broken", EVERY_SECOND, "UTC", overlap_policy="queue")
    seconds.let_pass(runner, 3)
    first = begun.get(timeout=PATIENCE)

    held.release(1000)

    ids = ids_of(runner, schedule_id)
    assert ids[0] == first
    assert [runner.get_run(str(each)).result(PATIENCE).status for each in ids] == ["Failed"] * 3


def test_queued_runs_go_on_in_their_order_when_their_schedule_is_deleted(
    runner: cloaca.DefaultRunner, gate: Gate, seconds: Seconds
) -> None:
    schedule_id = runner.schedule("s", "tick", EVERY_SECOND, "UTC", overlap_policy="queue")
    seconds.let_pass(runner, 4)
    first, _ = gate.begun.get(timeout=PATIENCE)

    runner.delete_cron_schedule(schedule_id)
    ids = ids_of(runner, schedule_id)
    gate.let_go(len(ids))

    assert len(ids) == 4
    assert [first, *(gate.begun.get(timeout=PATIENCE)[0] for _ in ids[1:])] == ids
    assert gate.at_once == 1


def test_after_a_change_to_allow_new_runs_start_beside_those_that_wait(
    runner: cloaca.DefaultRunner, gate: Gate, seconds: Seconds
) -> None:
    schedule_id = runner.schedule("s", "tick", EVERY_SECOND, "UTC", overlap_policy="queue")
    seconds.let_pass(runner, 3)
    first, _ = gate.begun.get(timeout=PATIENCE)

    assert runner.schedule("s", "tick", EVERY_SECOND, "UTC") == schedule_id
    seconds.let_pass(runner)
    beside, _ = gate.begun.get(timeout=PATIENCE)

    assert runner.get_cron_schedule(schedule_id)["overlap_policy"] == "allow"
    ids = ids_of(runner, schedule_id)
    assert (ids[0], ids[3:]) == (first, [beside])
    assert runner.get_run(str(ids[1])).status() == "Pending"
    gate.let_go(len(ids))
    for run_id in ids:
        assert runner.get_run(str(run_id)).result(PATIENCE).status == "Completed"


# -- cancel_old ----------------------------------------------------------------------------------


def test_a_tick_ends_the_run_of_the_one_before_and_stops_its_coroutine(
    runner: cloaca.DefaultRunner, begun: Begun, seconds: Seconds
) -> None:
    schedule_id = runner.schedule("s", "wait", EVERY_SECOND, "UTC", overlap_policy="cancel_old")
    seconds.let_pass(runner)
    first, _ = begun.get(timeout=PATIENCE)

    seconds.let_pass(runner)
    result = runner.get_run(first).result(PATIENCE)
    events = {begun.get(timeout=PATIENCE) for _ in range(2)}

    assert (first, "stopped") in events
    assert result.status == "Cancelled"
    assert result.error is not None
    assert result.error.startswith(f"cancelled by schedule 's' ({schedule_id}): its tick of ")
    assert result.task_results["wait"].status == "Cancelled"
    assert result.final_context["schedule_id"] == schedule_id
    assert [run.id for run in runner.list_runs(status="Cancelled")] == [first]
    with pytest.raises(cloaca.RunFailedError, match="is Cancelled"):
        result.raise_for_status()


def test_its_children_are_cancelled_with_it(runner: cloaca.DefaultRunner, seconds: Seconds) -> None:
    stops = queue.SimpleQueue[str]()
    made: Begun = queue.SimpleQueue()

    with cloaca.WorkflowBuilder("child"):

        @cloaca.task
        def work(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            made.put((context["parent"], handle.run_id))
            while not handle.cancelled:
                time.sleep(0.01)
            stops.put(handle.run_id)

    with cloaca.WorkflowBuilder("parent"):

        @cloaca.task
        def make(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            runner.submit("child", {"parent": handle.run_id})
            while not handle.cancelled:
                time.sleep(0.01)

    runner.schedule("s", "parent", EVERY_SECOND, "UTC", overlap_policy="cancel_old")
    seconds.let_pass(runner)
    first, child = made.get(timeout=PATIENCE)

    seconds.let_pass(runner)

    assert runner.get_run(first).result(PATIENCE).status == "Cancelled"
    result = runner.get_run(child).result(PATIENCE)
    assert result.status == "Cancelled"
    assert str(result.error).startswith("cancelled by schedule 's'")
    assert stops.get(timeout=PATIENCE) == child
    runner.cancel(made.get(timeout=PATIENCE)[0])


def test_what_a_thread_body_still_returns_is_not_taken(
    open_runner: Callable[..., cloaca.DefaultRunner], gate: Gate, seconds: Seconds
) -> None:
    runner = seconds.govern(open_runner(max_concurrent_tasks=1))
    schedule_id = runner.schedule("s", "tick", EVERY_SECOND, "UTC", overlap_policy="cancel_old")
    seconds.let_pass(runner)
    first, _ = gate.begun.get(timeout=PATIENCE)
    seconds.let_pass(runner)
    second, _ = gate.begun.get(timeout=PATIENCE)  # in a thread that takes the place of the first's

    gate.let_go(1000)

    assert ids_of(runner, schedule_id) == [first, second]
    assert runner.get_run(second).result(PATIENCE).final_context["taken"] is True
    result = runner.get_run(first).result(PATIENCE)
    assert result.status == "Cancelled"
    assert "taken" not in result.final_context


@pytest.mark.each_backend
def test_a_run_of_another_runner_is_stopped_there(
    open_runner: Callable[..., cloaca.DefaultRunner], begun: Begun, seconds: Seconds
) -> None:
    working = open_runner(enable_cron_scheduling=False, shutdown_grace_seconds=0)
    opened = open_runner(shutdown_grace_seconds=0, start=False)  # fires all the same
    firing = seconds.govern(opened)
    firing.schedule("s", "wait", EVERY_SECOND, "UTC", overlap_policy="cancel_old")
    seconds.let_pass(firing)
    first, _ = begun.get(timeout=PATIENCE)

    seconds.let_pass(firing)
    assert working.get_run(first).result(PATIENCE).status == "Cancelled"
    assert firing.get_run(first).result(PATIENCE).status == "Cancelled"
    events = {begun.get(timeout=PATIENCE) for _ in range(2)}

    assert (first, "stopped") in events
    assert len({run_id for run_id, _ in events}) == 2


def test_queued_runs_are_cancelled_after_a_change_to_cancel_old(
    runner: cloaca.DefaultRunner, begun: Begun, seconds: Seconds
) -> None:
    schedule_id = runner.schedule("s", "wait", EVERY_SECOND, "UTC", overlap_policy="queue")
    seconds.let_pass(runner, 4)
    first, _ = begun.get(timeout=PATIENCE)

    runner.schedule("s", "wait", EVERY_SECOND, "UTC", overlap_policy="cancel_old")
    seconds.let_pass(runner)
    assert runner.get_run(first).result(PATIENCE).status == "Cancelled"

    *old, new = ids_of(runner, schedule_id)
    assert len(old) == 4
    for run_id in old:
        assert runner.get_run(str(run_id)).result(PATIENCE).status == "Cancelled"
    assert runner.get_run(str(new)).status() in {"Pending", "Running"}


# -- another workflow ----------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["skip", "queue"])
def test_a_schedule_that_is_moved_does_not_meet_runs_of_the_workflow_before(
    runner: cloaca.DefaultRunner,
    gate: Gate,
    begun: Begun,
    seconds: Seconds,
    policy: cloaca.OverlapPolicyName,
) -> None:
    runner.schedule("s", "tick", EVERY_SECOND, "UTC", overlap_policy=policy)
    seconds.let_pass(runner)
    gate.begun.get(timeout=PATIENCE)

    runner.schedule("s", "wait", EVERY_SECOND, "UTC", overlap_policy=policy)
    seconds.let_pass(runner)

    begun.get(timeout=PATIENCE)
