"""A private PostgreSQL server leaves nothing behind, however its owner ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from unit.dev.databases.program_folders import folder_of

from dev.console import TaskFailed
from dev.databases import cluster, programs
from dev.databases.cluster import Cluster
from dev.project import ROOT

HERE = Path("/opt/postgresql/bin")


# -- a private server ----------------------------------------------------------------------------

HOLD = """
import sys
from pathlib import Path
from dev.databases import cluster
with cluster.running(Path(sys.argv[1]), Path(sys.argv[2])) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def binaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Programs to start a server with, from wherever there are some."""
    return programs.installed() or programs.embedded(tmp_path_factory.mktemp("embedded") / "env")


@pytest.fixture
def folder() -> Path:
    """A name that no server has yet, where the server's user can reach it."""
    name = f"{cluster.PREFIX}{os.urandom(6).hex()}"
    return Path(tempfile.gettempdir()) / name


def test_a_server_that_was_started_is_there_and_then_gone(folder: Path, binaries: Path) -> None:
    with cluster.running(folder, binaries) as url:
        assert Cluster(folder, binaries).is_running()
        assert url.startswith("postgresql://cloaca:")
    assert not folder.exists()


def test_killing_who_wanted_it_leaves_neither_server_nor_folder(
    folder: Path, binaries: Path
) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), str(binaries)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().startswith(b"postgresql://")
        holder.kill()
        # Its keeper holds this pipe's other end, and ends after it has removed all.
        assert holder.stderr is not None
        assert holder.stderr.read() == b""
    assert not folder.exists()


def test_a_server_whose_keeper_was_killed_too_is_swept_away(
    tmp_path: Path, folder: Path, binaries: Path
) -> None:
    server = Cluster(folder, binaries)
    server.create()
    server.start(durable=False)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (folder / "keeper.json").write_text(
        json.dumps({"pid": ended.pid, "binaries": os.fspath(binaries)})
    )

    assert folder in cluster.sweep(folder.parent)

    assert not folder.exists()


@pytest.fixture
def programs_of() -> Iterator[Callable[[str, str], Path]]:
    """Makes programs of shell scripts, in a folder that every user can read."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)

        def make(initdb: str, pg_ctl: str) -> Path:
            folder = folder_of(Path(name), "15")
            for program, script in (("initdb", initdb), ("pg_ctl", pg_ctl)):
                (folder / program).write_text(f"#!/bin/sh\n{script}\n")
            return folder

        yield make


def test_ctrl_c_waits_until_the_server_is_gone(
    folder: Path, programs_of: Callable[[str, str], Path]
) -> None:
    slow_to_stop = programs_of("exit 0", 'case "$*" in *stop*) sleep 1;; esac')
    with pytest.raises(KeyboardInterrupt), cluster.running(folder, slow_to_stop):
        raise KeyboardInterrupt
    assert not folder.exists()


def test_a_program_is_let_to_its_end_when_the_task_is_interrupted(
    folder: Path,
    programs_of: Callable[[str, str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A half-made data directory holds a server that pg_ctl can neither name nor stop."""
    monkeypatch.setattr(subprocess.Popen, "wait", _interrupted_once(subprocess.Popen.wait))
    server = Cluster(folder, programs_of("sleep 0.5; echo made", "exit 3"))
    with pytest.raises(KeyboardInterrupt):
        server.create()
    assert (folder / "initdb.out").read_text() == "made\n"
    server.remove()
    assert not folder.exists()


def _interrupted_once(wait: Callable[..., int]) -> Callable[..., int]:
    told = iter([KeyboardInterrupt()])

    def first_interrupted(process: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        for interruption in told:
            raise interruption
        return wait(process, timeout)

    return first_interrupted


def test_a_server_whose_folder_is_gone_is_none_to_stop(folder: Path) -> None:
    Cluster(folder, HERE).remove()


def test_a_server_that_cannot_start_tells_why(folder: Path, tmp_path: Path) -> None:
    broken = folder_of(tmp_path, "15")
    (broken / "initdb").write_text("#!/bin/sh\necho no disk here\nexit 1\n")
    tmp_path.chmod(0o755)
    told = "no PostgreSQL could be started"
    with pytest.raises(TaskFailed, match=told), cluster.running(folder, broken):
        pass
    assert not folder.exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no root")
def test_a_system_without_a_user_to_stand_in_for_root_is_told_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster, "UNPRIVILEGED", ("nobody-of-this-name",))
    with pytest.raises(TaskFailed, match="does not run as root"):
        cluster.unprivileged_user()
