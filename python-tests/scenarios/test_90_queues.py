"""Queues: which runner may run a task, and how a run moves to the one that serves what is ready."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from scenarios.steering import until

import cloaca

OpenRunner = Callable[..., cloaca.DefaultRunner]


def define_training() -> None:
    """Tasks in two queues: the usual one, then "gpu", then the usual one again."""
    with cloaca.WorkflowBuilder("training"):

        @cloaca.task
        def load(context: cloaca.Context) -> dict[str, list[str]]:
            return {"trail": ["load"]}

        @cloaca.task(dependencies=[load], queue="gpu")
        def train(context: cloaca.Context) -> dict[str, list[str]]:
            return {"trail": [*context["trail"], "train"]}

        @cloaca.task(dependencies=[train])
        def report(context: cloaca.Context) -> dict[str, list[str]]:
            return {"trail": [*context["trail"], "report"]}


def define_plain(name: str = "plain", queue: str | None = None) -> None:
    """One task that names no queue."""
    builder = cloaca.WorkflowBuilder(name)
    if queue is not None:
        builder.queue(queue)
    with builder:

        @cloaca.task
        def only(context: cloaca.Context) -> None: ...


def runners_of(run: cloaca.RunHandle) -> dict[str, str | None]:
    """The runner of each task's last attempt."""
    return {each.task_id: each.runner for each in run.attempts()}


# -- the run travels -------------------------------------------------------------------------------


@pytest.mark.each_backend
def test_a_run_moves_to_the_runner_that_serves_its_next_task_and_back(
    open_runner: OpenRunner,
) -> None:
    define_training()
    usual = open_runner(runner_id="usual", queues=["default"])
    open_runner(runner_id="gpu", queues=["gpu"])

    run = usual.submit("training")

    assert run.result(timeout=60).final_context["trail"] == ["load", "train", "report"]
    assert runners_of(run) == {"load": "usual", "train": "gpu", "report": "usual"}


@pytest.mark.each_backend
def test_a_runner_without_queues_serves_all_also_one_that_another_program_names(
    open_runner: OpenRunner, database_url: str
) -> None:
    define_training()
    define_plain()
    every = open_runner(runner_id="every")
    gpu = open_runner(runner_id="gpu", queues=["gpu"])
    gpu.shutdown()

    moved = every.submit("training").result(timeout=60)
    with cloaca.Client(database_url) as client:
        named = client.submit("plain", queue="of another program")
        assert named.result(timeout=60).status == "Completed"
        assert runners_of(named) == {"only": "every"}

    assert moved.status == "Completed"


@pytest.mark.each_backend
def test_a_submission_and_a_workflow_name_the_queue_of_tasks_without_one(
    open_runner: OpenRunner,
) -> None:
    define_plain("in the builder", queue="big")
    define_plain()
    usual = open_runner(runner_id="usual", queues=["default"])
    open_runner(runner_id="big", queues=["big"])

    runs = [
        usual.submit("plain"),
        usual.submit("plain", queue="big"),
        usual.submit("in the builder"),
        usual.submit("in the builder", queue="default"),
        *usual.submit_many("plain", [None], queue="big"),
    ]

    for run in runs:
        run.result(timeout=60)
    assert [runners_of(run)["only"] for run in runs] == ["usual", "big", "big", "usual", "big"]
    assert [run.info().queue for run in runs] == ["default", "big", "big", "default", "big"]


def test_a_body_submits_to_a_queue_and_waits_for_a_run_of_another_runner(
    open_runner: OpenRunner,
) -> None:
    define_plain()
    opened: list[cloaca.DefaultRunner] = []
    with cloaca.WorkflowBuilder("parent"):

        @cloaca.task
        def asks(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, str]:
            child = handle.submit("plain", queue="big")
            return {"child": child.id, "own": opened[0].execute("plain", queue="big").status}

    opened.append(open_runner(runner_id="usual", queues=["default"]))
    open_runner(runner_id="big", queues=["big"])

    ended = opened[0].execute("parent", timeout=60)

    child = opened[0].get_run(ended.final_context["child"])
    child.result(timeout=60)
    assert (ended.final_context["own"], runners_of(child)) == ("Completed", {"only": "big"})


