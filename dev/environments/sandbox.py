"""A virtual environment with the built wheels, made as a careful user makes one.

Always two steps: third-party packages from the index, then our own wheels from a folder, without an
index, because another project owns our names there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dev.console import TaskFailed, environment
from dev.environments import installer
from dev.project import BESIDE, DIST, DOOR, LOCK, Distribution, distributions_for, version


@dataclass(frozen=True, slots=True)
class Sandbox:
    """One environment. It is removed together with its parent folder."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        if os.name == "nt":
            return self.folder / "Scripts" / "python.exe"
        return self.folder / "bin" / "python"

    def create(self, python: Path | None = None) -> Sandbox:
        """Make an empty environment with this interpreter, by default the running one."""
        installer.create(self.folder, python or Path(sys.executable))
        return self

    def install(self, *wheels: str, folder: Path = DIST, third_party: Sequence[str] = ()) -> None:
        """Install our wheels, as pinned requirements, after their third-party packages."""
        if third_party:
            self.install_third_party(*third_party)
        installer.install_from_folder(self.python, folder, *wheels)

    def install_third_party(self, *requirements: str, alone: bool = False) -> None:
        """Install packages from the index; ``alone`` without their requirements."""
        installer.install(self.python, *(["--no-deps"] if alone else []), *requirements)

    def remove(self, package: str) -> None:
        """Uninstall a package, also when another one requires it."""
        installer.remove(self.python, package)

    def install_for(
        self,
        backend: str,
        *,
        testing: bool = False,
        locked: bool = False,
        beside: Sequence[str] = (),
    ) -> None:
        """Install everything that a program on this backend installs; with ``testing`` the test
        kit, too.

        ``locked``: third-party packages in the versions of the lock, not the newest, which a user
        would get today. ``beside`` are further requirements from the index.
        """
        wanted = distributions_for(backend)
        require_built(wanted)
        third_party = [requirement for each in wanted for requirement in each.third_party]
        third_party += beside
        versions = ["--constraint", str(LOCK)] if locked else []
        extras = f"{backend},testing" if testing else backend
        wheels = f"{DOOR.name}[{extras}]=={version()}"
        self.install(wheels, third_party=[*versions, *third_party])

    def run(self, code: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a piece of Python in it, outside of the source tree; the caller reads the result."""
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


def require_built(distributions: Sequence[Distribution]) -> None:
    """Fail when a wheel was not built yet; the message names the command."""
    missing = [each.wheel().name for each in distributions if not each.wheel().exists()]
    if missing:
        raise TaskFailed(f"dist/ lacks {', '.join(missing)}; run `python tasks.py package` first")


if __name__ == "__main__":
    # tox calls this to fill its new environment: a backend, and perhaps an engine for bodies.
    BACKEND, *ENGINES = sys.argv[1:]
    REQUIREMENTS = [each for name in ENGINES for each in BESIDE[name]]
    Sandbox(Path(sys.prefix)).install_for(BACKEND, testing=True, locked=True, beside=REQUIREMENTS)
