"""Databases that cloaca 0.2.0 and 0.12.0 have written, taken over."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from own_database import OwnDatabases

import cloaca
from cloaca_core.errors import ForeignDatabaseError, StoreOpenError, TransferError
from cloaca_core.features.transfer.sql import SqlTransfer
from cloaca_tools.transfer.import_0x import ImportReport, import_0x

DATA = Path(__file__).parents[3] / "data"
WAIT = 60


@pytest.fixture(params=["0_2_sqlite", "0_12_sqlite", "0_2_postgres", "0_12_postgres"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database that a release has written, whose process died in its third run."""
    script = (DATA / f"cloaca_{request.param}.sql").read_text("utf-8")
    if request.param.endswith("sqlite"):
        with closing(sqlite3.connect(tmp_path / "old.db")) as raw:
            raw.executescript(script)
        return f"sqlite:///{tmp_path / 'old.db'}"
    schemas: OwnDatabases = request.getfixturevalue("postgres_schemas")
    url = schemas.new_empty()
    schemas.load(url, script)
    return url


@pytest.fixture
def target(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'new.db'}"


@pytest.fixture
def registry() -> cloaca.Registry:
    registry = cloaca.Registry()
    with cloaca.WorkflowBuilder("order", registry=registry):

        @cloaca.task
        def prepare(context: cloaca.Context) -> None:
            raise AssertionError("it was done before")

        @cloaca.task(dependencies=[prepare])
        def charge(context: cloaca.Context) -> dict[str, object]:
            return {"paid": context["n"], "prepared_before": context["prepared"]}

    return registry


def test_a_dry_run_counts_and_writes_nothing(old: str, target: str, tmp_path: Path) -> None:
    report = import_0x(old, target)

    assert report.dry_run
    assert report.unfinished == 1
    assert sum(report.runs.values()) == 3
    assert (report.schedules, report.known, report.refused) == (2, 0, ())
    assert report.workflows == ("public::embedded::order",)
    assert not (tmp_path / "new.db").exists()


def test_a_dry_run_into_a_database_that_is_there_writes_nothing(old: str, target: str) -> None:
    cloaca.DefaultRunner(target).shutdown()

    report = import_0x(old, target)

    assert sum(report.runs.values()) == 3
    with cloaca.Client(target) as client:
        assert client.list_runs() == []
        assert client.list_cron_schedules() == []


@pytest.mark.backend("postgres", reason="a server")
def test_a_dry_run_tells_that_the_target_cannot_be_reached(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "old.db")) as raw:
        raw.executescript((DATA / "cloaca_0_2_sqlite.sql").read_text("utf-8"))

    with pytest.raises(StoreOpenError) as refusal:
        import_0x(tmp_path / "old.db", "postgresql://app@127.0.0.1:1/work")

    assert refusal.value.reason == "unreachable"


def test_a_dry_run_tells_that_the_target_is_another_programs(tmp_path: Path) -> None:
    for name in ("old.db", "same.db"):
        with closing(sqlite3.connect(tmp_path / name)) as raw:
            raw.executescript((DATA / "cloaca_0_12_sqlite.sql").read_text("utf-8"))

    with pytest.raises(ForeignDatabaseError):
        import_0x(tmp_path / "old.db", tmp_path / "same.db")


def test_history_is_there_and_what_was_not_finished_goes_on(
    old: str, target: str, registry: cloaca.Registry
) -> None:
    report = import_0x(old, target, dry_run=False)

    with cloaca.DefaultRunner(target, registry=registry) as runner:
        dies, fails, ends = runner.list_runs()
        done = runner.get_run(dies.id).result(WAIT)
        assert (done.status, done.final_context["paid"]) == ("Completed", 3)
        assert done.final_context["prepared_before"] is True
        assert runner.get_run(fails.id).tasks()["charge"].status == "Failed"
        attempts = runner.get_run(fails.id).attempts()
        assert [each.error for each in attempts if each.error] == ["ValueError: no money"]
        assert runner.get_run(ends.id).result(WAIT).final_context["paid"] == 5
        found = runner.list_runs(tags={"imported_from": report.release})
        assert len(found) == 3
        nightly, off = runner.list_cron_schedules()
        assert (nightly["cron_expression"], nightly["enabled"]) == ("0 3 * * *", True)
        assert (nightly["timezone"], off["enabled"]) == ("Europe/Oslo", False)
        assert nightly["next_run_at"] is not None


