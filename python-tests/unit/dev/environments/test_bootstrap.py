"""The tools' environment: when it is made anew, and what is told when it cannot be made."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from dev.environments import bootstrap, installer


@pytest.fixture
def venv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for ``.venv`` that is not the real one; its Python says that it is a 3.12."""
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(bootstrap, "STAMP", tmp_path / ".venv" / "made-from.json")
    monkeypatch.setattr(bootstrap, "LOCKED", tmp_path / "lock.txt")
    monkeypatch.setattr(bootstrap, "QUICK", tmp_path / "quick.txt")
    bootstrap.LOCKED.write_text("invoke==3.0\n")
    bootstrap.QUICK.write_text("uv==0.1\n")
    bootstrap.program("python").parent.mkdir(parents=True)
    for name in ("python", "invoke"):
        put_program(bootstrap.program(name), "echo 3 12")
    bootstrap.STAMP.write_text(json.dumps(bootstrap.made_from((3, 12))))
    return tmp_path


def put_program(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def test_an_environment_made_from_the_same_things_is_kept(venv: Path) -> None:
    assert bootstrap.is_current()


@pytest.mark.parametrize("name", ["lock.txt", "quick.txt"])
def test_other_requirements_make_it_anew(venv: Path, name: str) -> None:
    (venv / name).write_text("invoke==3.0\njinja2==3.1\n")
    assert not bootstrap.is_current()


def test_which_python_starts_it_does_not_count(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.version_info", (3, 99, 1))
    monkeypatch.setattr("sys.version", "3.99.1")
    monkeypatch.setattr("sys._base_executable", "/usr/bin/python3.99")
    assert bootstrap.is_current()


@pytest.mark.parametrize(
    "line",
    [
        "echo 3 13",  # another version came in its place, which does not see the packages
        "exit 1",  # it no longer starts
        "echo",
    ],
)
def test_an_environment_whose_own_python_is_another_or_broken_is_made_anew(
    venv: Path, line: str
) -> None:
    put_program(bootstrap.program("python"), line)
    assert not bootstrap.is_current()


def test_an_environment_whose_python_is_gone_is_made_anew(venv: Path) -> None:
    python = bootstrap.program("python")
    python.unlink()
    python.symlink_to(venv / "uninstalled")
    assert not bootstrap.is_current()


def test_an_environment_whose_python_is_too_old_by_now_is_made_anew(
    venv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "LEAST", (3, 13))
    assert not bootstrap.is_current()


@pytest.mark.parametrize("name", ["python", "invoke"])
def test_an_environment_that_lost_a_program_is_made_anew(venv: Path, name: str) -> None:
    bootstrap.program(name).unlink()
    assert not bootstrap.is_current()


def test_an_environment_that_somebody_else_made_is_put_aside_and_told_of(
    venv: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "BACKUPS", venv / "backups")
    monkeypatch.setattr(bootstrap, "_run", lambda command: None)
    monkeypatch.setattr(installer, "install", lambda *words, pip_of: None)
    bootstrap.STAMP.unlink()
    (bootstrap.VENV / "theirs").touch()

    bootstrap.make()

    (kept,) = (venv / "backups").glob("venv-*/.venv/theirs")
    assert f"moving it to {kept.parent}" in capsys.readouterr().out
    assert [each.name for each in bootstrap.VENV.iterdir()] == ["made-from.json"]


def test_an_environment_that_was_killed_half_made_is_ours(
    venv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(bootstrap, "_run", lambda command: seen.append(bootstrap.STAMP.read_text()))
    monkeypatch.setattr(installer, "install", lambda *words, pip_of: None)
    bootstrap.make()
    assert set(seen) == {""}
    here = sys.version_info[:2]
    assert json.loads(bootstrap.STAMP.read_text()) == bootstrap.made_from(here)


@pytest.fixture
def asked(venv: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The steps of ``make``: programs that it runs, and the installer of the locked packages."""
    done: list[str] = []
    monkeypatch.delenv("CLOACA_INSTALLER", raising=False)
    monkeypatch.setattr(bootstrap, "_run", lambda command: done.append(" ".join(command)))
    return done


def test_uv_stays_only_where_it_did_its_work(
    asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every later task asks for it because it is there."""

    def pip_did(*words: object, pip_of: Path) -> None:
        monkeypatch.setenv("CLOACA_INSTALLER", "pip")

    monkeypatch.setattr(installer, "install", pip_did)
    bootstrap.make()
    assert asked[-1].endswith("uninstall --quiet --yes uv")


def test_where_uv_cannot_be_had_pip_does_the_rest(
    asked: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_uv(command: Sequence[str]) -> None:
        if str(bootstrap.QUICK) in command:
            raise bootstrap.SetupFailed("no such package: uv")

    monkeypatch.setattr(bootstrap, "_run", no_uv)
    monkeypatch.setattr(installer, "install", lambda *words, pip_of: asked.append("lock"))
    bootstrap.make()
    assert asked == ["lock"]
    assert "no such package: uv\n    uv cannot be had; pip does it" in capsys.readouterr().out


def test_who_wants_pip_alone_gets_no_uv(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOACA_INSTALLER", "pip")
    monkeypatch.setattr(installer, "install", lambda *words, pip_of: None)
    bootstrap.make()
    assert not [command for command in asked if str(bootstrap.QUICK) in command]


def test_what_lies_in_the_folder_of_the_start_is_none_of_the_tools(
    tmp_path: Path, venv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There may be an ``invoke.py``, or a folder with the name of something that it imports."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(bootstrap, "program", lambda name: Path(sys.executable))
    monkeypatch.setattr(bootstrap, "is_current", lambda: True)
    monkeypatch.setattr(bootstrap, "LOCK", tmp_path / "lock")
    monkeypatch.setattr(bootstrap, "_replace_process", _where_it_looks)
    assert bootstrap.hand_over(["generate", "--check"]) == 0


def _where_it_looks(command: Sequence[str]) -> int:
    """0 when a program started like this one does not look in the folder that it is in."""
    options = command[: command.index("-m")]
    look = "import os, sys; sys.exit(bool({'', os.getcwd()} & {*sys.path}))"
    return subprocess.run([*options, "-c", look], check=False).returncode


@pytest.mark.parametrize("stamp", [None, "", "[1"])
def test_an_environment_without_a_whole_stamp_is_made_anew(venv: Path, stamp: str | None) -> None:
    bootstrap.STAMP.unlink()
    if stamp is not None:
        bootstrap.STAMP.write_text(stamp)
    assert not bootstrap.is_current()


def test_a_failed_start_leaves_no_half_environment(
    venv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(command: object) -> None:
        raise bootstrap.SetupFailed("no network")

    monkeypatch.setattr(bootstrap, "_run", fail)
    with pytest.raises(bootstrap.SetupFailed, match="no network"):
        bootstrap.make()
    assert not bootstrap.VENV.exists()


def test_a_python_without_ensurepip_gets_the_line_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(bootstrap.SetupFailed, match=r"apt-get install python3\.\d+-venv"):
        bootstrap.make()


def test_a_place_where_nothing_can_be_written_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "LOCK", tmp_path)  # a folder, which even root cannot write to
    assert bootstrap.hand_over([]) == 1
    assert capsys.readouterr().err == f"failed: [Errno 21] Is a directory: '{tmp_path}'\n"


def test_a_python_that_is_too_old_is_told_so() -> None:
    with pytest.raises(bootstrap.SetupFailed, match=r"this is Python 3\.10"):
        bootstrap.check_python((3, 10))
