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

KINDS = tuple(Path(file).stem for file in chaos.FILES)
RESULT: dict[str, object] = {"backend": "sqlite", "seeds": [7]}


class Storms:
    """Stands for pytest: with which backends and seeds each file of storms was run, and from which
    run on it fails.
    """

    def __init__(self, passing: int) -> None:
        self.seen: list[tuple[str, str, str]] = []
        self.worlds: list[tuple[str, int, float]] = []
        self._passing = passing

    def run(
        self, command: list[str], *, env: dict[str, str], **_: object
    ) -> subprocess.CompletedProcess[str]:
        file = next(each for each in command if each.endswith(".py"))
        self.seen.append((env["CLOACA_TEST_BACKEND"], env["CLOACA_TEST_SEED"], Path(file).stem))
        return subprocess.CompletedProcess(command, int(len(self.seen) > self._passing))

    def world(self, backend: str, seed: int, seconds: float) -> dict[str, object]:
        self.worlds.append((backend, seed, round(seconds)))
        return RESULT


@contextmanager
def no_server() -> Iterator[str]:
    yield "postgresql://nowhere"


@pytest.fixture
def storms(monkeypatch: pytest.MonkeyPatch) -> Storms:
    storms = Storms(2 * len(KINDS))
    monkeypatch.setattr("dev.testing.chaos.subprocess.run", storms.run)
    monkeypatch.setattr("dev.testing.chaos._worlds", storms.world)
    monkeypatch.setattr("dev.testing.chaos.sources.server", no_server)
    return storms


def test_each_backend_has_its_storms_and_half_of_the_time(storms: Storms) -> None:
    chaos.chaos(2, 7)

    assert storms.seen == list(product(["sqlite", "postgres"], "7", KINDS))
    assert storms.worlds == [("sqlite", 7, 60), ("postgres", 7, 60)]


def test_a_failed_storm_is_named(storms: Storms, capsys: pytest.CaptureFixture[str]) -> None:
    chaos.chaos(0, 7)

    with pytest.raises(TaskFailed, match="seed 8 has failed on postgres"):
        chaos.chaos(0, 8, "postgres")

    assert "--seed 8 --backend postgres" in capsys.readouterr().out


def test_a_world_that_breaks_a_promise_fails_the_task_with_its_seed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder in which a world can be made is not given: the program fails."""
    monkeypatch.setattr("dev.testing.chaos.tempfile.mkdtemp", lambda **_: str(tmp_path / "no"))
    (tmp_path / "no").touch()

    with pytest.raises(TaskFailed, match="seed 3 has failed on sqlite"):
        chaos._worlds("sqlite", 3, 1.0)

    assert "--minutes 0 --seed 3 --backend sqlite" in capsys.readouterr().out
