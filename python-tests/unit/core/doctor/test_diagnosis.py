"""What is found in real databases that were put into each of these states."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest
from own_database import OwnDatabases

import cloaca
from cloaca_core.doctor.diagnosis import Diagnosis, diagnose
from cloaca_core.errors import StoreOpenError
from cloaca_core.values.clock import Clock

HOUR = 3_600_000_000
AGES_AGO = 1_000_000_000
"""An instant of 1970, in µs."""


class FastClock(Clock):
    """An hour ahead."""

    def wall(self) -> int:
        return super().wall() + HOUR


@pytest.fixture(autouse=True)
def _workflow() -> None:
    with cloaca.WorkflowBuilder("wait"):

        @cloaca.task
        def step(context: cloaca.Context) -> None:
            pass


@pytest.fixture
def run(database_url: str) -> str:
    """The id of a run that has not begun; no runner is there any more."""
    with cloaca.DefaultRunner(database_url) as runner:
        runner.stop()
        return runner.submit("wait").id


@pytest.fixture
def change(own_databases: OwnDatabases, database_url: str) -> Callable[..., None]:
    """Executes a statement in the database, as a user with a shell could."""

    def execute(statement: str, *values: object) -> None:
        if database_url.startswith("postgres"):
            own_databases.query(database_url, statement, *values)
            return
        with closing(own_databases.connect(database_url, autocommit=True)) as connection:
            connection.execute(statement, values)

    return execute


def codes(found: Diagnosis) -> list[str]:
    return [each.code for each in found.findings]


def test_a_database_in_use_is_sound(database_url: str) -> None:
    with cloaca.DefaultRunner(database_url) as runner:
        runner.execute("wait")

        found = diagnose(database_url, deep=True)

    assert found.findings == ()
    assert found.is_sound
    assert found.size > 0
    assert len(found.versions) == 2
    assert found.to_dict()["findings"] == []


def test_a_database_without_tables_is_told_and_not_made(
    own_databases: OwnDatabases, backend_name: str
) -> None:
    url = own_databases.new_empty()
    if backend_name == "sqlite":
        with pytest.raises(StoreOpenError, match="does not exist"):
            diagnose(url)
        with closing(own_databases.connect(url, autocommit=True)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
    else:
        with cloaca.DefaultRunner(url):
            pass
        own_databases.load(url, "SELECT 1")  # an empty schema in its place

    assert "schema_older" in codes(diagnose(url))
    assert "schema_older" in codes(diagnose(url))


STATES = {
    "owner_missing": "UPDATE cloaca_run SET owner = 'ghost', epoch = 1, status = 'Running'",
    "runs_unserved": f"UPDATE cloaca_run SET created_at = {AGES_AGO}, claimable_at = {AGES_AGO}",
    "cancelling_long": f"UPDATE cloaca_run SET status = 'Cancelling', owner = 'ghost',"
    f" cancel_at = {AGES_AGO}",
    "waiting_overdue": f"UPDATE cloaca_run SET status = 'Waiting', due_at = {AGES_AGO},"
    f" claimable_at = {AGES_AGO}",
    "waiting_long": f"UPDATE cloaca_run SET status = 'Paused', paused_at = {AGES_AGO},"
    f" created_at = {AGES_AGO}",
    "retention_not_set": "UPDATE cloaca_upkeep SET keeps_all = 1",
    "prune_late": f"UPDATE cloaca_upkeep SET due_at = {AGES_AGO}",
    "missing_index": "DROP INDEX cloaca_run_owned",
    "missing_table": "DROP TABLE cloaca_paused_workflow",
    "schema_older": "DELETE FROM cloaca_migration WHERE number = "
    "(SELECT max(number) FROM cloaca_migration)",
    "schema_unknown": "INSERT INTO cloaca_migration VALUES (999, 'later', 'x', 1)",
}


@pytest.mark.parametrize("code", STATES)
def test_each_state_is_found(
    code: str, run: str, database_url: str, change: Callable[..., None]
) -> None:
    change(STATES[code])

    assert code in codes(diagnose(database_url))


@pytest.mark.usefixtures("run")
def test_the_runs_of_a_process_that_has_ended_are_found(
    database_url: str, change: Callable[..., None]
) -> None:
    change(
        "INSERT INTO cloaca_runner (id, boot_id, pid_namespace, pid, process_start, beat,"
        " lease_until, fenced, started_at, protocol)"
        " VALUES ('gone', 'boot', 'ns', 1, 1, 5, 5, 0, 1, 2)"
    )
    change("UPDATE cloaca_run SET owner = 'gone', epoch = 1, status = 'Running'")

    assert "lease_over" in codes(diagnose(database_url))


@pytest.mark.usefixtures("run")
def test_a_paused_workflow_is_noticed(database_url: str) -> None:
    with cloaca.Client(database_url) as client:
        client.pause_workflow("wait")

    (finding,) = diagnose(database_url).findings

    assert (finding.code, finding.severity) == ("workflow_paused", "notice")
    assert "wait" in finding.text


@pytest.mark.usefixtures("run")
def test_a_trigger_that_nobody_polls_is_found(
    database_url: str, change: Callable[..., None]
) -> None:
    change(
        "INSERT INTO cloaca_trigger (id, name, workflow, poll_interval_ms, allow_concurrent,"
        " enabled, next_poll_at, generation, created_at, updated_at)"
        f" VALUES ('t', 'watch', 'wait', 1000, 0, 1, {AGES_AGO}, 1, 1, 1)"
    )

    assert "trigger_late" in codes(diagnose(database_url))


@pytest.mark.usefixtures("run")
def test_a_clock_that_differs_from_the_database_is_found(
    database_url: str, backend_name: str
) -> None:
    found = codes(diagnose(database_url, clock=FastClock()))

    # SQLite has no clock of its own. Work of an hour ago is late, by the clock that it is given.
    assert ("clock_difference" in found) is (backend_name == "postgres")


def test_nothing_is_written(run: str, database_url: str, own_databases: OwnDatabases) -> None:
    before = own_databases.query(database_url, "SELECT * FROM cloaca_run")

    diagnose(database_url, deep=True)

    assert own_databases.query(database_url, "SELECT * FROM cloaca_run") == before
    assert own_databases.query(database_url, "SELECT * FROM cloaca_runner") == []


def test_a_lock_of_a_writer_does_not_hold_it_up(
    run: str, database_url: str, own_databases: OwnDatabases, backend_name: str
) -> None:
    if backend_name != "sqlite":
        pytest.skip("readers of PostgreSQL wait for no row")
    with closing(own_databases.connect(database_url, autocommit=True)) as connection:
        connection.execute("BEGIN IMMEDIATE")

        assert diagnose(database_url).is_sound
