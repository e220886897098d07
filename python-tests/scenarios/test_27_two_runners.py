"""Two runners in one program: each keeps its own runs, and bodies of one may wait for the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import pytest

import cloaca

pytestmark = pytest.mark.each_backend

ONE_BODY = 1
NewUrl: TypeAlias = Callable[[], str]


@pytest.fixture
def runners(
    new_database_url: NewUrl,
) -> Iterator[tuple[cloaca.DefaultRunner, cloaca.DefaultRunner]]:
    """Two runners on two databases, with one thread for bodies each."""
    config = cloaca.DefaultRunnerConfig(max_concurrent_tasks=ONE_BODY)
    with (
        cloaca.DefaultRunner(new_database_url(), config=config) as first,
        cloaca.DefaultRunner(new_database_url(), config=config) as second,
    ):
        yield first, second


def test_each_runner_lists_its_own_runs(
    runners: tuple[cloaca.DefaultRunner, cloaca.DefaultRunner],
) -> None:
    first, second = runners
    with cloaca.WorkflowBuilder("greet"):

        @cloaca.task
        def greet(context: cloaca.Context) -> None:
            context.set("greeting", "hello")

    first.execute("greet")

    assert [run.workflow_name for run in first.list_runs()] == ["greet"]
    assert second.list_runs() == []


def test_a_body_may_wait_for_a_run_of_another_runner(
    runners: tuple[cloaca.DefaultRunner, cloaca.DefaultRunner],
) -> None:
    first, second = runners
    with cloaca.WorkflowBuilder("inner"):

        @cloaca.task
        def double(context: cloaca.Context) -> None:
            context.set("value", context.get("value") * 2)

    with cloaca.WorkflowBuilder("outer"):

        @cloaca.task
        def ask(context: cloaca.Context) -> None:
            answer = second.execute("inner", {"value": context.get("value")})
            context.set("value", answer.final_context.get("value"))

    results = [first.submit("outer", {"value": value}).result() for value in range(5)]

    assert [result.final_context.get("value") for result in results] == [0, 2, 4, 6, 8]
    assert len(second.list_runs(workflow_name="inner")) == 5


def test_the_other_runner_still_runs_one_body_at_a_time_after_that(
    runners: tuple[cloaca.DefaultRunner, cloaca.DefaultRunner],
) -> None:
    """A slot that one runner lent by mistake would let two bodies of the other run at once."""
    first, second = runners
    active: list[str] = []
    most = [0]
    with cloaca.WorkflowBuilder("counted"):

        @cloaca.task
        def body(context: cloaca.Context) -> None:
            active.append("body")
            most[0] = max(most[0], len(active))
            active.pop()

    with cloaca.WorkflowBuilder("asking"):

        @cloaca.task
        def ask(context: cloaca.Context) -> None:
            second.execute("counted")

    for handle in [first.submit("asking") for _ in range(5)]:
        handle.result().raise_for_status()
    for run in second.submit_many("counted", [None] * 200):
        run.result().raise_for_status()

    assert most == [ONE_BODY]


def test_a_runner_id_is_used_once(database_url: str) -> None:
    config = cloaca.DefaultRunnerConfig(runner_id="me")
    with (
        cloaca.DefaultRunner(database_url, config=config),
        pytest.raises(ValueError, match="runner_id 'me' is in use") as caught,
    ):
        cloaca.DefaultRunner(database_url, config=config)
    assert isinstance(caught.value, cloaca.StoreOpenError)
    with cloaca.DefaultRunner(database_url, config=config) as runner:
        assert runner.health()["runner_id"] == "me"


def test_a_body_may_open_and_close_a_runner_of_its_own(
    runners: tuple[cloaca.DefaultRunner, cloaca.DefaultRunner], new_database_url: NewUrl
) -> None:
    """Only the runner that runs the body would wait for itself."""
    first, _ = runners
    with cloaca.WorkflowBuilder("inner"):
        cloaca.task(id="only")(lambda context: {"inside": True})

    with cloaca.WorkflowBuilder("outer"):

        @cloaca.task(retry_attempts=1)
        def ask(context: cloaca.Context) -> None:
            with cloaca.DefaultRunner(new_database_url()) as own:
                context.set("inside", own.execute("inner").final_context["inside"])

    assert first.execute("outer").final_context.to_dict() == {"inside": True}
