"""What the page of a run tells of runs that it does not show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from model.families import family, run, tasks, view
from model.inspected import inspected
from starlette.testclient import TestClient

import cloaca
from cloaca_tools.ui.pages.run import schedule_name
from cloaca_tools.views.run import reading

WAIT = 60


@pytest.fixture
def runner() -> Iterator[cloaca.DefaultRunner]:
    with cloaca.DefaultRunner(":memory:") as opened:
        yield opened


def test_runs_that_are_not_shown_are_counted(
    runner: cloaca.DefaultRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cloaca.WorkflowBuilder("one"):

        @cloaca.task
        def only(context: dict[str, Any]) -> None:
            pass

    with cloaca.WorkflowBuilder("all"):

        @cloaca.task
        def begin(context: dict[str, Any]) -> None:
            for _ in range(3):
                runner.execute("one")

    handle = runner.submit("all")
    handle.wait(WAIT)
    monkeypatch.setattr(reading, "MOST_RUNS", 2)
    page = TestClient(cloaca.ui(runner, auth=cloaca.ui_without_auth, hosts=("testserver",)))
    html = page.get(f"/runs/{handle.id}").text

    assert html.count('id="kids-') == 1
    assert f'href="/runs?q=parent%3A{handle.id}"' in html
    assert ">2 more runs<" in html


def test_a_schedule_that_was_deleted_is_gone() -> None:
    made = inspected(family(view(run(schedule_id="s"), of=tasks(a=[]))))

    assert schedule_name(inspected(family(view(run())))) is None
    assert schedule_name(made) == "that is gone"
    assert schedule_name(replace(made, schedule_name="nightly")) == "nightly"


def test_all_failed_tasks_are_linked_and_attempts_say_their_round(
    runner: cloaca.DefaultRunner,
) -> None:
    with cloaca.WorkflowBuilder("both"):

        @cloaca.task(retry_attempts=1)
        def one(context: dict[str, Any]) -> None:
            raise ValueError("it broke")

        @cloaca.task(retry_attempts=1)
        def other(context: dict[str, Any]) -> None:
            raise ValueError("it broke too")

    handle = runner.submit("both")
    handle.wait(WAIT)
    handle.retry()
    handle.wait(WAIT)
    page = TestClient(cloaca.ui(runner, auth=cloaca.ui_without_auth, hosts=("testserver",)))
    html = page.get(f"/runs/{handle.id}").text

    assert f'href="/runs/{handle.id}?view=timeline&amp;task=other"><code>other</code></a>' in html
    assert "A retry runs both again" in html
    assert [f" in round {n}" in html for n in (1, 2)] == [True, True]
    assert 'href="#task-2"><code>other</code>' in page.get(f"/runs/{handle.id}/export").text
