"""An open page says that the runner of a run is gone, though nobody has written that anywhere."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from own_database import OwnDatabases
from playwright.sync_api import expect

import cloaca
from browser.acting import ANN
from browser.looking import Visit
from browser.serving import Served, served
from process.fleet import Fleet, Worker

LEASE: Final = 3


@pytest.fixture
def fleet(own_databases: OwnDatabases, database_url: str, tmp_path: Path) -> Iterator[Fleet]:
    """Workers on the database of the page; none of them outlives the test."""
    fleet = Fleet(own_databases, database_url, tmp_path)
    yield fleet
    fleet.close()


@pytest.fixture
def program_page(fleet: Fleet, database_url: str) -> Iterator[Served]:
    """The page of a program that takes over no runs."""
    client = cloaca.Client(database_url, registry=cloaca.Registry())
    with client, served(client, auth=lambda _: ANN) as page:
        yield page


def kill(worker: Worker) -> None:
    """End its process as a power cut does."""
    assert worker.kill() == -signal.SIGKILL


@pytest.mark.parametrize(
    ("stop", "why"),
    [
        pytest.param(kill, "its process has ended", id="killed"),
        pytest.param(Worker.freeze, "has not renewed its lease", id="frozen"),
    ],
)
def test_it_says_so_once_the_lease_is_over(
    visit: Visit, fleet: Fleet, stop: Callable[[Worker], None], why: str
) -> None:
    worker = fleet.start(hold=["b"], lease_seconds=LEASE)
    run_id = worker.submit("chain")
    worker.hear("holding")
    page = visit.open_live(f"/runs/{run_id}")
    page.evaluate("window.isTheSame = true")
    expect(page.locator("#run-head .state-pill")).to_have_text("Running")
    expect(page.locator("#run-explain")).to_have_count(0)

    stop(worker)

    said = re.compile(f"Its runner .* is gone: .*{why}")
    expect(page.locator("#run-explain")).to_contain_text(said)
    assert page.evaluate("window.isTheSame")


@pytest.mark.each_backend
def test_lists_say_so_too(visit: Visit, fleet: Fleet) -> None:
    worker = fleet.start(hold=["b"], lease_seconds=LEASE, runner_id="lost")
    worker.submit("chain")
    worker.hear("holding")
    runs, runners = visit.open_live("/runs"), visit.open_live("/runners")
    expect(runs.locator("#runs-list")).to_contain_text("Running")
    expect(runners.locator("#runner-lost")).to_be_visible()

    kill(worker)

    expect(runs.locator("#runs-list")).to_contain_text("runner gone")
    expect(runners.locator("#runner-lost")).to_contain_text("Gone")
