"""Event triggers: they are defined, listed, switched on and off, and really fire."""

from __future__ import annotations

import asyncio
import functools
import queue
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from tables import each_row

import cloaca

PATIENCE = 60
"""Seconds until a test gives up; what it waits for comes well before."""
SOON = "20ms"

Began = queue.SimpleQueue[dict[str, Any]]
Define = Callable[..., Callable[[Any], Any]]


@pytest.fixture
def registry() -> cloaca.Registry:
    """One of the test's own: no trigger may outlive its test."""
    return cloaca.Registry()


@pytest.fixture
def trigger(registry: cloaca.Registry) -> Define:
    """``cloaca.trigger`` for that registry."""
    return functools.partial(cloaca.trigger, registry=registry)


@pytest.fixture
def open_runner(
    registry: cloaca.Registry, database_url: str
) -> Iterator[Callable[..., cloaca.DefaultRunner]]:
    """Opens runners that have that registry; all are closed at the test's end."""
    opened: list[cloaca.DefaultRunner] = []

    def open_one(**settings: Any) -> cloaca.DefaultRunner:
        config = cloaca.DefaultRunnerConfig(**{"shutdown_grace_seconds": 5, **settings})
        opened.append(cloaca.DefaultRunner(database_url, config=config, registry=registry))
        return opened[-1]

    yield open_one
    for runner in opened:
        runner.shutdown()


@pytest.fixture
def began(registry: cloaca.Registry) -> Began:
    """The contexts with which the runs of the workflow "orders" began."""
    contexts: Began = queue.SimpleQueue()
    with cloaca.WorkflowBuilder("orders", registry=registry):

        @cloaca.task
        def take(context: cloaca.Context) -> None:
            contexts.put(context.to_dict())

    return contexts


# -- define --------------------------------------------------------------------------------------


def test_a_decorated_function_stays_callable(trigger: Define) -> None:
    @trigger(on="orders", poll_interval="5s")
    def found() -> cloaca.TriggerResult:
        return cloaca.TriggerResult.fire(cloaca.Context({"a": 1}))

    result = found()

    assert result.is_fire_result()
    assert not result.is_skip_result()
    assert repr(result) == "TriggerResult.Fire(<context>)"
    assert repr(cloaca.TriggerResult.fire()) == "TriggerResult.Fire(None)"
    assert repr(cloaca.TriggerResult.skip()) == "TriggerResult.Skip"