@pytest.mark.each_backend
def test_children_of_nodes_and_bodies_run_where_these_ask_or_where_their_workflow_does(
    open_runner: OpenRunner,
) -> None:
    define_plain()
    define_plain("card", queue="big")
    with cloaca.WorkflowBuilder("parent"):
        first = cloaca.child("first", "plain", queue="big")
        cloaca.child("second", "card", dependencies=[first])
        third = cloaca.loop(
            "third",
            "plain",
            until=cloaca.context_value("n", "==", 1),
            max_iterations=1,
            queue="big",
            dependencies=["second"],
        )

        @cloaca.task(dependencies=[third])
        def body(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            handle.run_workflow("plain", {"in": "a body"}, queue="big")

        @cloaca.task(dependencies=[body])
        async def awaiting(context: cloaca.Context, handle: cloaca.AsyncTaskHandle) -> None:
            child = await handle.start_workflow("plain", {"in": "another"}, queue="big")
            await child.result()

    usual = open_runner(runner_id="usual", queues=["default"])
    open_runner(runner_id="big", queues=["big"])

    run = usual.submit("parent", {"n": 1})

    assert run.result(timeout=60).status == "Completed"
    children = [usual.get_run(child.id) for child in run.children()]
    assert [runners_of(child) for child in children] == [{"only": "big"}] * 5


@pytest.mark.each_backend
def test_each_item_of_a_map_of_child_runs_begins_in_the_queue_of_the_node(
    open_runner: OpenRunner,
) -> None:
    define_plain()
    with cloaca.WorkflowBuilder("parent"):
        each = cloaca.child("each", "plain", map=[1, 2, 3], queue="big", outputs=["item"])

        @cloaca.task(dependencies=[each])
        def report(context: cloaca.Context) -> None: ...

    usual = open_runner(runner_id="usual", queues=["default"])
    open_runner(runner_id="big", queues=["big"])

    run = usual.submit("parent")

    ended = run.result(timeout=60)
    assert ended.final_context["each"] == [{"item": 1}, {"item": 2}, {"item": 3}]
    assert runners_of(run)["report"] == "usual"
    children = [usual.get_run(child.id) for child in run.children()]
    assert [runners_of(child) for child in children] == [{"only": "big"}] * 3


@pytest.mark.each_backend
def test_runs_of_a_schedule_with_a_queue_run_where_it_says_also_those_of_a_back_fill(
    open_runner: OpenRunner,
) -> None:
    define_plain()
    usual = open_runner(runner_id="usual", queues=["default"])
    open_runner(runner_id="big", queues=["big"])

    usual.schedule("ticking", "plain", "* * * * * *", "UTC", queue="big")
    until(lambda: bool(usual.list_runs(workflow_name="plain", status="Completed")))
    usual.schedule("ticking", "plain", "0 0 1 1 *", "UTC", queue="big")
    usual.backfill("ticking", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")

    runs = [usual.get_run(each.id) for each in usual.list_runs(workflow_name="plain")]
    for run in runs:
        run.result(timeout=60)
    assert {runners_of(run)["only"] for run in runs} == {"big"}
    (row,) = usual.list_cron_schedules()
    assert row["queue"] == "big"


def test_a_schedule_of_a_queue_that_nobody_serves_is_warned_of_as_it_is_set(
    open_runner: OpenRunner, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    define_plain()
    usual = open_runner(queues=["default"])
    caplog.set_level(logging.WARNING, "cloaca")
    usual.schedule("yearly", "plain", "0 0 1 1 *", "UTC", queue="tape")
    assert [record.getMessage() for record in caplog.records] == [
        "no living runner serves queue 'tape': tasks that ask for it wait"
    ]
    assert usual.health()["unserved_queues"] == ["tape"]


def test_a_run_that_follows_another_begins_in_the_queue_of_its_workflow(
    open_runner: OpenRunner,
) -> None:
    define_plain("follows", queue="big")
    builder = cloaca.WorkflowBuilder("first")
    builder.when_ended("Completed", submit="follows")
    with builder:

        @cloaca.task
        def only(context: cloaca.Context) -> None: ...

    usual = open_runner(runner_id="usual", queues=["default"])
    open_runner(runner_id="big", queues=["big"])

    usual.execute("first", timeout=60)

    (follows,) = usual.list_runs(workflow_name="follows")
    assert usual.get_run(follows.id).result(timeout=60).status == "Completed"
    assert runners_of(usual.get_run(follows.id)) == {"only": "big"}


def test_a_run_that_is_begun_again_and_a_fork_go_where_their_tasks_ask_to(
    open_runner: OpenRunner,
) -> None:
    fails = threading.Event()
    fails.set()
    with cloaca.WorkflowBuilder("training"):

        @cloaca.task
        def load(context: cloaca.Context) -> None: ...

        @cloaca.task(dependencies=[load], queue="gpu", retry_attempts=1)
        def train(context: cloaca.Context) -> None:
            if fails.is_set():
                raise ValueError("no card")

    usual = open_runner(runner_id="usual", queues=["default"])
    gpu = open_runner(runner_id="gpu", queues=["gpu"])
    run = usual.submit("training")
    assert run.result(timeout=60).status == "Failed"
    fails.clear()
    gpu.shutdown()

    run.retry()
    fork = run.fork("load")
    until(lambda: [each.info().queue for each in (run, fork)] == ["gpu", "gpu"])
    assert runners_of(fork) == {"load": "usual"}

    open_runner(runner_id="gpu again", queues=["gpu"])
    assert {each.result(timeout=60).status for each in (run, fork)} == {"Completed"}
    assert runners_of(fork) == {"load": "usual", "train": "gpu again"}


def test_a_retry_and_a_fork_wait_for_no_queue_that_nothing_of_them_asks_for(
    open_runner: OpenRunner,
) -> None:
    """The submission has named another queue, which only counts for tasks that name none."""
    fails = threading.Event()
    fails.set()
    with cloaca.WorkflowBuilder("training"):

        @cloaca.task(queue="cpu")
        def load(context: cloaca.Context) -> None: ...

        @cloaca.task(dependencies=[load], queue="gpu", retry_attempts=1)
        def train(context: cloaca.Context) -> None:
            if fails.is_set():
                raise ValueError("no card")

    cpu = open_runner(runner_id="cpu", queues=["cpu"])
    gpu = open_runner(runner_id="gpu", queues=["gpu"])
    run = cpu.submit("training", queue="night")
    assert run.result(timeout=60).status == "Failed"
    fails.clear()
    cpu.shutdown()  # only work of the other queue is left

    again = gpu.get_run(run.id)
    again.retry()
    fork = again.fork("train")

    assert {each.result(timeout=60).status for each in (again, fork)} == {"Completed"}


# -- numbers ---------------------------------------------------------------------------------------


@pytest.mark.each_backend
def test_a_number_says_how_many_runs_have_ready_work_of_a_queue_at_once(
    open_runner: OpenRunner,
) -> None:
    go, begun = threading.Event(), threading.Semaphore(0)
    with cloaca.WorkflowBuilder("training"):

        @cloaca.task(queue="gpu")
        def train(context: cloaca.Context) -> None:
            begun.release()
            go.wait(60)

        @cloaca.task(dependencies=[train])
        def report(context: cloaca.Context) -> None: ...

    runner = open_runner(queues={"gpu": 1, "default": 100})
    runs = runner.submit_many("training", [None] * 3)
    assert begun.acquire(timeout=60)
    until(lambda: [run.explain().code for run in runs].count("no_place") == 2)
    assert not begun.acquire(blocking=False)
    go.set()

    assert {run.result(timeout=60).status for run in runs} == {"Completed"}


@pytest.mark.each_backend
async def test_an_async_runner_serves_queues_and_submits_to_them(
    open_runner: OpenRunner, database_url: str
) -> None:
    define_plain()
    open_runner(queues=["default"])
    config = cloaca.DefaultRunnerConfig(runner_id="tape")
    async with cloaca.AsyncRunner(database_url, config=config, queues=["tape"]) as runner:
        run = await runner.submit("plain", queue="tape")
        await run.result(timeout=60)
        assert [each.runner for each in await run.attempts()] == ["tape"]


@pytest.mark.backend("sqlite", reason="one transaction locks out all others")
def test_a_transaction_that_has_written_submits_to_a_queue_of_its_own(
    open_runner: OpenRunner, database_url: str
) -> None:
    define_plain()
    runner = open_runner(runner_id="every")
    with closing(sqlite3.connect(database_url.removeprefix("sqlite://"))) as connection:
        connection.execute("CREATE TABLE ours (n)")
        connection.execute("INSERT INTO ours VALUES (1)")
        run = runner.submit("plain", queue="own", connection=connection)
        connection.commit()

    assert run.result(timeout=60).status == "Completed"


# -- nobody serves it ------------------------------------------------------------------------------


def test_a_queue_that_no_living_runner_serves_is_named_everywhere(
    open_runner: OpenRunner, caplog: pytest.LogCaptureFixture
) -> None:
    define_training()
    caplog.set_level(logging.WARNING, "cloaca")
    usual = open_runner(runner_id="usual", queues=["default"])
    text = "no living runner serves queue 'gpu': tasks that ask for it wait"
    assert [record.getMessage() for record in caplog.records] == [text]
    assert usual.health()["unserved_queues"] == ["gpu"]
    define_plain("late", queue="tape")
    until(lambda: usual.health()["unserved_queues"] == ["gpu", "tape"])

    run = usual.submit("training")
    until(lambda: run.info().queue == "gpu")
    told = run.explain()
    assert told.code == "queue_unserved"
    assert "it waits in queue gpu, which no living runner serves" in told.why
    assert "does not serve queue gpu, in which the run is" in str(told)
    assert "waits for train; it asks for queue default" in str(told)

    open_runner(runner_id="gpu", queues=["gpu"])
    assert run.result(timeout=60).status == "Completed"


@pytest.mark.each_backend
def test_a_client_is_warned_as_it_submits_to_a_queue_that_nobody_serves(
    open_runner: OpenRunner, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    define_plain()
    open_runner(queues=["default"])
    caplog.set_level(logging.WARNING, "cloaca")
    with cloaca.Client(database_url) as client:
        run = client.submit("plain", queue="tape")
        assert [record.getMessage() for record in caplog.records] == [
            "no living runner serves queue 'tape': tasks that ask for it wait"
        ]
        assert run.status() == "Pending"
        run.cancel()


# -- bad input -------------------------------------------------------------------------------------


@pytest.mark.backend("sqlite", reason="nothing reaches the database")
def test_bad_queues_are_refused_at_the_call(open_runner: OpenRunner) -> None:
    define_plain()
    runner = open_runner()
    wrong: list[tuple[Callable[[], Any], type[Exception], str]] = [
        (lambda: runner.submit("plain", queue=""), ValueError, "queue must be 1 to 100"),
        (lambda: runner.submit("plain", queue="x" * 101), ValueError, "queue must be 1 to 100"),
        (lambda: runner.submit("plain", queue="a,b"), ValueError, "without a comma"),
        (lambda: runner.submit("plain", queue=7), TypeError, "queue must be a str"),  # type: ignore[arg-type] # the point
        (
            lambda: runner.schedule("n", "plain", "@daily", "UTC", queue="a,b"),
            ValueError,
            "Failed to set schedule: queue must be 1 to 100",
        ),
        (lambda: cloaca.WorkflowBuilder("w").queue(" a"), ValueError, "name must be 1 to 100"),
        (lambda: cloaca.DefaultRunner(":memory:", queues=()), ValueError, "queues must be names"),
        (lambda: cloaca.DefaultRunner(":memory:", queues={"a": 0}), ValueError, "queues must be"),
        (lambda: cloaca.DefaultRunner(":memory:", queues=["a", "a"]), ValueError, "queues must"),
        (lambda: cloaca.DefaultRunner(":memory:", queues="gpu"), TypeError, "queues must be names"),
    ]
    for call, kind, text in wrong:
        with pytest.raises(kind, match=text):
            call()


# -- a user's transaction --------------------------------------------------------------------------


@pytest.mark.backend("sqlite", reason="a connection of sqlite3")
def test_a_run_of_a_transaction_begins_in_its_queue(
    open_runner: OpenRunner, database_url: str
) -> None:
    define_plain()
    usual = open_runner(runner_id="usual", queues=["default"])
    open_runner(runner_id="every")
    path = database_url.removeprefix("sqlite://")
    connection = sqlite3.connect(path)
    try:
        run = usual.submit("plain", queue="tape", connection=connection)
        connection.commit()
    finally:
        connection.close()

    assert run.result(timeout=60).status == "Completed"
    assert runners_of(run) == {"only": "every"}


@pytest.mark.backend("sqlite", reason="a connection of sqlite3")
def test_a_transaction_is_warned_of_a_queue_that_nobody_serves(
    open_runner: OpenRunner, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    define_plain()
    usual = open_runner(queues=["default"])
    caplog.set_level(logging.WARNING, "cloaca")
    with closing(sqlite3.connect(database_url.removeprefix("sqlite://"))) as connection:
        usual.submit("plain", queue="tape", connection=connection)

    assert [record.getMessage() for record in caplog.records] == [
        "no living runner serves queue 'tape': tasks that ask for it wait"
    ]


# -- maps ------------------------------------------------------------------------------------------


@pytest.mark.each_backend
@pytest.mark.parametrize("queues", [["gpu"], {"gpu": 1}])
def test_a_map_begins_where_its_queue_is_served(open_runner: OpenRunner, queues: Any) -> None:
    with cloaca.WorkflowBuilder("training"):

        @cloaca.task
        def load(context: cloaca.Context) -> dict[str, list[int]]:
            return {"rows": [1, 2, 3]}

        @cloaca.task(dependencies=[load], map="rows", queue="gpu")
        def train(context: cloaca.Context, item: int) -> int:
            return item * 2

        @cloaca.task(dependencies=[train])
        def report(context: cloaca.Context) -> dict[str, int]:
            return {"total": sum(context["train"])}

    usual = open_runner(runner_id="usual", queues=["default"])
    open_runner(runner_id="gpu", queues=queues)

    run = usual.submit("training")

    assert run.result(timeout=60).final_context["total"] == 12
    assert runners_of(run) == {"load": "usual", "train": "gpu", "report": "usual"}
