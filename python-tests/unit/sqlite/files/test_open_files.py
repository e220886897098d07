"""A forked child keeps away from the files that were open when it was forked, and a file that has
gone from its place is known.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tables import each_row

from cloaca_core.errors import StoreOpenError
from cloaca_sqlite.driver import Connection
from cloaca_sqlite.files import file_connection, open_files
from cloaca_sqlite.files.fork_gate import ForkGate
from cloaca_sqlite.files.open_files import (
    FileId,
    OpenFiles,
    Whereabouts,
    file_id,
    is_elsewhere,
    is_mount_point,
    whereabouts,
)
from cloaca_sqlite.url import MEMORY

FILE, OTHER = (1, 7), (1, 8)


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> OpenFiles:
    """Those of the connections that this test opens."""
    files = OpenFiles()
    monkeypatch.setattr(file_connection, "OPEN_FILES", files)
    return files


def test_what_this_process_has_open_is_not_inherited() -> None:
    files = OpenFiles()
    files.add(FILE)

    assert not files.is_inherited(FILE)


def test_what_was_open_at_the_fork_is_inherited_and_nothing_else() -> None:
    files = OpenFiles()
    files.add(FILE)

    files.inherit()

    assert files.is_inherited(FILE)
    assert not files.is_inherited(OTHER)


@each_row(("closed", "inherited"), [(1, True), (2, False)])
def test_a_file_is_open_until_its_last_connection_is_closed(closed: int, inherited: bool) -> None:
    files = OpenFiles()
    files.add(FILE)
    files.add(FILE)
    for _ in range(closed):
        files.remove(FILE)

    files.inherit()

    assert files.is_inherited(FILE) is inherited


def test_a_grandchild_has_inherited_what_either_had_open() -> None:
    files = OpenFiles()
    files.add(FILE)
    files.inherit()
    files.add(OTHER)

    files.inherit()

    assert files.is_inherited(FILE)
    assert files.is_inherited(OTHER)


def connection(path: Path | str, mode: str = "rwc") -> Connection:
    place = "" if path == MEMORY else path
    return Connection(f"file:{place}?mode={mode}", path=str(path), busy_timeout=0)


async def reopen_inherited(
    files: OpenFiles, path: Path, again: Path, between: Callable[[], None]
) -> None:
    """Open a file, fork as far as it matters, and open a file in the child."""
    first = connection(path)
    await first.open()
    open_file = first.raw.file
    assert open_file is not None
    between()
    files.inherit()
    second = connection(again)
    try:
        await second.open()
    finally:
        await second.close()
        files.add(open_file)  # in the process that has forked, it is still noted
        await first.close()


def test_an_inherited_file_is_refused_with_what_to_do(files: OpenFiles, tmp_path: Path) -> None:
    file = tmp_path / "a.db"

    with pytest.raises(StoreOpenError, match=r"a\.db .*forked.*'spawn'") as caught:
        asyncio.run(reopen_inherited(files, file, file, lambda: None))

    assert caught.value.database == str(file)


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_it_is_refused_by_any_name(
    files: OpenFiles, tmp_path: Path, link: Callable[[Path, Path], None]
) -> None:
    file, name = tmp_path / "a.db", tmp_path / "b.db"

    with pytest.raises(StoreOpenError, match=r"b\.db .*forked"):
        asyncio.run(reopen_inherited(files, file, name, lambda: link(file, name)))


def test_another_file_under_its_name_is_not_refused(files: OpenFiles, tmp_path: Path) -> None:
    file = tmp_path / "a.db"

    asyncio.run(reopen_inherited(files, file, file, file.unlink))


def test_what_was_closed_before_the_fork_can_be_opened(files: OpenFiles, tmp_path: Path) -> None:
    async def open_twice() -> None:
        for _ in range(2):
            each = connection(tmp_path / "a.db")
            await each.open()
            await each.close()
            files.inherit()

    asyncio.run(open_twice())


def test_memory_is_no_file(
    files: OpenFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if there is one of that name."""
    monkeypatch.chdir(tmp_path)
    Path(MEMORY).touch()

    async def open_both() -> None:
        pair = connection(MEMORY, "memory"), connection(MEMORY, "memory")
        for each in pair:
            await each.open()
            files.inherit()
        for each in pair:
            await each.close()

    asyncio.run(open_both())


@pytest.mark.parametrize(
    ("gone", "error"),
    [
        (True, FileNotFoundError),  # deleted, moved, or its folder was
        (True, NotADirectoryError),  # its folder was replaced
        (False, PermissionError),  # the program has given up its rights since
        (False, OSError),  # a file system that does not answer
    ],
)
def test_a_file_is_elsewhere_only_if_that_is_certain(
    gone: bool, error: type[OSError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: str) -> None:
        raise error

    monkeypatch.setattr(os, "stat", fail)

    assert is_elsewhere(FILE, str(tmp_path / "a.db")) is gone


def test_a_file_may_be_there_by_two_names(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.touch()
    file = file_id(str(path))
    assert file is not None
    path.write_text("abc")
    assert whereabouts(file, str(path)) == (Whereabouts.THERE, 3)

    (tmp_path / "b.db").hardlink_to(path)

    assert whereabouts(file, str(path)) == (Whereabouts.LINKED, 3)
    assert not is_elsewhere(file, str(path))


@pytest.mark.parametrize(
    ("name", "mounted"),
    [
        ("work.db", True),
        ("a b\\.db", True),  # with a space and a backslash in its name
        ("other.db", False),
        ("work", False),
    ],
)
def test_a_file_that_is_mounted_by_itself_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, mounted: bool
) -> None:
    mounts = tmp_path / "mountinfo"
    line = r"700 653 254:16 /on/the/host.db {}/{} rw,relatime - ext4 /dev/vdb rw"
    names = ("work.db", r"a\040b\134.db")
    mounts.write_text("\n".join(line.format(tmp_path, each) for each in names))
    monkeypatch.setattr(open_files, "_MOUNTS", mounts)

    assert is_mount_point(tmp_path / name) is mounted


def test_without_a_list_of_mounts_none_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_files, "_MOUNTS", tmp_path / "nowhere")

    assert not is_mount_point(Path("/"))


def test_memory_needs_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    async def open_and_close() -> None:
        each = connection(MEMORY, "memory")
        await each.open()
        await each.close()

    asyncio.run(open_and_close())


def test_no_fork_comes_between_a_file_and_its_entry(
    files: OpenFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, held = ForkGate(), list[tuple[str, int]]()
    monkeypatch.setattr(file_connection, "GATE", gate)

    class Watched(OpenFiles):
        def add(self, file: FileId) -> None:
            super().add(file)
            held.append(("add", gate._working))

        def remove(self, file: FileId) -> None:
            super().remove(file)
            held.append(("remove", gate._working))

    monkeypatch.setattr(file_connection, "OPEN_FILES", Watched())

    async def open_and_close() -> None:
        each = connection(tmp_path / "a.db")
        await each.open()
        await each.close()

    asyncio.run(open_and_close())

    assert held == [("add", 1), ("remove", 1)]
