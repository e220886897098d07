"""The log of a file is glanced at, and its file never read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from cloaca_sqlite.files import log_glances
from cloaca_sqlite.files.log_glances import LogGlances

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A glance in each round of the loop."""
    monkeypatch.setattr(log_glances, "GLANCE_DELAY_S", 0.0)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The log of the file ``runs.db``."""
    path = tmp_path / "runs.db-wal"
    path.write_bytes(b"frame")
    return path


def _write(log: Path) -> None:
    log.write_bytes(b"frame and frame")


class Ear:
    """Hears that a log was written."""

    def __init__(self) -> None:
        self.heard = asyncio.Event()
        self.times = 0

    def hear(self) -> None:
        """It was written."""
        self.times += 1
        self.heard.set()


def look_twice(glances: LogGlances) -> None:
    """Know the log as it is."""
    glances.note()
    glances.note()


async def _rounds(number: int) -> None:
    """Let the loop go round so often."""
    for _ in range(number):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    "write",
    [
        _write,
        lambda log: log.write_bytes(b"fra me"),
        lambda log: log.unlink(),
    ],
    ids=["more", "other", "gone"],
)
async def test_a_log_that_was_written_is_told_once(
    log: Path, write: Callable[[Path], object]
) -> None:
    ear = Ear()
    glances = LogGlances(str(log.with_name("runs.db")), ear.hear)
    look_twice(glances)
    glances.begin()
    await _rounds(9)
    assert ear.times == 0

    write(log)

    await asyncio.wait_for(ear.heard.wait(), 60)
    await _rounds(9)
    assert ear.times == 1


async def test_a_log_that_begins_is_told(tmp_path: Path) -> None:
    log = tmp_path / "runs.db-wal"
    ear = Ear()
    glances = LogGlances(str(log.with_name("runs.db")), ear.hear)
    look_twice(glances)
    glances.begin()

    _write(log)

    await asyncio.wait_for(ear.heard.wait(), 60)


async def test_after_its_end_nothing_is_told(log: Path) -> None:
    ear = Ear()
    glances = LogGlances(str(log.with_name("runs.db")), ear.hear)
    look_twice(glances)
    glances.begin()
    glances.end()

    _write(log)

    await _rounds(9)
    assert ear.times == 0


async def test_the_log_of_a_link_is_that_of_its_file(log: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(log.with_name("runs.db"))
    ear = Ear()
    glances = LogGlances(str(link), ear.hear)
    look_twice(glances)
    glances.begin()

    _write(log)

    await asyncio.wait_for(ear.heard.wait(), 60)


async def test_what_one_look_has_found_written_is_told_once_more(log: Path) -> None:
    """The commit may reach the disk, and so its readers, after that look."""
    ear = Ear()
    glances = LogGlances(str(log.with_name("runs.db")), ear.hear)
    look_twice(glances)
    _write(log)
    glances.note()
    glances.begin()

    await asyncio.wait_for(ear.heard.wait(), 60)
    glances.note()
    glances.begin()
    await _rounds(9)
    assert ear.times == 1
    glances.end()
