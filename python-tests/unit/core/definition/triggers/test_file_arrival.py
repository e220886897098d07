"""Files that have arrived and are not written any more: each is given at every poll, by one key."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tables import each_row

from cloaca_core.definition.triggers.file_arrival import FileArrival, file_arrival
from cloaca_core.errors import DefinitionError, DefinitionTypeError
from cloaca_core.values.times.clock import SYSTEM_CLOCK

NOON_NS = 1_773_144_000 * 1_000_000_000
"""12:00 on 10 March 2026 in UTC."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def write(path: Path, text: str = "abc", at: int = NOON_NS) -> Path:
    path.write_text(text)
    os.utime(path, ns=(at, at))
    return path


def paths(look: FileArrival) -> list[str]:
    return [result.context["path"] for result in look() if result.context is not None]


def test_a_file_is_given_when_two_polls_have_seen_the_same(folder: Path) -> None:
    path = write(folder / "a.csv")
    look = file_arrival(folder / "*.csv")

    assert look() == []
    (result,) = look()

    assert result.context is not None
    assert result.context.to_dict() == {
        "path": str(path),
        "size": 3,
        "modified_at": "2026-03-10T12:00:00+00:00",
    }


def test_a_file_that_is_still_written_is_not_given(folder: Path) -> None:
    look = file_arrival(folder / "*")
    for size in range(3):
        write(folder / "a", "x" * size)
        assert look() == []
    for second in range(3):
        write(folder / "a", "xx", at=NOON_NS + second + 1)
        assert look() == []

    assert paths(look) == [str(folder / "a")]


def test_every_poll_and_every_process_gives_a_file_by_the_same_key(folder: Path) -> None:
    write(folder / "a")
    one, other = file_arrival(folder / "*"), file_arrival(folder / "*")
    one()
    other()

    (first,), (again,), (elsewhere,) = one(), one(), other()

    assert first.idempotency_key == again.idempotency_key == elsewhere.idempotency_key


@pytest.mark.parametrize(
    "change",
    [
        lambda path: write(path, "abcd"),
        lambda path: write(path, at=NOON_NS + 1),
        lambda path: path.rename(path.with_name("b")),
    ],
)
def test_another_size_time_or_name_is_another_event(
    folder: Path, change: Callable[[Path], Any]
) -> None:
    path = write(folder / "a")
    look = file_arrival(folder / "*")
    look()
    (before,) = look()

    change(path)
    assert look() == []
    (after,) = look()

    assert before.idempotency_key != after.idempotency_key


def test_it_has_settled_when_it_has_been_the_same_for_so_long(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(SYSTEM_CLOCK, "monotonic", lambda: now[0])
    write(folder / "a")
    look = file_arrival(folder / "*", settle="2s")
    look()

    now[0] = 101.9
    assert look() == []
    now[0] = 102.0
    assert paths(look) == [str(folder / "a")]


def test_several_files_come_by_path_and_one_that_goes_is_forgotten(folder: Path) -> None:
    for name in ("b", "a", "c"):
        write(folder / name)
    look = file_arrival(folder / "*")
    look()

    assert paths(look) == [str(folder / name) for name in "abc"]
    (folder / "b").unlink()
    assert paths(look) == [str(folder / name) for name in "ac"]
    write(folder / "b")
    assert str(folder / "b") not in paths(look)  # it is new again


def test_folders_and_what_cannot_be_looked_at_are_left_out(folder: Path) -> None:
    (folder / "folder").mkdir()
    (folder / "dangling").symlink_to(folder / "nowhere")
    write(folder / "folder" / "deep")
    look = file_arrival(folder / "**")
    look()

    assert paths(look) == [str(folder / "folder" / "deep")]


def test_a_name_that_no_context_holds_stops_no_other_file(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(folder / "good")
    try:
        write(Path(os.fsdecode(os.fsencode(folder) + b"/bad\xff")))
    except OSError:
        pytest.skip("this file system takes no such name")
    look = file_arrival(folder / "*")
    look()

    assert paths(look) == [str(folder / "good")]
    assert "makes no run" in caplog.text


def test_a_relative_pattern_belongs_to_the_folder_of_the_call(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder / "a")
    monkeypatch.chdir(folder)
    look = file_arrival("*")
    monkeypatch.chdir("/")
    look()

    assert paths(look) == [str(folder / "a")]
    assert repr(look) == f"file_arrival({str(folder / '*')!r})"


@each_row(
    ("pattern", "settle", "kind", "message"),
    [
        (3, None, DefinitionTypeError, "pattern must be a str or a path, got int"),
        (b"x", None, DefinitionTypeError, "pattern must be a str or a path, got bytes"),
        ("", None, DefinitionError, "pattern must not be empty"),
        ("*", "zz", DefinitionError, "Invalid settle 'zz'"),
        ("*", 2, DefinitionTypeError, "settle must be a str"),
    ],
)
def test_what_cannot_be_is_refused(
    pattern: Any, settle: Any, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        file_arrival(pattern, settle=settle)
