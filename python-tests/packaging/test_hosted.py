"""The files for CI on a host and for commit hooks ask only for tasks that exist."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from tables import each_row

from dev import scrub
from dev.environments.interpreters import MINORS
from dev.project import BACKENDS, PYTHON_TESTED, ROOT

WORKFLOW = ROOT / ".github" / "workflows" / "tests.yml"
HOOK = ROOT / "dev" / "hooks" / "pre-commit"
FIND = ROOT / "dev" / "find-python"


def row(name: str) -> list[str]:
    """One row of the workflow's matrix."""
    found = re.search(rf"(?m)^        {name}: (\[.*\])$", WORKFLOW.read_text(encoding="utf-8"))
    assert found is not None
    cells: list[str] = json.loads(found[1])
    return cells


def test_the_matrix_has_every_python_that_the_tasks_look_for() -> None:
    assert row("python") == list(MINORS)
    assert set(PYTHON_TESTED) <= set(row("python"))


def test_the_matrix_has_every_backend_and_the_three_systems() -> None:
    assert sorted(row("backend")) == sorted(each.backend for each in BACKENDS)
    assert [name.partition("-")[0] for name in row("os")] == ["ubuntu", "macos", "windows"]


@each_row("path", [WORKFLOW, HOOK])
def test_what_is_run_are_our_own_tasks(path: object) -> None:
    text = (WORKFLOW if path == WORKFLOW else HOOK).read_text(encoding="utf-8")
    commands = re.findall(r'(?m)^(?: *- run:|exec "\$python") (.*)$', text)
    defined = (ROOT / "dev" / "commands.py").read_text(encoding="utf-8")

    assert commands
    for command in commands:
        found = re.fullmatch(r"(?:python )?tasks\.py ([a-z.]+)( --.*)?", command)
        assert found is not None, command
        name = found[1].rpartition(".")[2]
        assert f"\ndef {name}(" in defined or f'name="{name}"' in defined
        for option in re.findall(r"--([a-z]+)", found[2] or ""):
            assert re.search(rf"\b{option}: ", defined), command


def test_pre_commit_starts_the_hook_that_git_can_start_without_it() -> None:
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert re.findall(r"(?m)^ *entry: (.*)$", text) == ["sh dev/hooks/pre-commit"]


# -- which Python starts them --------------------------------------------------------------------


def put(folder: Path, name: str, script: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def start(script: Path, checkout: Path, programs: Path) -> subprocess.CompletedProcess[str]:
    """As git does: at the root of the checkout. No other programs are to be had."""
    return subprocess.run(
        ["/bin/sh", str(script)],
        cwd=checkout,
        env={"PATH": str(programs)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_first_python_that_is_new_enough_is_found(tmp_path: Path) -> None:
    put(tmp_path, "python3", "exit 1")  # one that is too old, or a shim that leads nowhere
    put(tmp_path, "python", "exit 0")
    found = put(tmp_path, "python3.13", "exit 0")
    assert start(FIND, ROOT, tmp_path).stdout == f"{found}\n"


def test_a_machine_without_one_is_told_so(tmp_path: Path) -> None:
    put(tmp_path, "python3", "exit 1")
    done = start(FIND, ROOT, tmp_path)
    assert (done.returncode, done.stderr) == (1, "no Python 3.11 or newer on PATH\n")


@pytest.mark.parametrize("name", ["python3", "python3.12", "python3.14", "python"])
def test_the_hook_runs_on_whatever_python_there_is(tmp_path: Path, name: str) -> None:
    put(tmp_path, name, 'case "$1" in -c) exit 0;; esac; echo "$@"; exit 3')
    put(tmp_path, "sh", f'PATH={tmp_path} exec /bin/sh "$@"')
    done = start(HOOK, ROOT, tmp_path)
    assert (done.returncode, done.stdout) == (3, "tasks.py check --quick\n")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git checkout with our hook in ``dev/``."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / "dev" / "hooks").mkdir(parents=True)
    (tmp_path / "dev" / "hooks" / "pre-commit").write_text("ours")
    (tmp_path / ".git" / "hooks").mkdir(exist_ok=True)
    monkeypatch.setattr(scrub, "ROOT", tmp_path)
    monkeypatch.setattr(scrub, "VENV", tmp_path / ".venv")
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_a_hook_that_needs_the_environment_that_scrub_removes_is_replaced(checkout: Path) -> None:
    hook = checkout / ".git" / "hooks" / "pre-commit"
    hook.write_text(f"INSTALL_PYTHON={checkout}/.venv/bin/python\n")
    hook.chmod(0o755)
    scrub._keep_the_commit_hook_working()
    assert hook.read_text() == "ours"
    assert hook.stat().st_mode & 0o111


@pytest.mark.parametrize("text", ["INSTALL_PYTHON=/elsewhere/bin/python\n", None])
def test_another_hook_or_none_is_left_alone(checkout: Path, text: str | None) -> None:
    hook = checkout / ".git" / "hooks" / "pre-commit"
    if text is not None:
        hook.write_text(text)
    scrub._keep_the_commit_hook_working()
    assert (hook.read_text() if hook.exists() else None) == text


def test_outside_of_a_git_checkout_there_is_no_hook(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrub, "ROOT", Path("/"))
    scrub._keep_the_commit_hook_working()
