"""Where the files of tests are."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from tables import each_row

from dev import scratch

GIB = 1024**3


@each_row(
    ("in_memory", "free", "available"),
    [
        (True, 4 * GIB, "MemTotal: 9 kB\nMemAvailable:    4194304 kB\nBuffers: 0 kB\n"),
        (False, 4 * GIB - 1, "MemAvailable: 4194304 kB\n"),
        # The file system in memory has a size of its own, whatever the programs have taken.
        (False, 8 * GIB, "MemTotal: 9999999 kB\nMemAvailable: 4194303 kB\n"),
        (False, 8 * GIB, "an older system does not say\n"),
    ],
)
def test_they_are_in_memory_where_there_is_room(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, in_memory: bool, free: int, available: str
) -> None:
    (tmp_path / "facts").write_text(available)
    monkeypatch.setattr(scratch, "MEMORY", tmp_path)
    monkeypatch.setattr(scratch, "_FACTS", tmp_path / "facts")
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free))

    assert scratch.folder() == (tmp_path if in_memory else Path(tempfile.gettempdir()))


def test_they_are_on_the_disk_of_a_system_without_files_in_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(scratch, "MEMORY", tmp_path / "missing")

    assert scratch.folder() == Path(tempfile.gettempdir())
