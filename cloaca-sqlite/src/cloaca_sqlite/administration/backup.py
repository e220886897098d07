"""Writes a file as of one moment into another one, by SQLite's online backup."""

from __future__ import annotations

import os
import secrets
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from cloaca_core.errors import TransferError
from cloaca_sqlite.driver import Connection

_UNFINISHED: Final = ".part"
_SOUND: Final = [("ok",)]
_HAS_RUNNERS: Final = "SELECT 1 FROM sqlite_master WHERE name = 'cloaca_runner'"


async def back_up(source: Connection, path: str) -> None:
    """Back the file of a connection up, and close the connection; see ``BackupBackend``.

    All pages are copied in one step, within one read transaction: in several, each commit of a
    runner would make it begin again. In WAL mode no writer waits for that.
    """
    target = Path(path)
    part = target.with_name(f"{target.name}.{secrets.token_hex(4)}{_UNFINISHED}")
    try:
        _refuse_present(target)
        await source.call(lambda raw: _copy(raw, part))
        _name(part, target)
        _make_durable(target.parent)
    except OSError as error:
        raise TransferError(f"{target} cannot be written: {error.strerror}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        await source.close()


def _copy(raw: sqlite3.Connection, part: Path) -> None:
    """Copy all pages into a file, check them, and flush them to the disk."""
    try:
        with closing(sqlite3.connect(part)) as copy:
            raw.backup(copy)
            _fence(copy)
            found = copy.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.Error as error:
        raise TransferError(f"the backup {part} failed: {error}") from error
    if found != _SOUND:
        raise TransferError(f"the database is damaged, so is its backup: {found[0][0]}")
    _make_durable(part)


def _fence(copy: sqlite3.Connection) -> None:
    """Declare all runners dead in the copy: they work on the original, and may do so for long."""
    if copy.execute(_HAS_RUNNERS).fetchall():
        copy.execute("UPDATE cloaca_runner SET fenced = 1")
        copy.commit()


def _refuse_present(target: Path) -> None:
    if target.exists():
        raise _present(target)


def _present(target: Path) -> TransferError:
    return TransferError(f"{target} is there already: a backup replaces no file")


def _name(part: Path, target: Path) -> None:
    """Give the finished file its name, unless another backup has it by now."""
    try:
        target.hardlink_to(part)
    except FileExistsError:
        raise _present(target) from None
    except OSError:  # a file system without links
        _refuse_present(target)
        part.rename(target)


def _make_durable(place: Path) -> None:
    """Flush a file, or the entries of a folder."""
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
