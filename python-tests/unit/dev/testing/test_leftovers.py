"""A test run that was killed: the next one removes what it left, and nothing of one that lives."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from dev.console import environment
from dev.databases import maintenance
from dev.project import ROOT
from dev.testing import leftovers

HOLDS_A_FOLDER = """
import subprocess, sys
from dev.testing import leftovers
with leftovers.run_folder() as folder:
    mark = {leftovers.MARK: str(folder)}
    wait = [sys.executable, "-c", "import threading; threading.Event().wait()"]
    child = subprocess.Popen(wait, env=mark, start_new_session=True, stdout=subprocess.DEVNULL)
    print(folder, child.pid, flush=True)
    input()
"""
HOLDS_A_DATABASE = """
import sys
from dev.databases import maintenance
with maintenance.temporary(sys.argv[1], maintenance.name_for_tests()) as url:
    print(url, flush=True)
    input()
"""
pytestmark = pytest.mark.skipif(os.name == "nt", reason="nothing is swept there")


class Run:
    """A program that says a line and then waits."""

    def __init__(self, program: str, *arguments: str, **variables: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            cwd=ROOT,
            env=environment({**_path(), **variables}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.said = self._process.stdout.readline().split()

    def kill(self) -> None:
        """End it as nothing can be prepared for."""
        self._process.kill()
        self._process.communicate()

    def end(self) -> None:
        """Let it go on to its end."""
        self._process.communicate("\n")


def _path() -> dict[str, str]:
    """Where these tests find what they import, should the sources be tested and not the wheels."""
    return {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}


# -- folders and processes -----------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """One that has a folder, and a child that would outlive it in a session of its own."""
    run = Run(HOLDS_A_FOLDER, TMPDIR=str(tmp_path))
    yield run
    run.kill()
    leftovers.sweep(tmp_path)
    with suppress(ProcessLookupError):  # a run that has removed its folder leaves its child alone
        os.kill(int(run.said[1]), signal.SIGKILL)


def test_the_folder_of_a_run_that_was_killed_is_removed(run: Run, tmp_path: Path) -> None:
    run.kill()
    leftovers.sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes show no variables")
def test_processes_that_outlived_their_run_are_ended(run: Run, tmp_path: Path) -> None:
    child = int(run.said[1])
    handle = os.pidfd_open(child) if sys.platform == "linux" else -1
    run.kill()

    leftovers.sweep(tmp_path)

    ended, _, _ = select.select([handle], [], [], 60)  # readable once it has
    if not ended:
        os.kill(child, signal.SIGKILL)
    os.close(handle)
    assert ended


def test_servers_are_looked_for_when_those_who_may_have_kept_one_have_ended(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.kill()
    seen: list[list[Path]] = []

    def sweep(folder: Path) -> list[Path]:
        seen.append(list(folder.iterdir()))
        return []

    monkeypatch.setattr("dev.databases.cluster.sweep", sweep)
    leftovers.sweep(tmp_path)
    assert seen == [[]]


def test_a_run_that_goes_on_keeps_its_folder_and_its_processes(run: Run, tmp_path: Path) -> None:
    leftovers.sweep(tmp_path)
    assert [str(path) for path in tmp_path.iterdir()] == [run.said[0]]
    os.kill(int(run.said[1]), 0)


def test_a_folder_that_is_no_run_s_is_kept(tmp_path: Path) -> None:
    (tmp_path / "cloaca-test-of-mine").mkdir()
    leftovers.sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["cloaca-test-of-mine"]


def test_a_run_that_ends_removes_its_folder_itself(run: Run, tmp_path: Path) -> None:
    run.end()
    assert list(tmp_path.iterdir()) == []


# -- databases -----------------------------------------------------------------------------------


@pytest.fixture
def database(postgres_database: str) -> Iterator[Run]:
    """A program with a database of its own on the server, and its name."""
    run = Run(HOLDS_A_DATABASE, postgres_database)
    yield run
    run.kill()
    maintenance.sweep(postgres_database)


def name_of(run: Run) -> str:
    return run.said[0].rpartition("/")[2]


def test_the_database_of_a_run_that_was_killed_is_dropped(
    database: Run, postgres_database: str
) -> None:
    assert name_of(database) in maintenance.names(postgres_database)
    database.kill()
    # The server hears of the end of a session a moment later than the system.
    while name_of(database) in maintenance.names(postgres_database):
        maintenance.sweep(postgres_database)


def test_the_database_of_a_run_that_goes_on_is_kept(database: Run, postgres_database: str) -> None:
    assert name_of(database) not in maintenance.sweep(postgres_database)
    assert name_of(database) in maintenance.names(postgres_database)
    assert postgres_database.rpartition("/")[2] in maintenance.names(postgres_database)


def test_roles_of_tenants_go_with_the_database_that_they_are_of(postgres_database: str) -> None:
    gone, name = maintenance.name_for_tests(), postgres_database.rpartition("/")[2]
    roles = {f"tenant_of_{each}": each for each in (gone, name)}
    with maintenance.connection(postgres_database) as connection:
        for role, of in roles.items():
            connection.execute(f"CREATE ROLE {role}".encode())
            mark = f"COMMENT ON ROLE {role} IS 'cloaca tenant some in database {of}'"
            connection.execute(mark.encode())

        swept = maintenance.sweep(postgres_database)

        connection.execute(f"DROP ROLE tenant_of_{name}".encode())
    assert f"tenant_of_{gone}" in swept
    assert f"tenant_of_{name}" not in swept
