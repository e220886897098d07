"""Which Pythons are found: by what they answer, not by what they are called."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from dev.environments.interpreters import MINORS, installed

Put: TypeAlias = Callable[[str, str], None]


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Put:
    """Puts a program of this name on a ``PATH`` with nothing else; it answers so when asked."""

    def put(name: str, answer: str) -> None:
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho {answer}\n")
        program.chmod(0o755)

    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "none"))
    return put


def versions() -> list[tuple[int, int, int]]:
    return [each.version for each in installed()]


def test_one_is_what_it_says_that_it_is(put: Put) -> None:
    put("python3.13", "3 12 4 /usr/bin/python3.12")

    assert versions() == [(3, 12, 4)]


@pytest.mark.parametrize("minor", [10, 99])
def test_one_of_a_version_that_is_not_supported_is_left_out(put: Put, minor: int) -> None:
    put("python", f"3 {minor} 1 /opt/python")
    put("python3.12", f"3 {minor} 1 /opt/python")

    assert versions() == []


def test_of_one_minor_version_the_newest_is_taken_and_they_come_in_order(put: Put) -> None:
    put("python", "3 13 1 /opt/a")
    put("python3.11", "3 11 9 /opt/b")
    put("python3.13", "3 13 10 /opt/c")
    put("python3.14", "3 13 9 /opt/d")

    assert versions() == [(3, 11, 9), (3, 13, 10)]


def test_one_that_does_not_work_is_left_out(put: Put) -> None:
    put("python3.12", "&& exit 1")

    assert versions() == []


def test_the_interpreters_found_work_and_come_in_order() -> None:
    found = installed()
    assert [each.minor for each in found] == sorted(
        {each.minor for each in found}, key=MINORS.index
    )
