"""The Chromium for tests: which program it is, and when it is installed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from dev.console import TaskFailed
from dev.environments import browser


class Machine:
    """A machine of a test: which programs are on its PATH, and what was run on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ran: list[list[str]] = []
        self.knows: tuple[str, ...] = ("chromium-headless-shell", "chromium")

    def put(self, *names: str) -> None:
        for name in names:
            (self.folder / name).touch(mode=0o755)

    def run(self, command: Sequence[str], **_: Any) -> None:
        self.ran.append([word for word in command if not word.startswith("-")])
        if "install" in command:
            if command[-1] not in self.knows:
                raise TaskFailed(f"Unable to locate package {command[-1]}")
            self.put(command[-1])


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """One with no program, to be used as root."""
    machine = Machine(tmp_path)
    monkeypatch.setattr(shutil, "which", lambda name: _which(tmp_path / name))
    monkeypatch.setattr(browser, "_ELSEWHERE", ())
    monkeypatch.setattr(browser, "run", machine.run)
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    return machine


def _which(path: Path) -> str | None:
    return str(path) if path.exists() else None


def test_the_browser_is_that_of_the_path(machine: Machine) -> None:
    machine.put("google-chrome", "chromium")

    assert browser.program() == machine.folder / "chromium"


def test_one_without_windows_is_preferred(machine: Machine) -> None:
    machine.put("chromium", "chromium-headless-shell")

    assert browser.program() == machine.folder / "chromium-headless-shell"


def test_without_one_the_error_says_how_to_get_it(machine: Machine) -> None:
    with pytest.raises(TaskFailed, match="apt-get install chromium"):
        browser.program()


def test_what_is_missing_is_installed(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.put("apt-get")

    browser.provide()

    assert [words[1] for words in machine.ran] == ["DPkg::Lock::Timeout=120"] * 2
    assert [words[2] for words in machine.ran] == ["update", "install"]
    assert str(machine.folder / "chromium-headless-shell") in capsys.readouterr().out


def test_where_there_is_only_one_with_windows_that_is_installed(machine: Machine) -> None:
    machine.put("apt-get")
    machine.knows = ("chromium",)

    browser.provide()

    assert browser.found() == machine.folder / "chromium"


def test_what_is_there_is_left_as_it_is(machine: Machine) -> None:
    machine.put("apt-get", "chromium")
    browser.provide()
    assert machine.ran == []


def test_only_root_installs(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.put("apt-get")
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    browser.provide()
    assert machine.ran == []


def test_where_it_cannot_be_had_the_other_tests_go_on(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.put("apt-get")

    def fail(*_: object, **__: object) -> None:
        raise TaskFailed("no network")

    monkeypatch.setattr(browser, "run", fail)
    browser.provide()

    said = capsys.readouterr().out
    assert "no network" in said
    assert "apt-get install chromium" in said


@pytest.mark.parametrize(("expected", "user"), [(["--no-sandbox"], 0), ([], 1000)])
def test_root_has_no_sandbox(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, expected: list[str], user: int
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user, raising=False)
    assert browser.options() == expected
