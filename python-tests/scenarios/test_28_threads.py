"""28: one runner, many threads: every one gets the result of its own run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import cloaca

pytestmark = pytest.mark.each_backend

WAIT = 60
OpenRunner = Callable[..., cloaca.DefaultRunner]


def at_once(count: int, call: Callable[[int], Any]) -> list[Any]:
    """The results of this many threads that make the call at the same time."""
    together = threading.Barrier(count)

    def start(number: int) -> Any:
        together.wait(WAIT)
        return call(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(start, range(count)))


def define_double() -> None:
    with cloaca.WorkflowBuilder("double"):
        cloaca.task(id="first")(lambda context: {"n": context["n"] * 2})
        cloaca.task(id="second", dependencies=["first"])(lambda context: {"done": True})


def test_execute_from_many_threads(runner: cloaca.DefaultRunner) -> None:
    define_double()

    def call(number: int) -> list[int]:
        return [
            runner.execute("double", {"n": number * 100 + index}, timeout=WAIT).final_context["n"]
            for index in range(10)
        ]

    assert at_once(16, call) == [
        [2 * (number * 100 + index) for index in range(10)] for number in range(16)
    ]
    assert len(runner.list_runs(limit=1000)) == 160


def test_execute_from_threads_for_which_there_is_no_place(open_runner: OpenRunner) -> None:
    """Their runs wait in the table, and are claimed in turn."""
    define_double()
    runner = open_runner(max_active_runs=1)

    def call(number: int) -> str:
        return runner.execute("double", {"n": number}, timeout=WAIT).status

    assert at_once(8, call) == ["Completed"] * 8


def test_everything_at_once(runner: cloaca.DefaultRunner) -> None:
    define_double()

    def call(number: int) -> str:
        match number % 4:
            case 0:
                return runner.execute("double", {"n": number}, timeout=WAIT).status
            case 1:
                handle = runner.submit("double", {"n": number})
                handle.tasks()
                handle.events()
                return handle.result(WAIT).status
            case 2:
                handles = runner.submit_many("double", [{"n": number}] * 20)
                return {handle.result(WAIT).status for handle in handles}.pop()
            case _:
                runner.list_runs()
                runner.health()
                return runner.get_run(runner.submit("double", {"n": 0}).id).result(WAIT).status

    assert at_once(16, call) == ["Completed"] * 16


def test_several_runners_on_one_database(open_runner: Callable[..., cloaca.DefaultRunner]) -> None:
    define_double()
    bodies: list[int] = []
    with cloaca.WorkflowBuilder("counted"):
        cloaca.task(id="only")(lambda context: bodies.append(context["n"]))
    runners = [open_runner() for _ in range(3)]

    def call(number: int) -> list[str]:
        handles = runners[number % 3].submit_many("counted", [{"n": number}] * 10)
        return [handle.result(WAIT).status for handle in handles]

    assert at_once(6, call) == [["Completed"] * 10] * 6
    assert len(bodies) == 60  # nothing ran twice


def test_definitions_from_many_threads_do_not_mix(runner: cloaca.DefaultRunner) -> None:
    def call(number: int) -> list[str]:
        with cloaca.WorkflowBuilder(f"of thread {number}") as builder:
            for index in range(20):
                cloaca.task(id=f"t{number}.{index}")(lambda context: None)
        return [task.id for task in builder.workflow.tasks]

    assert at_once(8, call) == [[f"t{n}.{index}" for index in range(20)] for n in range(8)]
    assert runner.execute("of thread 3").status == "Completed"


def test_opening_and_closing_from_many_threads(database_url: str) -> None:
    define_double()

    def call(number: int) -> str:
        with cloaca.DefaultRunner(database_url) as own:
            return own.execute("double", {"n": number}, timeout=WAIT).status

    assert at_once(6, call) == ["Completed"] * 6


@pytest.mark.parametrize("is_async", [False, True])
def test_a_thread_that_cannot_be_started_once_delays_its_task_and_harms_no_other(
    open_runner: Callable[..., cloaca.DefaultRunner],
    monkeypatch: pytest.MonkeyPatch,
    is_async: bool,
) -> None:
    def body(context: cloaca.Context) -> dict[str, int]:
        return {"n": context["n"] * 2}

    async def async_body(context: cloaca.Context) -> dict[str, int]:
        return body(context)

    refused: list[str] = []
    start = threading.Thread.start

    def refuse_first(thread: threading.Thread) -> None:
        if thread.name.startswith(("cloaca-body", "cloaca-coroutines")) and not refused:
            refused.append(thread.name)
            raise RuntimeError("can't start new thread")
        start(thread)

    with cloaca.WorkflowBuilder("double"):
        cloaca.task(id="only", retry_attempts=1)(async_body if is_async else body)
    runner = open_runner(max_concurrent_tasks=1)
    monkeypatch.setattr(threading.Thread, "start", refuse_first)
    results = [runner.execute("double", {"n": n}, timeout=WAIT) for n in range(3)]
    assert [result.final_context["n"] for result in results] == [0, 2, 4]
    assert len(refused) == 1
