"""A pooler that gives each transaction another session: with pooler=true nothing is different."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from own_database import OwnDatabases

import cloaca
from dev.databases.urls import with_query, without_query
from process.fleet import Fleet
from process.pooler import Pooler, pooler

pytestmark = pytest.mark.backend("postgres", reason="before a file there is no pooler")

RUNS = 50


@pytest.fixture
def between(database_url: str) -> Iterator[Pooler]:
    with pooler(database_url) as found:
        yield found


@pytest.fixture
def fleet(own_databases: OwnDatabases, between: Pooler, tmp_path: Path) -> Iterator[Fleet]:
    """Workers whose connections all go through the pooler."""
    fleet = Fleet(own_databases, between.url, tmp_path)
    yield fleet
    fleet.close()


def define() -> None:
    with cloaca.WorkflowBuilder("quick"):
        cloaca.task(id="only")(lambda context: {"ran": True})


def test_several_processes_share_runs_through_it(fleet: Fleet) -> None:
    workers = [fleet.start(max_active_runs=10) for _ in range(2)]
    workers[0].tell("submit", "chain", RUNS)
    run_ids = workers[0].hear("submitted")
    workers[1].tell("results", *run_ids)

    assert workers[1].hear("results") == ["Completed"]
    executed = Counter((entry.run_id, entry.task_id) for entry in fleet.ledger())
    assert executed == dict.fromkeys(((run_id, t) for run_id in run_ids for t in "abcd"), 1)
    assert [worker.end() for worker in workers] == [(0, "")] * 2


def test_runs_go_on_when_it_was_restarted(fleet: Fleet, between: Pooler) -> None:
    worker = fleet.start(hold=["b"])
    run_id = worker.submit("chain")
    worker.hear("holding")

    between.cut()
    worker.tell("release")

    assert worker.result(run_id)[0] == "Completed"
    assert fleet.executions(run_id) == dict.fromkeys("abcd", 1)


@pytest.mark.parametrize("commits", [True, False])
def test_only_a_submit_of_the_same_key_waits_for_an_open_transaction(
    between: Pooler, own_databases: OwnDatabases, database_url: str, commits: bool
) -> None:
    define()
    with (
        cloaca.DefaultRunner(between.url) as runner,
        closing(own_databases.connect(database_url)) as mine,
        ThreadPoolExecutor(1) as pool,
    ):
        first = runner.submit("quick", connection=mine, idempotency_key="k")
        same = pool.submit(runner.submit, "quick", idempotency_key="k")
        while runner.health()["held_submits"] != 1:
            pass
        assert runner.execute("quick").status == "Completed"
        assert not same.done()

        mine.commit() if commits else mine.rollback()

        assert (same.result(60) == first) is commits
        assert same.result().result(60).status == "Completed"
    assert own_databases.query(database_url, "SELECT count(*) FROM cloaca_run") == [(2,)]


def test_sessions_that_somebody_left_in_another_schema_lead_nobody_there(
    database_url: str, own_databases: OwnDatabases
) -> None:
    define()
    theirs = own_databases.new()
    for url in (database_url, theirs):  # both have our tables
        cloaca.DefaultRunner(url).shutdown()
    (schema,) = own_databases.query(theirs, "SELECT current_schema()")[0]

    with pooler(database_url, begin=f"SET search_path TO {schema}") as between:
        with cloaca.DefaultRunner(between.url) as runner:
            done = [runner.execute("quick") for _ in range(9)]
            assert len(runner.list_runs()) == 9
        with cloaca.DefaultRunner(without_query(between.url, "schema")) as unnamed:
            assert unnamed.execute("quick").status == "Completed"
        assert set(between.ask("SHOW search_path")) == {(schema,)}  # as they were found

    assert {result.status for result in done} == {"Completed"}
    assert own_databases.query(theirs, "SELECT count(*) FROM cloaca_run") == [(0,)]
    assert own_databases.query(database_url, "SELECT count(*) FROM cloaca_run") == [(9,)]


@pytest.mark.parametrize("query", [{}, {"pooler": "false"}])
def test_a_pooler_that_the_url_does_not_tell_of_is_refused_before_anything_is_set(
    between: Pooler, query: dict[str, str]
) -> None:
    url = with_query(without_query(between.url, "pooler"), **query)

    with pytest.raises(cloaca.StoreOpenError, match="add pooler=true to the URL"):
        cloaca.DefaultRunner(url)

    (changed,) = {
        *between.ask(
            "SELECT count(*) FROM pg_settings WHERE source = 'session'"
            " AND name IN ('search_path', 'synchronous_commit', 'statement_timeout')"
        )
    }
    assert changed == (0,)