def test_an_import_that_is_made_again_changes_nothing(old: str, target: str) -> None:
    first = import_0x(old, target, dry_run=False)

    again = import_0x(old, target, dry_run=False)

    assert (first.known, again.known) == (0, 5)
    assert (again.runs, again.schedules) == ({}, 0)
    assert again.to_dict()["unfinished"] == 0


def test_a_page_of_runs_is_written_in_one_transaction(
    old: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    put_new = SqlTransfer.put_new

    async def counted(transfer: SqlTransfer, rows: Mapping[str, Sequence[tuple[Any, ...]]]) -> None:
        written.extend(len(some) for name, some in rows.items() if name == "run")
        await put_new(transfer, rows)

    monkeypatch.setattr(SqlTransfer, "put_new", counted)

    import_0x(old, target, dry_run=False)

    assert written == [3]


def test_runs_come_page_by_page(old: str, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = import_0x(old, target)
    monkeypatch.setattr("cloaca_tools.transfer.import_0x._PAGE", 1)

    report = import_0x(old, target, dry_run=False)

    assert report.runs == whole.runs
    with cloaca.Client(target) as client:
        failed = client.list_runs(status="Failed")
        assert [each.id for each in failed if not client.get_run(each.id).attempts()] == []


def test_a_schedule_that_cannot_be_read_is_told(target: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "old.db")) as raw, raw:
        raw.executescript((DATA / "cloaca_0_12_sqlite.sql").read_text("utf-8"))
        raw.execute("UPDATE schedules SET cron_expression = 'often' WHERE enabled = 1")

    report = import_0x(tmp_path / "old.db", target, dry_run=False)

    assert report.schedules == 1
    assert "'often' of public::embedded::order" in report.refused[0]


def test_a_run_or_a_schedule_with_a_bad_value_is_told_and_the_others_come(
    target: str, tmp_path: Path
) -> None:
    bad = r'{"a": "\u0000"}'
    with closing(sqlite3.connect(tmp_path / "old.db")) as raw, raw:
        raw.executescript((DATA / "cloaca_0_12_sqlite.sql").read_text("utf-8"))
        raw.execute(
            "UPDATE contexts SET value = ? WHERE id ="
            " (SELECT context_id FROM workflow_executions WHERE status = 'Running')",
            [bad],
        )
        raw.execute("UPDATE schedules SET params = ? WHERE enabled = 1", [bad])

    report = import_0x(tmp_path / "old.db", target, dry_run=False)

    assert sum(report.runs.values()) == 2
    assert report.schedules == 1
    run, schedule = report.refused
    told = "of public::embedded::order: a: text with a NUL character cannot be stored"
    assert run == f"run e38b3ee7763c4abdb836b88680f182a6 {told}"
    assert schedule == f"'0 3 * * *' {told}"


def test_a_schedule_whose_name_the_target_has_is_told_and_the_others_come(
    target: str, tmp_path: Path, registry: cloaca.Registry
) -> None:
    with closing(sqlite3.connect(tmp_path / "old.db")) as raw, raw:
        raw.executescript((DATA / "cloaca_0_12_sqlite.sql").read_text("utf-8"))
        raw.execute("UPDATE schedules SET instance_name = 'nightly' WHERE enabled = 1")
    with cloaca.DefaultRunner(target, registry=registry) as runner:
        runner.schedule("nightly", "order", "0 4 * * *", "UTC", params={"n": 1})

    dry = import_0x(tmp_path / "old.db", target)
    report = import_0x(tmp_path / "old.db", target, dry_run=False)

    assert dry.refused == report.refused
    assert "the target has a schedule named 'nightly'" in report.refused[0]
    assert (dry.schedules, report.schedules) == (1, 1)
    with cloaca.Client(target) as client:
        found = {each["cron_expression"] for each in client.list_cron_schedules()}
    assert "0 4 * * *" in found
    assert "0 3 * * *" not in found


def test_a_database_of_this_version_is_no_source(target: str, tmp_path: Path) -> None:
    cloaca.DefaultRunner(target).shutdown()

    with pytest.raises(TransferError, match=r"was not made by cloaca 0\.2 or 0\.12"):
        import_0x(target, tmp_path / "other.db", dry_run=False)

    assert not (tmp_path / "other.db").exists()


def test_a_report_can_be_written_as_json() -> None:
    report = ImportReport("0.2", True, {"Completed": 2, "Pending": 1}, 1, 0, ("w",), ("x",))

    assert report.to_dict() == {
        "release": "0.2",
        "dry_run": True,
        "runs": {"Completed": 2, "Pending": 1},
        "unfinished": 1,
        "schedules": 1,
        "known": 0,
        "workflows": ["w"],
        "refused": ["x"],
    }
