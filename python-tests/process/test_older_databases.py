"""A database of every released schema is brought up to date with live runs in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from own_database import OwnDatabases

import cloaca
from cloaca_core.store.migrate import Migration, load_migrations
from process.earlier import made_by, migrations
from process.migrating import one_more
from process.older import TAGS, define

DUMPS = Path(__file__).parent.parent / "data"
WAIT = 60
ENDED = (
    "SELECT r.id, r.workflow, r.version, r.status, r.owner, r.epoch, r.recoveries, r.created_at,"
    " r.started_at, r.ended_at, r.idempotency_key, r.tags, r.error_message, r.input,"
    " r.final_context, a.task_id, a.attempt, a.epoch, a.status, a.started_at, a.ended_at,"
    " a.retry_at, a.crashes, a.error_type, a.error_message, a.skip_reason, a.change,"
    " a.error_traceback"
    " FROM cloaca_run AS r JOIN cloaca_attempt AS a ON a.run_id = r.id"
    " WHERE r.ended_at < 1705000000000000 ORDER BY r.id, a.task_id"
)

HALF_SKIPPED = """
INSERT INTO cloaca_run (id, workflow, version, status, epoch, created_at, started_at, tags, input)
VALUES ('018cc251-7ba6-75a8-acb6-3265a9c1f820', 'public::embedded::half', '0', 'Running', 2,
    1704067200000000, 1704067200000000, '{}', '{}');
INSERT INTO cloaca_attempt (run_id, task_id, attempt, epoch, status, started_at, ended_at, crashes,
    error_type, error_message, skip_reason)
VALUES
    ('018cc251-7ba6-75a8-acb6-3265a9c1f820', 'breaks', 1, 1, 'Failed', 1704067200000001,
        1704067200000002, 0, 'ValueError', 'no money', NULL),
    ('018cc251-7ba6-75a8-acb6-3265a9c1f820', 'sends', 0, 1, 'Skipped', NULL, 1704067200000002, 0,
        NULL, NULL, 'upstream failed: breaks'),
    ('018cc251-7ba6-75a8-acb6-3265a9c1f820', 'thanks', 0, 1, 'Skipped', NULL, 1704067200000002, 0,
        NULL, NULL, 'Trigger rules not satisfied');
"""
"""A run that its owner let go when a task had failed and two were skipped: columns of schema 1."""


@pytest.fixture(params=[False, True], ids=["today", "some day"])
def known_migrations(
    request: pytest.FixtureRequest, backend_name: str, monkeypatch: pytest.MonkeyPatch
) -> list[Migration]:
    """Those that today's code knows, and those with one more, which touches what is there."""
    known = load_migrations(f"cloaca_{backend_name}")
    if request.param:
        known = one_more(backend_name)
        opening = f"cloaca_{backend_name}.opening.load_migrations"
        monkeypatch.setattr(opening, lambda _: known)
    return known


@pytest.fixture
def older(
    own_databases: OwnDatabases,
    database_url: str,
    backend_name: str,
    known_migrations: list[Migration],
) -> str:
    """A database of schema 1 whose only process died in the middle of its work."""
    rows = (DUMPS / f"schema_1_{backend_name}.sql").read_text("utf-8")
    own_databases.load(database_url, made_by(backend_name, 1, rows))
    return database_url


@pytest.fixture
def runner(older: str) -> Iterator[cloaca.DefaultRunner]:
    registry = cloaca.Registry()
    define(registry)
    config = cloaca.DefaultRunnerConfig(lease_seconds=0.6)
    config.pipeline_timeout_seconds = None  # these runs began long ago
    with cloaca.DefaultRunner(older, config=config, registry=registry) as opened:
        yield opened


def test_every_live_run_is_completed_from_where_it_was(runner: cloaca.DefaultRunner) -> None:
    by_workflow = {info.workflow_name: info.id for info in runner.list_runs()}
    newest = runner.list_runs(limit=1)[0]
    assert newest.tags == TAGS

    half = runner.get_run(by_workflow["chain"]).result(WAIT)
    again = runner.get_run(by_workflow["again"]).result(WAIT)
    begun_now = runner.get_run(newest.id).result(WAIT)

    # The first task is not run again: its mark is that of the process that died.
    expected = {"trail": [0, 4242], "second": "ü", "third": "üü"}
    assert (half.status, half.final_context.to_dict()) == ("Completed", expected)
    assert (again.status, again.final_context["attempt"]) == ("Completed", 2)
    assert again.final_context["n"] == 2**53 + 1
    assert (begun_now.status, begun_now.final_context.to_dict()) == (
        "Completed",
        {"n": 4, "twice": 8},
    )


def test_every_ended_run_is_what_it_was(
    own_databases: OwnDatabases, older: str, known_migrations: list[Migration]
) -> None:
    before = own_databases.query(older, ENDED)
    with cloaca.DefaultRunner(older, registry=cloaca.Registry()) as runner:
        (done,) = runner.list_runs(status="Completed", tags=TAGS)
        (broken,) = runner.list_runs(status="Failed")
        result = runner.get_run(broken.id).result()

        assert runner.get_run(done.id).result().final_context.to_dict() == {"n": 21, "twice": 42}
        assert result.error_message == (
            "1 task(s) failed, 0 completed, 1 skipped; first error: breaks: ValueError: no money"
        )
        assert result.task_results["sends"].status == "Skipped"

    assert len(before) == 3
    assert own_databases.query(older, ENDED) == before
    noted = own_databases.query(older, "SELECT number FROM cloaca_migration ORDER BY number")
    assert noted == [(migration.number,) for migration in known_migrations]


