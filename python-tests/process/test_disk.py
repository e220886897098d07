"""The disk is full, or the power goes: what was acknowledged is there, what was not says so."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from process.fleet import Fleet

pytestmark = pytest.mark.backend("sqlite", reason="the disk is the server's, not this process's")

RUNS = "SELECT id FROM cloaca_run "
CHAIN = ("Completed", {"trail": ["a", "b", "c", "d"]})


def test_a_full_disk_is_reported_and_work_goes_on_when_there_is_space_again(fleet: Fleet) -> None:
    worker = fleet.start(hold=["b"])
    run_id = worker.submit("chain")
    worker.hear("holding")
    database = file_of(fleet)
    full = sum(path.stat().st_size for path in database.parent.glob(f"{database.name}*"))
    worker.tell("limit", min(4096, full))
    worker.hear("limited")

    worker.tell("report")
    worker.hear("reporting")
    worker.tell("release")
    assert "the disk failed" in " ".join(worker.hear("logged"))
    worker.tell("limit", "none")
    worker.hear("limited")

    assert worker.result(run_id) == CHAIN
    assert fleet.query("PRAGMA integrity_check") == [("ok",)]
    assert fleet.executions(run_id) == {"a": 1, "b": 1, "c": 1, "d": 1}


def test_every_acknowledged_run_survives_a_power_cut(fleet: Fleet, tmp_path: Path) -> None:
    """File and log as they are after each acknowledgement, opened as after a crash."""
    worker = fleet.start()
    acknowledged: list[str] = []
    for number in range(10):
        run_id = worker.submit("chain")
        assert copy_of(file_of(fleet), tmp_path / f"submitted-{number}") >= {run_id}
        worker.result(run_id)
        acknowledged.append(run_id)

        ended = copy_of(file_of(fleet), tmp_path / f"ended-{number}", "WHERE ended_at IS NOT NULL")

        assert ended == set(acknowledged)


def file_of(fleet: Fleet) -> Path:
    """The file that the workers share."""
    return Path(fleet.url.removeprefix("sqlite://"))


def copy_of(database: Path, folder: Path, where: str = "") -> set[str]:
    """The runs that a copy of the file and its log holds."""
    folder.mkdir()
    for suffix in ("", "-wal"):
        source = Path(f"{database}{suffix}")
        if source.exists():
            shutil.copy(source, folder / source.name)
    with closing(sqlite3.connect(folder / database.name)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {run_id for (run_id,) in connection.execute(RUNS + where)}


def test_a_database_that_may_not_grow_refuses_new_runs_and_keeps_what_was_done(
    fleet: Fleet,
) -> None:
    worker = fleet.start(hold=["b"])
    run_id = worker.submit("chain")
    worker.hear("holding")
    worker.tell("most_pages", "now")
    worker.hear("pages")

    assert "no space is left for the database" in worker.refusal()
    worker.tell("release")
    worker.tell("most_pages", 1_000_000)
    worker.hear("pages")

    assert worker.result(run_id) == CHAIN
    assert worker.result(worker.submit("chain")) == CHAIN
    assert fleet.query("PRAGMA integrity_check") == [("ok",)]
