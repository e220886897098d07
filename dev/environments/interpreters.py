"""The Pythons on this machine that the project supports, one per minor version.

A name on PATH proves nothing (a version manager's shim may have no such version), so every
candidate is started. None is ever downloaded.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MINORS = ("3.11", "3.12", "3.13", "3.14")
# The project needs these modules; a Python built without them fails only at their import.
_QUESTION = "import sqlite3, ssl, venv, sys; print(*sys.version_info[:3], sys.executable)"


@dataclass(frozen=True, slots=True, order=True)
class Interpreter:
    """A working Python; interpreters sort by version."""

    version: tuple[int, int, int]
    path: Path

    @property
    def minor(self) -> str:
        """``3.11``."""
        return f"{self.version[0]}.{self.version[1]}"

    @property
    def tox_factor(self) -> str:
        """``py311``."""
        return f"py{self.version[0]}{self.version[1]}"


def installed() -> list[Interpreter]:
    """The newest working interpreter of each supported minor version, oldest minor first."""
    best: dict[str, Interpreter] = {}
    for path in dict.fromkeys(_candidates()):
        found = _ask(path)
        if found and found.minor in MINORS:
            # Of equal versions the first stays: PATH comes before other places.
            best[found.minor] = max(best.get(found.minor, found), found, key=_version)
    return sorted(best.values())


def _version(interpreter: Interpreter) -> tuple[int, int, int]:
    return interpreter.version


def _candidates() -> Iterator[Path]:
    yield Path(sys.executable).resolve()
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        yield from (Path(folder) / f"python{minor}" for minor in MINORS)
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for minor in MINORS:
        yield from (folder / "bin" / "python" for folder in sorted(versions.glob(f"{minor}.*")))


def _ask(path: Path) -> Interpreter | None:
    if not path.is_file():
        return None
    try:
        answer = subprocess.run(
            [path, "-c", _QUESTION], capture_output=True, text=True, timeout=20, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    # It gives its own path: the candidate may be a shim that works only in this folder.
    major, minor, micro, executable = answer.strip().split(" ", 3)
    return Interpreter((int(major), int(minor), int(micro)), Path(executable))
