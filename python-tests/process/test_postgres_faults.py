"""The server goes away, comes back, drops connections or falls silent: no run is lost or stolen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from own_database import PostgresSchemas

import cloaca
from process.fleet import Fleet, Worker
from process.postgres_server import Server
from process.proxy import Proxy, proxy

pytestmark = pytest.mark.backend("postgres", reason="a server can go away, a file cannot")

CHAIN = ["a", "b", "c", "d"]
ONCE = dict.fromkeys(CHAIN, 1)
RUNS = 200


@pytest.fixture
def fleet(own_server: Server, tmp_path: Path) -> Iterator[Fleet]:
    """Workers on a server that may go away."""
    schemas = PostgresSchemas(own_server.url)
    fleet = Fleet(schemas, schemas.new(), tmp_path)
    yield fleet
    fleet.close()


@pytest.fixture
def between(fleet: Fleet) -> Iterator[Proxy]:
    """A proxy through which the workers that are started from now on reach the server."""
    direct = fleet.url
    with proxy(direct) as found:
        fleet.url = found.url
        yield found
        fleet.url = direct
        for worker in fleet.workers:
            worker.dispose()


def held(fleet: Fleet, **settings: Any) -> tuple[Worker, str]:
    """A worker in the middle of a chain, and the chain's run."""
    worker = fleet.start(hold=["b"], **settings)
    worker.tell("report")
    worker.hear("reporting")
    run_id = worker.submit("chain")
    worker.hear("holding")
    return worker, run_id


def in_trouble(worker: Worker) -> None:
    """Return when it has noticed that it cannot write."""
    while not " ".join(worker.hear("logged")).startswith("commit failed"):
        continue


def test_a_run_goes_on_when_the_server_is_back(own_server: Server, fleet: Fleet) -> None:
    worker, run_id = held(fleet)

    own_server.go_down()
    worker.tell("release")
    in_trouble(worker)
    own_server.come_back()

    assert worker.result(run_id) == ("Completed", {"trail": CHAIN})
    assert fleet.executions(run_id) == ONCE


def test_clients_that_know_names_alone_wait_for_the_server(
    own_server: Server, fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    """One has found the workflow before, the other has not."""
    fleet.start()
    with (
        cloaca.Client(fleet.url, registry=cloaca.Registry()) as known,
        cloaca.Client(fleet.url, registry=cloaca.Registry()) as new,
        ThreadPoolExecutor() as threads,
    ):
        known.submit("one")
        own_server.go_down()
        waiting = [threads.submit(client.execute, "one", {}) for client in (known, new)]
        while not {"workflow", "commit"} <= {
            each.getMessage().split()[0] for each in caplog.records
        }:
            continue  # "workflow one is not found, trying again", "commit failed, trying again"
        own_server.come_back()

        assert [each.result().status for each in waiting] == ["Completed", "Completed"]


def test_restarts_under_load_lose_nothing_and_repeat_nothing(
    own_server: Server, fleet: Fleet
) -> None:
    worker = fleet.start()
    worker.tell("submit", "chain", RUNS)
    run_ids = worker.hear("submitted")

    for _ in range(3):
        own_server.go_down()
        own_server.come_back()
        assert worker.result(worker.submit("one"))[0] == "Completed"
    worker.tell("results", *run_ids)

    assert worker.hear("results") == ["Completed"]
    executed = Counter(entry.run_id for entry in fleet.ledger())
    assert {executed[run_id] for run_id in run_ids} == {len(CHAIN)}


@pytest.mark.parametrize("places", [RUNS, RUNS // 10], ids=["submitted", "claimed"])
def test_connections_that_break_at_any_moment_cost_nothing(fleet: Fleet, places: int) -> None:
    worker = fleet.start(max_active_runs=places)
    worker.tell("submit", "chain", RUNS)
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = ?"

    for _ in range(40):
        fleet.query(kill, "cloaca")
    run_ids = worker.hear("submitted")
    worker.tell("results", *run_ids)

    assert worker.hear("results") == ["Completed"]
    executed = Counter(entry.run_id for entry in fleet.ledger())
    assert dict(executed) == dict.fromkeys(run_ids, len(CHAIN))


def test_who_has_lost_its_listener_still_hears_of_ends_elsewhere(fleet: Fleet) -> None:
    runs, waits = fleet.start(hold=["b"]), fleet.start()
    run_id = runs.submit("chain")
    runs.hear("holding")
    waits.tell("result", run_id)

    listeners = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE ?"
    fleet.query(listeners, "LISTEN %")
    runs.tell("release")

    assert waits.hear("result")[1] == "Completed"


def test_a_silent_server_keeps_no_runner_from_closing(fleet: Fleet, between: Proxy) -> None:
    worker, _ = held(fleet, shutdown_grace_seconds=1)

    between.freeze()
    worker.tell("shutdown")

    worker.hear("closed")


def test_work_goes_on_after_a_silence(fleet: Fleet, between: Proxy) -> None:
    worker, run_id = held(fleet)

    between.freeze()
    worker.tell("release")
    in_trouble(worker)
    between.thaw()

    assert worker.result(run_id) == ("Completed", {"trail": CHAIN})
    assert fleet.executions(run_id) == ONCE
