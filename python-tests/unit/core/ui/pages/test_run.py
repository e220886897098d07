"""Places on the page of a run as addresses; what a page tells of runs that it does not show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

import cloaca
from cloaca_core.observe import reading
from cloaca_core.ui.pages.run import Place
from cloaca_core.ui.paths import Paths

PLACE = Place(Paths("/base"), "r", "table", "a b", "child", fold=False)
WAIT = 30


def test_a_place_is_in_its_address() -> None:
    assert PLACE.address() == "/base/runs/r?view=table&task=a+b&of=child&fold=off"


def test_the_first_chunk_can_be_named() -> None:
    assert PLACE.address(rows=0, at="then").endswith("&rows=0&at=then")


def test_another_task_keeps_the_view() -> None:
    assert PLACE.of_task("r", "c") == "/base/runs/r?view=table&task=c&fold=off"
    assert PLACE.of_task("other", "c") == "/base/runs/r?view=table&task=c&of=other&fold=off"
    assert PLACE.of_own_task("c") == PLACE.of_task("r", "c")


def test_another_view_and_folds_keep_the_task() -> None:
    assert PLACE.of_view("graph").startswith("/base/runs/r?view=graph&task=a+b&of=child")
    assert PLACE.folded(fold=True) == "/base/runs/r?view=table&task=a+b&of=child"


def test_the_selected_task_is_that_of_its_run() -> None:
    assert [PLACE.is_at(run, "a b") for run in ("child", "r")] == [True, False]


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
