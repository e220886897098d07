"""A virtual environment with the built wheels in it, made the way a careful user makes one.

Two steps, always: third-party packages from the index, then our own wheels from a folder with no
index at all, because another project owns our names there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

from dev.console import TaskFailed, environment, run
from dev.project import DIST, DOOR, Distribution, distributions_for, version

# Looked up once, at import: in Python 3.11 two threads may not ask sysconfig at the same time.
_UV = find_uv_bin()


@dataclass(frozen=True, slots=True)
class Sandbox:
    """One environment. It is removed together with the folder that it lies in."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        if os.name == "nt":
            return self.folder / "Scripts" / "python.exe"
        return self.folder / "bin" / "python"

    def create(self, python: Path | None = None) -> Sandbox:
        """Make it, empty, on this interpreter or on the one that is running."""
        base = python or Path(sys.executable)
        run([*_uv("venv"), "--no-project", "--python", str(base), self.folder], quiet=True)
        return self

    def install(self, *wheels: str, folder: Path = DIST, third_party: Sequence[str] = ()) -> None:
        """Install our wheels, as pinned requirements, after the third parties that they need."""
        if third_party:
            self.install_third_party(*third_party)
        # Without a cache: a wheel that was built again has the same name and other contents.
        offline: list[str | Path] = ["--no-cache", "--no-index", "--find-links", folder]
        run([*self._pip(), *offline, *wheels], quiet=True)

    def install_third_party(self, *requirements: str, alone: bool = False) -> None:
        """Install packages from the index; ``alone`` without what they require in turn."""
        run([*self._pip(), *(["--no-deps"] if alone else []), *requirements], quiet=True)

    def remove(self, package: str) -> None:
        """Take a package out, whoever requires it."""
        run([*_uv("pip"), "uninstall", "--python", self.python, package], quiet=True)

    def install_for(self, backend: str) -> None:
        """Install everything that a program on this backend installs."""
        wanted = distributions_for(backend)
        require_built(wanted)
        third_party = [requirement for each in wanted for requirement in each.third_party]
        self.install(f"{DOOR.name}[{backend}]=={version()}", third_party=third_party)

    def run(self, code: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a piece of Python in it, away from the source tree; the caller reads the result."""
        return subprocess.run(
            [self.python, "-I", "-c", code],
            cwd=self.folder,
            env=environment(variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def _pip(self) -> list[str | Path]:
        return [*_uv("pip"), "install", "--python", self.python]


def require_built(distributions: Sequence[Distribution]) -> None:
    """Fail, with what to do, when a wheel was not built yet."""
    missing = [each.wheel().name for each in distributions if not each.wheel().exists()]
    if missing:
        raise TaskFailed(f"dist/ lacks {', '.join(missing)}; run `python tasks.py package` first")


def _uv(command: str) -> list[str]:
    return [_UV, command, "--quiet", "--no-python-downloads"]


if __name__ == "__main__":
    # tox calls this to fill the environment that it has just made.
    Sandbox(Path(sys.prefix)).install_for(sys.argv[1])
