"""Storms run on each backend with one seed after the other, and a failed one says which it was."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import pytest

from dev.console import TaskFailed
from dev.testing import chaos

KINDS = ("test_storms", "test_limit_storms")


class Storms:
    """Stands for pytest: with which backends and seeds each file of storms was run, and from which
    run on it fails.
    """

    def __init__(self, passing: int) -> None:
        self.seen: list[tuple[str, str, str]] = []
        self._passing = passing

    def run(
        self, command: list[str], *, env: dict[str, str], **_: object
    ) -> subprocess.CompletedProcess[str]:
        file = next(each for each in command if each.endswith(".py"))
        self.seen.append((env["CLOACA_TEST_BACKEND"], env["CLOACA_TEST_SEED"], Path(file).stem))
        return subprocess.CompletedProcess(command, int(len(self.seen) > self._passing))


@contextmanager
def no_server() -> Iterator[str]:
    yield "postgresql://nowhere"


@pytest.fixture
def storms(monkeypatch: pytest.MonkeyPatch) -> Storms:
    storms = Storms(6)
    monkeypatch.setattr("dev.testing.chaos.subprocess.run", storms.run)
    monkeypatch.setattr("dev.testing.chaos.sources.server", no_server)
    return storms


def test_without_time_each_backend_has_one_storm_of_the_seed(storms: Storms) -> None:
    chaos.chaos(0, 7)

    assert storms.seen == list(product(["sqlite", "postgres"], "7", KINDS))


def test_another_seed_follows_while_there_is_time_and_a_failed_one_is_named(
    storms: Storms, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(TaskFailed, match="seed 8 has failed on postgres"):
        chaos.chaos(60, 7)

    assert storms.seen[4:] == [*product(["sqlite"], "8", KINDS), ("postgres", "8", KINDS[0])]
    assert "--seed 8 --backend postgres" in capsys.readouterr().out
