"""The logs of a run as a page: which lines, how it follows, and as a file."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient
from tables import each_row

import cloaca
from cloaca_core.features.task_logs.log_book import POSITIONS
from cloaca_tools.ui.pages import logs

WAIT = 60
NEXT = {"hx-target": "li#log-next", "cookie": "cloaca_zone=UTC"}


@pytest.fixture
def gate() -> threading.Event:
    """Lets the body of ``talk`` end."""
    return threading.Event()


@pytest.fixture
def runner(gate: threading.Event) -> Iterator[cloaca.DefaultRunner]:
    registry = cloaca.Registry()
    with cloaca.WorkflowBuilder("talk", registry=registry):

        @cloaca.task
        def first(context: dict[str, Any], handle: cloaca.TaskHandle) -> None:
            handle.log("\x1b[31mred\x1b[0m <b>", level="warning", rows=3)

        @cloaca.task(dependencies=[first])
        def second(context: dict[str, Any], handle: cloaca.TaskHandle) -> None:
            handle.log("begun")
            assert gate.wait(WAIT)
            handle.log("done", level="error")

    with cloaca.DefaultRunner(":memory:", registry=registry) as opened:
        yield opened
        gate.set()


@pytest.fixture
def page(runner: cloaca.DefaultRunner) -> TestClient:
    return TestClient(cloaca.ui(runner, auth=cloaca.ui_without_auth, hosts=("testserver",)))


@pytest.fixture
def ended(runner: cloaca.DefaultRunner, gate: threading.Event) -> str:
    """The id of a run that has ended."""
    gate.set()
    run = runner.submit("talk")
    run.wait(WAIT)
    return run.id


def test_lines_of_all_tasks_stand_in_order_without_codes_of_terminals(
    page: TestClient, ended: str
) -> None:
    html = page.get(f"/runs/{ended}/logs").text

    assert html.index("red &lt;b&gt;") < html.index(">begun<") < html.index(">done<")
    assert "\x1b" not in html
    assert "log-next" not in html


@each_row(
    ("query", "lines"),
    [
        ("level=warning", ["red", "done"]),
        ("level=no-level", ["red", "begun", "done"]),
        ("q=DON", ["done"]),
        ("task=second", ["begun", "done"]),
        ("task=second&attempt=1&level=error", ["done"]),
        ("start=1000000002", ["begun", "done"]),
        ("before=1000000003", ["red", "begun"]),
        ("q=none", []),
    ],
)
def test_the_address_says_which_lines(
    page: TestClient, ended: str, query: str, lines: list[str]
) -> None:
    html = re.sub("</?mark>", "", page.get(f"/runs/{ended}/logs?{query}").text)

    assert [each for each in ("red", "begun", "done") if f'"m">{each}' in html] == lines


def test_what_is_looked_for_is_marked_in_the_lines(page: TestClient, ended: str) -> None:
    html = page.get(f"/runs/{ended}/logs?q=DON").text

    assert '"m"><mark>don</mark>e' in html
    assert "<mark>" not in page.get(f"/runs/{ended}/logs").text


@each_row(
    ("names", "width"),
    [([], "of-s"), (["a" * 10], "of-s"), (["a", "a" * 18], "of-m"), (["a" * 19], "")],
)
def test_short_names_of_tasks_leave_their_room_to_the_lines(names: list[str], width: str) -> None:
    assert logs.width_of(names) == width


def test_a_task_that_the_run_lacks_is_refused(page: TestClient, ended: str) -> None:
    for address in ("logs", "logs.txt"):
        assert page.get(f"/runs/{ended}/{address}?task=none").status_code == 404


def test_the_lines_are_a_file(page: TestClient, ended: str) -> None:
    answer = page.get(f"/runs/{ended}/logs.txt?level=warning")
    red, done = answer.text.splitlines()

    assert red.endswith('WARNING first #1 red <b> {"rows": 3}')
    assert done.endswith("ERROR   second #1 done")
    assert "attachment" in answer.headers["content-disposition"]


def test_a_page_that_follows_asks_for_what_came_since(
    page: TestClient, runner: cloaca.DefaultRunner, gate: threading.Event
) -> None:
    run = runner.submit("talk")
    followed = run.follow_logs()
    assert [next(iter(followed)).message, next(iter(followed)).message][1:] == ["begun"]
    was = f"/runs/{run.id}/logs?was=Running&zone=UTC&shown=1&after=1000000001"

    further = page.get(was, headers=NEXT).text
    assert ('"m">begun' in further, '"m">red' in further) == (True, False)
    assert "after=1000000002" in further
    assert "shown=2" in further
    moved = page.get(was, headers=NEXT | {"cookie": "cloaca_zone=Asia/Tokyo"})
    assert moved.headers["hx-retarget"] == "#page"

    gate.set()
    run.wait(WAIT)
    answer = page.get(was, headers=NEXT)
    assert answer.headers["hx-retarget"] == "#page"
    assert answer.text.lstrip().startswith("<main")
    assert '"m">done' in answer.text


def test_a_page_with_many_lines_begins_anew(
    page: TestClient, runner: cloaca.DefaultRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runner.submit("talk")
    next(iter(run.follow_logs()))
    monkeypatch.setattr(logs, "SHOWN", 3)

    asked = f"/runs/{run.id}/logs?was=Running&zone=UTC&after=0&shown=3"

    assert page.get(asked, headers=NEXT).headers["hx-retarget"] == "#page"


def test_a_page_begins_anew_when_another_owner_of_the_run_writes(
    page: TestClient, runner: cloaca.DefaultRunner
) -> None:
    run = runner.submit("talk")
    next(iter(run.follow_logs()))
    asked = f"/runs/{run.id}/logs?was=Running&zone=UTC&shown=1&after="

    before = POSITIONS - 1  # the last line of an owner before the first one
    assert page.get(f"{asked}{before}", headers=NEXT).headers["hx-retarget"] == "#page"
    for after in (0, POSITIONS):
        assert "hx-retarget" not in page.get(f"{asked}{after}", headers=NEXT).headers
