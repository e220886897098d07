"""41: work for a workflow that no live runner has is told of, with the name that was meant."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

import cloaca

WAIT = 60.0
OpenHere = Callable[[], cloaca.DefaultRunner]


class Listener(logging.Handler):
    """Collects warnings about workflows, and says when there is one."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []
        self.told = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if "no runner takes up workflow" in record.getMessage():
            self.messages.append(record.getMessage())
            self.told.set()


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    logging.getLogger("cloaca").addHandler(listener)
    yield listener
    logging.getLogger("cloaca").removeHandler(listener)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a minute is a long time for a test."""
    monkeypatch.setattr("cloaca_core.features.unserved.watch.PATIENCE", 0.2)
    monkeypatch.setattr("cloaca_core.features.unserved.watch.SETTLING", 0.01)


@pytest.fixture
def registry() -> cloaca.Registry:
    """Its triggers would be polled in every later test, were it the program's."""
    return cloaca.Registry()


@pytest.fixture
def open_here(database_url: str, registry: cloaca.Registry) -> Iterator[OpenHere]:
    """Opens a runner for the registry, which is closed at the test's end."""
    with ExitStack() as opened:
        yield lambda: opened.enter_context(cloaca.DefaultRunner(database_url, registry=registry))


def define(name: str, registry: cloaca.Registry) -> None:
    with cloaca.WorkflowBuilder(name, registry=registry):
        cloaca.task(id="only")(lambda context: None)


@pytest.mark.each_backend
def test_a_schedule_with_a_misspelt_workflow(
    open_here: OpenHere, registry: cloaca.Registry, listener: Listener
) -> None:
    runner = open_here()
    define("nightly", registry)
    runner.schedule("s", "nightlies", "0 3 1 1 *", "UTC")
    assert listener.told.wait(WAIT)
    (message,) = listener.messages
    assert message == (
        "no runner takes up workflow 'public::embedded::nightlies', which is not registered here: "
        "1 schedule waiting for it; did you mean 'public::embedded::nightly'?"
    )
    (unserved,) = runner.health()["unserved"]
    assert unserved.pop("since").endswith("+00:00")
    assert unserved == {
        "kind": "schedule",
        "workflow": "public::embedded::nightlies",
        "count": 1,
        "did_you_mean": "public::embedded::nightly",
    }


async def test_an_async_runner_says_so_too(
    database_url: str, registry: cloaca.Registry, listener: Listener
) -> None:
    define("nightly", registry)
    async with cloaca.AsyncRunner(database_url, registry=registry) as runner:
        await runner.register_cron_workflow("nightlies", "0 3 1 1 *", "UTC")
        assert await asyncio.to_thread(listener.told.wait, WAIT)
        (unserved,) = (await runner.health())["unserved"]
        assert unserved["did_you_mean"] == "public::embedded::nightly"


def test_a_trigger_and_the_runs_that_it_fires(
    open_here: OpenHere, registry: cloaca.Registry, listener: Listener
) -> None:
    define("importing", registry)
    cloaca.trigger(name="arrival", on="imports", poll_interval="5ms", registry=registry)(
        lambda: True
    )
    runner = open_here()
    assert listener.told.wait(WAIT)
    while {each["kind"] for each in runner.health()["unserved"]} != {"run", "trigger"}:
        pass
    assert len(listener.messages) == 1
    define("imports", registry)
    assert runner.health()["unserved"] == []


def test_runs_that_a_program_has_left_behind(
    database_url: str, open_here: OpenHere, registry: cloaca.Registry, listener: Listener
) -> None:
    elsewhere = cloaca.Registry()
    define("renamed", elsewhere)
    with cloaca.DefaultRunner(database_url, registry=elsewhere, start=False) as other:
        handles = other.submit_many("renamed", [None] * 3)
    runner = open_here()
    assert listener.told.wait(WAIT)
    (unserved,) = runner.health()["unserved"]
    assert (unserved["kind"], unserved["count"], unserved["did_you_mean"]) == ("run", 3, None)

    define("renamed", registry)  # a runner that has the workflow takes them up
    assert {runner.get_run(each.id).result(WAIT).status for each in handles} == {"Completed"}
    assert runner.health()["unserved"] == []


def test_what_another_runner_works_on_is_its_business(
    database_url: str, open_here: OpenHere, listener: Listener
) -> None:
    release = threading.Event()
    elsewhere = cloaca.Registry()
    with cloaca.WorkflowBuilder("long", registry=elsewhere):
        cloaca.task(id="only")(lambda context: {"released": release.wait(WAIT)})
    config = cloaca.DefaultRunnerConfig(max_active_runs=1)
    with cloaca.DefaultRunner(database_url, registry=elsewhere, config=config) as other:
        handles = other.submit_many("long", [None] * 3)
        runner = open_here()
        runner.schedule("s", "misspelt", "* * * * * *", "UTC")  # due every second, and left
        assert listener.told.wait(WAIT)
        release.set()
        assert {each.result(WAIT).status for each in handles} == {"Completed"}
    assert all("misspelt" in message for message in listener.messages)  # each runner says so
