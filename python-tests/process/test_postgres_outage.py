"""The database is away for half a minute, twice the lease that runners have by default."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from own_database import PostgresSchemas

from process.fleet import Fleet, Worker
from process.postgres_server import Server

pytestmark = pytest.mark.backend("postgres", reason="a server can go away, a file cannot")

CHAIN = ["a", "b", "c", "d"]
OUTAGE_S = 30.0


@pytest.fixture
def fleet(own_server: Server, tmp_path: Path) -> Iterator[Fleet]:
    schemas = PostgresSchemas(own_server.url)
    fleet = Fleet(schemas, schemas.new(), tmp_path)
    yield fleet
    fleet.close()


def held(fleet: Fleet) -> tuple[Worker, str]:
    """A worker in the middle of a chain, and the chain's run."""
    worker = fleet.start(hold=["b"])
    worker.tell("report")
    worker.hear("reporting")
    run_id = worker.submit("chain")
    worker.hear("holding")
    return worker, run_id


def test_half_a_minute_without_the_database_costs_nobody_a_run(
    own_server: Server, fleet: Fleet
) -> None:
    """One body ends while it is away, one goes on all the time; then both runners work on."""
    ends_meanwhile, first = held(fleet)
    goes_on, second = held(fleet)

    own_server.go_down()
    away = time.monotonic()
    ends_meanwhile.tell("release")
    while not " ".join(ends_meanwhile.hear("logged")).startswith("commit failed"):
        continue
    ends_meanwhile.tell("submit", "chain")  # answered when it is back
    time.sleep(away + OUTAGE_S - time.monotonic())  # the outage itself
    own_server.come_back()

    assert ends_meanwhile.result(first) == ("Completed", {"trail": CHAIN})
    (third,) = ends_meanwhile.hear("submitted")
    fourth = goes_on.submit("one")
    goes_on.tell("release")
    assert goes_on.result(second) == ends_meanwhile.result(third) == ("Completed", {"trail": CHAIN})
    assert goes_on.result(fourth) == ("Completed", {"trail": ["a"]})
    assert fleet.query("SELECT DISTINCT epoch, recoveries FROM cloaca_run") == [(1, 0)]
    assert fleet.query("SELECT id FROM cloaca_runner WHERE fenced = 1") == []
    for run_id in (first, second, third):
        assert fleet.executions(run_id) == dict.fromkeys(CHAIN, 1)
