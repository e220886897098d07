"""Writes files atomically, and makes digests that show whether files changed."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path


def write_atomically(path: Path, data: bytes) -> None:
    """Replace ``path``; readers, also after a crash, see all of the old or all of the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(_mode_for(path))
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _mode_for(path: Path) -> int:
    """The file's mode; for a new file the mode that ``open`` would give, not mkstemp's 0600."""
    if path.exists():
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _sync_folder(folder: Path) -> None:
    """Make a rename durable where folders can be opened (not on Windows)."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def digest(data: bytes) -> str:
    """The SHA-256 of these bytes, as text."""
    return hashlib.sha256(data).hexdigest()


def tree_digest(root: Path, paths: Iterable[Path]) -> str:
    """One digest over the names and contents of files; their order does not matter."""
    lines = (
        f"{digest(path.read_bytes())}  {path.relative_to(root).as_posix()}\n"
        for path in sorted(set(paths))
    )
    return digest("".join(lines).encode())
