"""Writes wheels of special backends: of another version, broken, without function, third-party.

Smoke and the dispatcher's tests install them beside the real ones, to check the errors. They are
written directly, since the format is a zip file with three files of metadata.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dev.project import version

_METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
_WHEEL = "Wheel-Version: 1.0\nGenerator: cloaca\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_BACKEND = """
{before}
from {package}._version import __version__


class Backend:
    name = {name!r}
    schemes = {schemes!r}
    version = __version__
    unusable_reason = {unusable_reason!r}

    def check_url(self, url):
        pass

    async def open(self, url, options):
        raise NotImplementedError


BACKEND = Backend()
"""


@dataclass(frozen=True, slots=True)
class ForeignWheel:
    """A distribution to be written: its sources by path, and its entry points."""

    name: str
    sources: Mapping[str, str]
    version: str = field(default_factory=version)
    entry_points: str = ""

    def write(self, folder: Path) -> Path:
        """Write the wheel; installers accept it like any other."""
        stem = f"{self.name.replace('-', '_')}-{self.version}"
        info = f"{stem}.dist-info"
        files = dict(self.sources) | {
            f"{info}/METADATA": _METADATA.format(name=self.name, version=self.version),
            f"{info}/WHEEL": _WHEEL,
            f"{info}/entry_points.txt": self.entry_points,
        }
        files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
        return _zip(folder / f"{stem}-py3-none-any.whl", files)


def backend_wheel(
    backend: str,
    *,
    schemes: tuple[str, ...] = (),
    wheel_version: str | None = None,
    before: str = "",
    unusable_reason: str | None = None,
    entry: bool = False,
) -> ForeignWheel:
    """A backend that is usable, or gives its reason; ``before`` is run when it is imported.

    With ``entry`` it is a third party's, found through an entry point per scheme.
    """
    number = wheel_version or version()
    package = f"cloaca_{backend}"
    opens = schemes or (backend,)
    points = "".join(f"{scheme} = {package}:BACKEND\n" for scheme in opens)
    return ForeignWheel(
        name=f"cloaca-{backend}",
        version=number,
        sources={
            f"{package}/__init__.py": _BACKEND.format(
                before=before,
                package=package,
                name=backend,
                schemes=opens,
                unusable_reason=unusable_reason,
            ),
            f"{package}/_version.py": f'__version__ = "{number}"\n',
        },
        entry_points=f"[cloaca.backends]\n{points}" if entry else "",
    )


def _zip(path: Path, files: Mapping[str, str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path
