"""59: workflows under test, on the real engine and a clock that the test moves."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import cloaca
from cloaca.testing import Harness, crash_at_every_point, harness

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
MINUTE: dict[str, Any] = {
    "retry_attempts": 3,
    "retry_backoff": "fixed",
    "retry_delay_ms": 60_000,
}


@pytest.fixture
def registry() -> cloaca.Registry:
    """``order`` charges, and sends, inspects and reminds after that."""
    registry = cloaca.Registry()

    with cloaca.WorkflowBuilder("order", registry=registry):

        @cloaca.task(**MINUTE)
        def charge(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            context.set("paid", handle.step("pay", int, context["amount"]))

        @cloaca.task(dependencies=[charge], **MINUTE)
        async def send(context: cloaca.Context) -> None:
            context.set("sent", context.get("paid"))

        @cloaca.task(dependencies=[charge], trigger_rules=cloaca.context_value("paid", ">", 100))
        def inspect(context: cloaca.Context) -> None: ...

    return registry


@pytest.fixture
def h(registry: cloaca.Registry, database_url: str) -> Iterator[Harness]:
    """On the backend under test."""
    with harness(registry, url=database_url) as made:
        yield made


def test_it_serves_every_queue() -> None:
    registry = cloaca.Registry()
    with cloaca.WorkflowBuilder("training", registry=registry):

        @cloaca.task(queue="gpu")
        def train(context: cloaca.Context) -> None: ...

    with harness(registry) as h:
        assert h.run("training").status == "Completed"


@pytest.mark.each_backend
def test_a_run_is_driven_to_its_end(h: Harness) -> None:
    run = h.run("order", {"amount": 5})

    assert run.status == "Completed"
    assert run.context == {"amount": 5, "paid": 5, "sent": 5}
    assert run.handle.info().ended_at == "2026-03-10T12:00:00.000000+00:00"
    h.assert_path(run, ["charge", "send"], skipped=["inspect"])


def test_time_moves_only_when_told(h: Harness) -> None:
    h.fail("order", "charge", TimeoutError, times=2)
    run = h.run("order", {"amount": 5})

    h.clock.advance(seconds=119)
    assert (run.status, run.tasks["charge"].attempts) == ("Waiting", 2)
    h.clock.advance(seconds=1)
    assert run.status == "Completed"


def test_three_days_of_a_schedule(h: Harness) -> None:
    h.runner.register_cron_workflow("order", "30 2 * * *", "Europe/Oslo")
    h.replace("order", "charge", lambda context: {"day": context["scheduled_time"][:10]})
    h.fail("order", "send", TimeoutError)

    h.clock.to("2026-03-13T02:29", tz="Europe/Oslo")
    h.assert_submitted("order", count=2)
    h.clock.advance(minutes=5)

    h.assert_submitted("order", count=3)
    assert h.drain() == {"Completed": 3}
    runs = [h.found(each.id) for each in h.runner.list_runs()]
    days = ["2026-03-11", "2026-03-12", "2026-03-13"]
    assert sorted(run.context["day"] for run in runs) == days


def test_runs_can_be_steered(h: Harness) -> None:
    h.fail("order", "send", ValueError, times=3)
    run = h.run("order", {"amount": 5})
    run.handle.pause()
    h.clock.advance(hours=1)
    assert run.status == "Paused"
    run.handle.resume()
    h.clock.advance(minutes=1)
    assert run.status == "Failed"

    again = h.runner.retry(run.id)
    h.drain()

    assert run.status == "Completed"
    assert run == h.found(again)


@pytest.mark.parametrize("point", ["submit.after_commit", "body.after", "journal.after_commit"])
def test_the_next_engine_goes_on_where_one_was_killed(h: Harness, point: str) -> None:
    h.crash_at(point)

    assert h.run("order", {"amount": 5}).context == {"amount": 5, "paid": 5, "sent": 5}
    assert h.drain() == {"Completed": 1}


def test_what_is_written_stays_in_the_database(
    registry: cloaca.Registry, database_url: str
) -> None:
    with harness(registry, url=database_url) as h:
        h.fail("order", "charge", TimeoutError)
        run_id = h.run("order", {"amount": 5}).id

    with harness(registry, url=database_url, now=NOON + timedelta(minutes=30)) as h:
        h.drain()

        assert h.found(run_id).status == "Completed"
        assert h.found(run_id).handle.info().ended_at == "2026-03-10T12:30:00.000000+00:00"


def test_a_harness_hears_of_runs_that_the_test_writes(
    h: Harness, registry: cloaca.Registry, database_url: str
) -> None:
    with cloaca.Client(database_url, registry=registry) as client:
        client.submit("order", {"amount": 5})

    assert h.drain() == {"Completed": 1}


@pytest.mark.backend("sqlite", reason="each engine has a database in memory")
def test_what_is_done_twice_after_a_crash(registry: cloaca.Registry) -> None:
    report = crash_at_every_point("order", {"amount": 5}, registry=registry)

    assert report.status == "Completed"
    assert report.twice == ("charge", "send")
    assert report.different == ()


@pytest.mark.backend("sqlite", reason="a connection of the standard library's")
def test_a_transaction_of_the_test_submits(h: Harness, database_url: str) -> None:
    connection = sqlite3.connect(database_url.removeprefix("sqlite://"))
    with connection:
        handle = h.runner.submit("order", {"amount": 5}, connection=connection)
    connection.close()

    h.drain()

    assert handle.status() == "Completed"


async def test_it_works_in_an_async_test(h: Harness) -> None:
    assert h.run("order", {"amount": 5}).status == "Completed"
    result = await h.async_runner.execute("order", {"amount": 6})
    assert result.final_context["sent"] == 6
