"""45: how long a run may take is said by its workflow, or by the one who submits it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from tables import each_row

import cloaca

WAIT = 60
SHORT = timedelta(milliseconds=50)
OpenRunner = Callable[..., cloaca.DefaultRunner]


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Lets bodies go that wait for it, when the test ends at the latest."""
    event = threading.Event()
    yield event
    event.set()


def define(release: threading.Event, limit: Any = None) -> None:
    with cloaca.WorkflowBuilder("endless") as builder:
        if limit is not None:
            builder.time_limit(limit)
        cloaca.task(id="only")(lambda context: {"released": release.wait(WAIT)})


@pytest.mark.each_backend
def test_a_workflow_says_how_long_its_runs_may_take(
    runner: cloaca.DefaultRunner, release: threading.Event
) -> None:
    define(release, SHORT)

    result = runner.submit("endless").result(WAIT)

    assert (result.status, result.error_message) == ("Failed", "Pipeline timeout after 0.05s")
    assert cloaca.get_workflow("endless").time_limit == 0.05


def test_execute_raises_when_the_limit_has_passed(
    runner: cloaca.DefaultRunner, release: threading.Event
) -> None:
    define(release)

    text = r"Pipeline timeout after 0\.05s"
    with pytest.raises(cloaca.PipelineTimeoutError, match=text) as caught:
        runner.execute("endless", time_limit=SHORT)

    (run,) = runner.list_runs()
    assert (caught.value.run_id, run.status) == (run.id, "Failed")


def test_the_limit_given_with_a_run_goes_before_the_others(
    open_runner: OpenRunner, release: threading.Event
) -> None:
    runner = open_runner(pipeline_timeout_seconds=1, max_concurrent_tasks=4)
    define(release, timedelta(hours=1))

    short = runner.submit("endless", time_limit=0.05)
    many = runner.submit_many("endless", [{}, {}], time_limit=SHORT)
    free = runner.submit("endless", time_limit=cloaca.NO_LIMIT)

    assert {handle.result(WAIT).status for handle in (short, *many)} == {"Failed"}
    release.set()
    assert free.result(WAIT).status == "Completed"


async def test_an_async_runner_takes_it_as_well(
    database_url: str, release: threading.Event
) -> None:
    define(release)

    async with cloaca.AsyncRunner(database_url) as runner:
        one = await runner.submit("endless", time_limit=SHORT)
        many = await runner.submit_many("endless", [{}], time_limit=SHORT)
        with pytest.raises(cloaca.PipelineTimeoutError):
            await runner.execute("endless", time_limit=SHORT)

        ends = [await handle.result(WAIT) for handle in (one, *many)]

    assert [end.status for end in ends] == ["Failed", "Failed"]


def test_no_limit_lifts_the_runners(open_runner: OpenRunner, release: threading.Event) -> None:
    runner = open_runner(pipeline_timeout_seconds=1)
    with cloaca.WorkflowBuilder("patient") as builder:
        builder.time_limit(cloaca.NO_LIMIT)
        cloaca.task(id="only")(lambda context: {"released": release.wait(WAIT)})
    with cloaca.WorkflowBuilder("bounded"):
        cloaca.task(id="only")(lambda context: {"released": release.wait(WAIT)})
    patient, bounded = runner.submit("patient"), runner.submit("bounded")

    assert bounded.result(WAIT).status == "Failed"
    release.set()
    assert patient.result(WAIT).status == "Completed"


def test_a_child_ends_with_the_time_of_its_parent(
    runner: cloaca.DefaultRunner, release: threading.Event
) -> None:
    define(release, cloaca.NO_LIMIT)
    with cloaca.WorkflowBuilder("parent"):
        cloaca.task(id="only", retry_attempts=1)(
            lambda context: {"child": runner.execute("endless").status}
        )

    parent = runner.submit("parent", time_limit=timedelta(seconds=2)).result(WAIT)

    (child,) = runner.list_runs(workflow_name="endless")
    end = runner.get_run(child.id).result(WAIT)
    assert (parent.status, end.status) == ("Failed", "Failed")
    assert "Pipeline timeout after" in str(parent.error_message)
    assert str(end.error_message).endswith("the time of the run that submitted it is over")


@pytest.mark.backend("sqlite", reason="the connection of a user's own is sqlite3's")
def test_a_run_of_the_users_own_transaction_keeps_its_limit(
    database_url: str, release: threading.Event
) -> None:
    define(release)
    with cloaca.DefaultRunner(database_url) as runner:
        mine = sqlite3.connect(database_url.removeprefix("sqlite://"))
        handle = runner.submit("endless", connection=mine, time_limit=SHORT)
        mine.commit()
        mine.close()

        assert handle.result(WAIT).error_message == "Pipeline timeout after 0.05s"


@each_row(
    ("limit", "kind"),
    [(0, ValueError), (-1, ValueError), (float("nan"), ValueError), ("5", TypeError)],
)
def test_another_limit_is_refused_where_it_is_given(
    runner: cloaca.DefaultRunner, release: threading.Event, limit: Any, kind: type[Exception]
) -> None:
    define(release)
    calls: list[Callable[[], object]] = [
        lambda: cloaca.WorkflowBuilder("w").time_limit(limit),
        lambda: runner.submit("endless", time_limit=limit),
        lambda: runner.execute("endless", time_limit=limit),
        lambda: runner.submit_many("endless", [{}], time_limit=limit),
        lambda: runner.schedule("s", "endless", "@daily", "UTC", time_limit=limit),
    ]
    for call in calls:
        with pytest.raises(kind, match="limit must be"):
            call()
    assert runner.list_runs() == []
