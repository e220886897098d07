"""Folders with the names of PostgreSQL's programs in them."""

from __future__ import annotations

from pathlib import Path

from dev.databases import programs


def folder_of(root: Path, version: str, *lacking: str) -> Path:
    """The programs' folder of this version, without those that it lacks."""
    folder = root / version / "bin"
    folder.mkdir(parents=True)
    for name in {*programs.NEEDED} - {*lacking}:
        (folder / name).touch(mode=0o755)
    return folder
