"""Storms run on each backend with one seed after the other, and a failed one says which it was."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dev.console import TaskFailed
from dev.testing import chaos


class Storms:
    """Stands for pytest: which backend and seed it was asked for, and from when on it fails."""

    def __init__(self, passing: int) -> None:
        self.seen: list[tuple[str, str]] = []
        self._passing = passing

    def run(
        self, command: list[str], *, env: dict[str, str], **_: object
    ) -> subprocess.CompletedProcess[str]:
        self.seen.append((env["CLOACA_TEST_BACKEND"], env["CLOACA_TEST_SEED"]))
        return subprocess.CompletedProcess(command, int(len(self.seen) > self._passing))


@contextmanager
def no_server() -> Iterator[str]:
    yield "postgresql://nowhere"


@pytest.fixture
def storms(monkeypatch: pytest.MonkeyPatch) -> Storms:
    storms = Storms(3)
    monkeypatch.setattr("dev.testing.chaos.subprocess.run", storms.run)
    monkeypatch.setattr("dev.testing.chaos.sources.server", no_server)
    return storms


def test_without_time_each_backend_has_one_storm_of_the_seed(storms: Storms) -> None:
    chaos.chaos(0, 7)

    assert storms.seen == [("sqlite", "7"), ("postgres", "7")]


def test_another_seed_follows_while_there_is_time_and_a_failed_one_is_named(
    storms: Storms, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(TaskFailed, match="seed 8 has failed on postgres"):
        chaos.chaos(60, 7)

    assert storms.seen[2:] == [("sqlite", "8"), ("postgres", "8")]
    assert "--seed 8 --backend postgres" in capsys.readouterr().out