@pytest.mark.parametrize("schema", range(1, 7))
def test_why_a_task_was_skipped_is_known_from_rows_without_a_code(
    own_databases: OwnDatabases, database_url: str, backend_name: str, schema: int
) -> None:
    """Of each schema before the codes. On PostgreSQL the last of them has codes: there these rows
    are as an older runner, which is still open, writes them.
    """
    own_databases.load(database_url, made_by(backend_name, schema) + HALF_SKIPPED)
    registry = cloaca.Registry()
    with cloaca.WorkflowBuilder("half", registry=registry):
        cloaca.task(id="breaks", retry_attempts=1)(lambda context: 1 / 0)
        cloaca.task(id="sends", dependencies=["breaks"])(lambda context: None)
        never = cloaca.all_of(cloaca.task_success("breaks"))
        cloaca.task(id="thanks", dependencies=["breaks"], trigger_rules=never)(lambda context: None)
        cloaca.task(id="slow")(lambda context: None)
        cloaca.task(id="after sends", dependencies=["sends", "slow"])(lambda context: None)
        cloaca.task(id="after thanks", dependencies=["thanks", "slow"])(lambda context: None)

    config = cloaca.DefaultRunnerConfig()
    config.pipeline_timeout_seconds = None  # the run began long ago
    with cloaca.DefaultRunner(database_url, config=config, registry=registry) as runner:
        result = runner.get_run("018cc251-7ba6-75a8-acb6-3265a9c1f820").result(WAIT)

    found = {task_id: task.skip_reason for task_id, task in result.task_results.items()}
    assert found == {
        "breaks": None,
        "sends": "upstream failed: breaks",
        "thanks": "Trigger rules not satisfied",
        "slow": None,
        "after sends": "upstream failed: sends",
        "after thanks": None,
    }
    codes = "SELECT task_id, reason_code FROM cloaca_attempt WHERE attempt = 0 ORDER BY task_id"
    assert own_databases.query(database_url, codes) == [
        ("after sends", "upstream_failed"),
        ("sends", None),
        ("thanks", None),
    ]
    ended = own_databases.query(database_url, "SELECT reason_code, limit_seconds FROM cloaca_run")
    assert ended == [("task_failed", None)]


def test_keys_that_were_given_then_are_known(runner: cloaca.DefaultRunner) -> None:
    before = {info.id for info in runner.list_runs()}

    for workflow, key in (("done", "once"), ("done", "later"), ("chain", "half")):
        assert runner.submit(workflow, {}, idempotency_key=key).id in before


def test_it_keeps_its_runs_until_it_is_said_for_how_long(older: str) -> None:
    registry = cloaca.Registry()
    with cloaca.DefaultRunner(older, registry=registry, start=False) as runner:
        ended = runner.count_runs(status=["Completed", "Failed"])
        assert ended == 2
        assert runner.prune().runs == 0
        assert runner.prune(dry_run=True).runs == 0

    config = cloaca.DefaultRunnerConfig(retention_days=90)
    with cloaca.DefaultRunner(older, config=config, registry=registry, start=False) as runner:
        assert runner.prune(dry_run=True).runs == ended
        assert runner.prune().runs == ended
        assert runner.count_runs() > 0


TREES = """
INSERT INTO cloaca_run
    (id, workflow, version, status, epoch, created_at, ended_at, tags, input, parent_id, detached)
VALUES
    ('00a', 'w', '0', 'Completed', 1, 1, 2, '{}', '{}', NULL, 0),
    ('00b', 'w', '0', 'Completed', 1, 1, 2, '{}', '{}', '00a', 0),
    ('00c', 'w', '0', 'Completed', 1, 1, 2, '{}', '{}', '00b', 0),
    ('00d', 'w', '0', 'Completed', 1, 1, 2, '{}', '{}', '00c', 1),
    ('00e', 'w', '0', 'Completed', 1, 1, 2, '{}', '{}', '00d', 0),
    ('00f', 'w', '0', 'Completed', 1, 1, 2, '{}', '{}', 'gone', 0);
"""
"""Runs that have submitted others; d is detached. Their ids begin as those of the seventies do."""


def test_the_trees_of_its_runs_are_known(
    own_databases: OwnDatabases, database_url: str, backend_name: str
) -> None:
    (retention,) = [m.number for m in migrations(backend_name) if m.name == "retention"]
    own_databases.load(database_url, made_by(backend_name, retention - 1) + TREES)

    with cloaca.Client(database_url) as client:
        found = own_databases.query(database_url, "SELECT id, root_id FROM cloaca_run ORDER BY id")
        assert client.prune(before="2100-01-01T00:00:00Z", dry_run=True).runs == 6

    assert [(run_id[-1], root_id and root_id[-1]) for run_id, root_id in found] == [
        *(("a", None), ("b", "a"), ("c", "a")),
        *(("d", None), ("e", "d"), ("f", None)),
    ]
