"""What runs elsewhere, on a host for repositories or before a commit, asks for tasks that exist."""

from __future__ import annotations

import json
import re

import pytest

from dev.interpreters import MINORS
from dev.project import BACKENDS, PYTHON_TESTED, ROOT

WORKFLOW = ROOT / ".github" / "workflows" / "tests.yml"
HOOKS = ROOT / ".pre-commit-config.yaml"


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


@pytest.mark.parametrize("path", [WORKFLOW, HOOKS], ids=lambda path: path.name)
def test_what_is_run_are_our_own_tasks(path: object) -> None:
    text = (WORKFLOW if path == WORKFLOW else HOOKS).read_text(encoding="utf-8")
    commands = re.findall(r"(?m)^ *(?:- run|entry): (.*)$", text)
    defined = (ROOT / "dev" / "commands.py").read_text(encoding="utf-8")

    assert commands
    for command in commands:
        found = re.fullmatch(r"python3? tasks\.py ([a-z.]+)( --.*)?", command)
        assert found is not None, command
        name = found[1].rpartition(".")[2]
        assert f"\ndef {name}(" in defined or f'name="{name}"' in defined
        for option in re.findall(r"--([a-z]+)", found[2] or ""):
            assert re.search(rf"\b{option}: ", defined), command