@each_row(
    ("options", "message"),
    [
        ({"poll_interval": "zz"}, "Invalid poll_interval 'zz'"),
        ({"on": "w", "cron": "@daily", "poll_interval": "5s"}, "pick one"),
        ({"cron": "@daily"}, "requires 'on'"),
        ({"on": "w", "cron": "x"}, "Invalid cron expression or timezone"),
    ],
)
def test_wrong_options_are_refused_where_they_are_given(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        cloaca.trigger(**options)


# -- fire ----------------------------------------------------------------------------------------


@pytest.mark.each_backend
def test_a_trigger_fires_with_what_it_found(
    trigger: Define, open_runner: Callable[..., cloaca.DefaultRunner], began: Began
) -> None:
    numbers = iter(range(1000))

    @trigger(on="orders", poll_interval=SOON)
    def found() -> cloaca.TriggerResult:
        return cloaca.TriggerResult.fire(cloaca.Context({"number": next(numbers)}))

    runner = open_runner()
    first, second = began.get(timeout=PATIENCE), began.get(timeout=PATIENCE)

    assert first.keys() == {"number", "trigger_name", "triggered_at"}
    assert first["trigger_name"] == "found"
    assert [first["number"], second["number"]] == [0, 1]
    assert datetime.fromisoformat(first["triggered_at"]).utcoffset() is not None
    runner.set_trigger_enabled("found", False)
    for run in runner.list_runs():
        runner.get_run(run.id).wait()  # what is asked for twice must not change in between
    history = runner.get_trigger_execution_history("found")
    assert history[0].keys() == {
        "id",
        "schedule_id",
        "context_hash",
        "workflow_execution_id",
        "started_at",
        "completed_at",
        "created_at",
        "updated_at",
    }
    assert {row["workflow_execution_id"] for row in history} == {
        run.id for run in runner.list_runs()
    }
    times = [row["started_at"] for row in history]
    assert times == sorted(times, reverse=True)
    assert runner.get_trigger_execution_history("found", 1, 1) == history[1:2]


def test_an_async_trigger_that_says_true_fires_an_empty_context(
    trigger: Define, runner: cloaca.DefaultRunner, began: Began
) -> None:
    @trigger(name="nightly", on="orders", poll_interval=SOON)  # after opening
    async def found() -> bool:
        await asyncio.sleep(0)
        return True

    assert began.get(timeout=PATIENCE).keys() == {"trigger_name", "triggered_at"}


def test_a_list_makes_a_run_of_each(
    trigger: Define, open_runner: Callable[..., cloaca.DefaultRunner], began: Began
) -> None:
    polls: queue.SimpleQueue[str] = queue.SimpleQueue()

    @trigger(on="orders", poll_interval=SOON)
    def found() -> list[cloaca.TriggerResult]:
        polls.put("polled")
        fire = cloaca.TriggerResult.fire
        return [fire({"n": n}, idempotency_key=f"order {n}") for n in range(3)]

    runner = open_runner()
    contexts = [began.get(timeout=PATIENCE) for _ in range(3)]

    assert sorted(context["n"] for context in contexts) == [0, 1, 2]
    for _ in range(polls.qsize() + 2):  # the last one may not have been written
        polls.get(timeout=PATIENCE)
    assert len(runner.get_trigger_execution_history("found")) == 3  # each key once


def test_one_that_hangs_and_one_that_raises_stop_no_other(
    trigger: Define, open_runner: Callable[..., cloaca.DefaultRunner], began: Began
) -> None:
    release, hanging = threading.Event(), threading.Barrier(3)

    @trigger(on="orders", poll_interval=SOON)
    def hangs() -> bool:
        hanging.wait(PATIENCE)
        return not release.wait()

    @trigger(on="orders", poll_interval=SOON)
    async def hangs_async() -> bool:
        hanging.wait(PATIENCE)  # blocks the loop that it runs on
        return not release.wait()

    @trigger(on="orders", poll_interval=SOON)
    def raises() -> bool:
        raise RuntimeError("no")

    @trigger(on="orders", poll_interval=SOON)
    def returns_nothing() -> None:
        pass

    @trigger(on="orders", poll_interval=SOON)
    def fires_too_much() -> cloaca.TriggerResult:
        return cloaca.TriggerResult.fire({"n": "x" * 2000})

    runner = open_runner(max_context_bytes=1024)
    hanging.wait(PATIENCE)

    @trigger(on="orders", poll_interval=SOON)
    async def found() -> bool:
        return True

    assert began.get(timeout=PATIENCE)["trigger_name"] == "found"
    failing = {"raises", "returns_nothing", "fires_too_much"}
    while runner.health()["failing_triggers"].keys() != failing:
        pass
    release.set()


def test_shutdown_waits_for_no_trigger(
    trigger: Define, open_runner: Callable[..., cloaca.DefaultRunner], began: Began
) -> None:
    entered, release = threading.Event(), threading.Event()

    @trigger(on="orders", poll_interval=SOON)
    def hangs() -> bool:
        entered.set()
        return release.wait()

    runner = open_runner(shutdown_grace_seconds=600)
    assert entered.wait(PATIENCE)
    runner.shutdown()
    release.set()

    again = open_runner(enable_cron_scheduling=False)
    assert again.list_runs() == []  # what was fired after the shutdown is dropped


def test_while_a_run_with_the_same_context_is_active_no_other_begins(
    trigger: Define,
    registry: cloaca.Registry,
    open_runner: Callable[..., cloaca.DefaultRunner],
) -> None:
    release, polls = threading.Event(), queue.SimpleQueue[str]()
    with cloaca.WorkflowBuilder("slow", registry=registry):

        @cloaca.task
        def hold(context: cloaca.Context) -> None:
            release.wait(PATIENCE)

    def found() -> bool:
        polls.put("polled")
        return True

    trigger(name="alone", on="slow", poll_interval=SOON)(found)
    runner = open_runner()
    for _ in range(4):
        polls.get(timeout=PATIENCE)
    assert len(runner.get_trigger_execution_history("alone")) == 1

    trigger(name="beside", on="slow", poll_interval=SOON, allow_concurrent=True)(found)
    while len(runner.get_trigger_execution_history("beside")) < 3:
        polls.get(timeout=PATIENCE)
    assert len(runner.get_trigger_execution_history("alone")) == 1
    release.set()


def test_a_workflow_that_is_registered_later_is_run_from_then_on(
    trigger: Define,
    registry: cloaca.Registry,
    runner: cloaca.DefaultRunner,
) -> None:
    done: queue.SimpleQueue[str] = queue.SimpleQueue()
    trigger(name="early", on="later", poll_interval=SOON)(lambda: True)

    with cloaca.WorkflowBuilder("later", registry=registry):

        @cloaca.task
        def take(context: cloaca.Context) -> None:
            done.put(context["trigger_name"])

    assert done.get(timeout=PATIENCE) == "early"


def test_a_cron_trigger_fires_at_each_tick_and_does_not_call_its_function(
    trigger: Define, open_runner: Callable[..., cloaca.DefaultRunner], began: Began
) -> None:
    @trigger(on="orders", cron="* * * * * *", timezone="Europe/Berlin")
    def each_second() -> bool:
        raise AssertionError("as in 0.x, it is not called")

    runner = open_runner()
    first, second = began.get(timeout=PATIENCE), began.get(timeout=PATIENCE)

    assert first["trigger_name"] == "each_second"
    assert first["schedule_timezone"] == "Europe/Berlin"
    assert first["scheduled_time"] < second["scheduled_time"]
    assert runner.get_trigger_execution_history("each_second") != []
    assert runner.list_cron_schedules() == []


def test_without_cron_scheduling_nothing_is_polled(
    trigger: Define, open_runner: Callable[..., cloaca.DefaultRunner], began: Began
) -> None:
    polled = threading.Event()

    @trigger(name="t", on="orders", poll_interval=SOON)
    def poll() -> bool:
        polled.set()
        return False

    idle = open_runner(enable_cron_scheduling=False)

    assert [each["trigger_name"] for each in idle.list_trigger_schedules()] == ["t"]
    idle.execute("orders").raise_for_status()
    assert not polled.is_set()

    open_runner()
    assert polled.wait(PATIENCE)


# -- look and change -----------------------------------------------------------------------------


def test_triggers_are_listed_as_in_0_x(trigger: Define, runner: cloaca.DefaultRunner) -> None:
    trigger(name="b", on="orders", poll_interval="1m", allow_concurrent=True)(lambda: True)
    trigger(name="a")(lambda: True)

    declared, polled = runner.list_trigger_schedules()

    assert polled == {
        "id": polled["id"],
        "trigger_name": "b",
        "workflow_name": "orders",
        "poll_interval_ms": 60_000,
        "allow_concurrent": True,
        "enabled": True,
        "last_poll_at": None,
        "created_at": polled["created_at"],
        "updated_at": polled["updated_at"],
        # Beyond 0.x: the polls that failed in a row.
        "failed_polls": 0,
        "failing_since": None,
        "last_error": None,
    }
    assert isinstance(polled["id"], str)
    assert datetime.fromisoformat(polled["created_at"]).utcoffset() is not None
    assert (declared["workflow_name"], declared["poll_interval_ms"]) == (None, 30_000)
    assert runner.list_trigger_schedules(limit=1, offset=1) == [polled]
    assert runner.get_trigger_schedule("b") == polled
    assert runner.get_trigger_schedule("none") is None
    assert runner.get_trigger_execution_history("none") == []
    runner.set_trigger_enabled("none", True)


def test_a_disabled_trigger_stays_so_when_it_is_registered_again(
    trigger: Define, open_runner: Callable[..., cloaca.DefaultRunner], began: Began
) -> None:
    def found() -> bool:
        return True

    trigger(on="orders", poll_interval="1h")(found)
    first = open_runner()
    first.set_trigger_enabled("found", False)
    first.shutdown()

    trigger(on="orders", poll_interval=SOON)(found)
    again = open_runner()
    listed = again.get_trigger_schedule("found")
    assert listed is not None
    assert (listed["enabled"], listed["poll_interval_ms"]) == (False, 20)
    assert again.list_trigger_schedules(enabled_only=True) == []
    again.set_trigger_enabled("found", True)

    assert began.get(timeout=PATIENCE)["trigger_name"] == "found"


def test_the_async_runner_answers_the_same(
    trigger: Define, registry: cloaca.Registry, database_url: str, began: Began
) -> None:
    trigger(name="t", on="orders", poll_interval=SOON)(lambda: True)

    async def ask() -> tuple[list[dict[str, Any]], dict[str, Any] | None, list[dict[str, Any]]]:
        async with cloaca.AsyncRunner(database_url, registry=registry) as runner:
            await asyncio.to_thread(began.get, timeout=PATIENCE)
            await runner.set_trigger_enabled("t", False)
            return (
                await runner.list_trigger_schedules(),
                await runner.get_trigger_schedule("t"),
                await runner.get_trigger_execution_history("t", limit=1),
            )

    (listed,), found, history = asyncio.run(ask())

    assert listed == found
    assert (listed["trigger_name"], listed["enabled"]) == ("t", False)
    assert history[0]["schedule_id"] == listed["id"]
