"""A written file is all old or all new, also when writing fails on the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dev.files import tree_digest, write_atomically


def test_a_file_is_replaced_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.write_text("old")
    path.chmod(0o755)
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o755


def test_a_new_file_gets_the_usual_mode_and_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "new"
    plain = tmp_path / "plain"
    plain.write_text("")
    write_atomically(path, b"new")
    assert path.stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("failing", ["os.fsync", "pathlib.Path.replace"])
def test_a_failure_leaves_the_old_file_and_no_rubbish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail(*arguments: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(failing, fail)
    with pytest.raises(OSError, match="no space left"):
        write_atomically(path, b"new")
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    assert path.read_text() == "old"


def test_a_tree_digest_depends_on_names_and_contents_and_on_nothing_else(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("1")
    second.write_text("2")
    digest = tree_digest(tmp_path, [first, second])
    os.utime(first, (0, 0))
    assert digest == tree_digest(tmp_path, [second, first, first])
    second.write_text("3")
    assert digest != tree_digest(tmp_path, [first, second])
