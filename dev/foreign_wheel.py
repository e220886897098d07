"""Wheels that nobody built: a backend of another version, with a broken driver, by a stranger.

Smoke and the dispatcher's tests install them beside the real ones to see what is said about
them. They are written directly, since the format is a zip file with three files of metadata.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dev.project import version


@dataclass(frozen=True, slots=True)
class ForeignWheel:
    """A distribution to be written: its sources by path, and what it says about itself."""

    name: str
    sources: Mapping[str, str]
    version: str = field(default_factory=version)
    entry_points: str = ""

    def write(self, folder: Path) -> Path:
        """Write the wheel; an installer takes it for any other."""
        stem = f"{self.name.replace('-', '_')}-{self.version}"
        info = f"{stem}.dist-info"
        files = dict(self.sources) | {
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {self.name}\n"
            f"Version: {self.version}\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: cloaca\nRoot-Is-Purelib: true\n"
            "Tag: py3-none-any\n",
        }
        if self.entry_points:
            files[f"{info}/entry_points.txt"] = self.entry_points
        files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
        return _zip(folder / f"{stem}-py3-none-any.whl", files)


def backend_wheel(
    backend: str, *, wheel_version: str | None = None, before: str = "", entry: bool = False
) -> ForeignWheel:
    """A backend that claims to work and opens nothing; ``before`` runs when it is imported.

    With ``entry`` it is a third party's, found through its entry point and not by its module.
    """
    number = wheel_version or version()
    package = f"cloaca_{backend}"
    module = (
        f"{before}\nfrom {package}._version import __version__\n"
        f"class Backend:\n    name = {backend!r}\n    schemes = ({backend!r},)\n"
        "    version = __version__\n    unusable_reason = None\n"
        "    def check_url(self, url): pass\nBACKEND = Backend()\n"
    )
    return ForeignWheel(
        name=f"cloaca-{backend}",
        version=number,
        sources={
            f"{package}/__init__.py": module,
            f"{package}/_version.py": f'__version__ = "{number}"\n',
        },
        entry_points=f"[cloaca.backends]\n{backend} = {package}:BACKEND\n" if entry else "",
    )


def _zip(path: Path, files: Mapping[str, str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path
