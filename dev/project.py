"""What this repository consists of: its folders, its version and its four distributions.

Everything that rendering, building, testing and installing need to know about a distribution is
said once, here; the templates hold its wording.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from packaging.version import InvalidVersion, Version

from dev.console import TaskFailed

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"
REPORTS = ROOT / ".reports"
TESTS = ROOT / "python-tests"
LOCK = ROOT / "dev" / "lock.txt"
PYTHON_LEAST = "3.11"
# What the classifiers claim: only interpreters and systems that the tests really ran on.
PYTHON_TESTED = ("3.11", "3.12", "3.13")
SYSTEMS_TESTED = ("POSIX :: Linux",)
# The project's addresses by their label (Source, Documentation, Changelog …), rendered as
# ``[project.urls]``. An address needs a host, and the project has no public one yet: until it has,
# the table is left out, which is truer than an address that leads nowhere.
URLS: Mapping[str, str] = {}
# Two versions of the builder give other bytes for the same sources, so it is exact.
BUILDER = "hatchling==1.33.0"
# The instant that everything built is said to be of, in seconds since 1970, unless the caller's
# SOURCE_DATE_EPOCH says otherwise: the same sources give the same bytes on every machine and day.
EPOCH = "1735689600"

Kind = Literal["dispatcher", "core", "backend"]


@dataclass(frozen=True, slots=True)
class Distribution:
    """One wheel. ``third_party`` are its requirements that come from the public index."""

    name: str
    kind: Kind
    summary: str
    third_party: tuple[str, ...] = ()
    backend: str = ""
    schemes: tuple[str, ...] = ()

    @property
    def package(self) -> str:
        """The name that it is imported under, which wheel file names begin with too."""
        return self.name.replace("-", "_")

    @property
    def folder(self) -> Path:
        """Where its sources and rendered files lie."""
        return ROOT / self.name

    def wheel(self, folder: Path = DIST) -> Path:
        """Where its built wheel lies."""
        return folder / f"{self.package}-{version()}-py3-none-any.whl"

    def sdist(self, folder: Path = DIST) -> Path:
        """Where its built sdist lies."""
        return folder / f"{self.package}-{version()}.tar.gz"


CORE = Distribution(
    name="cloaca-core",
    kind="core",
    summary="The engine of cloaca: every rule and all shared SQL of durable workflows",
    # What it says of days is asked for by names that are public but not documented, so only the
    # tested minor version is taken. Windows has no time zones of its own.
    third_party=("cronsim>=2.8,<2.9", "tzdata; sys_platform == 'win32'"),
)
SQLITE = Distribution(
    name="cloaca-sqlite",
    kind="backend",
    summary="The SQLite backend of cloaca",
    # The writer reaches into aiosqlite's connection, so only the tested minor version is taken.
    third_party=("aiosqlite>=0.22.1,<0.23",),
    backend="sqlite",
    schemes=("sqlite",),
)
POSTGRES = Distribution(
    name="cloaca-postgres",
    kind="backend",
    summary="The PostgreSQL backend of cloaca",
    third_party=("psycopg[binary]>=3.2",),
    backend="postgres",
    schemes=("postgresql", "postgres"),
)
DOOR = Distribution(
    name="cloaca",
    kind="dispatcher",
    summary="Durable workflows inside a Python program",
)

DISTRIBUTIONS = (DOOR, CORE, SQLITE, POSTGRES)
BACKENDS = tuple(each for each in DISTRIBUTIONS if each.kind == "backend")
ALL = "all"
"""The extra that brings every backend."""


def version() -> str:
    """The version in PEP 440's form, from the one file that states it."""
    return normal_version(text_of("VERSION"))


def text_of(name: str) -> str:
    """What a file at the root says."""
    try:
        return (ROOT / name).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise TaskFailed(f"{name} is not UTF-8: {error}") from error


def normal_version(text: str) -> str:
    """``1.0.0-alpha.1`` as ``1.0.0a1``; a local part is refused, wheels of it cannot be pinned."""
    try:
        found = Version(text.strip())
    except InvalidVersion as error:
        raise TaskFailed(f"VERSION holds {text.strip()!r}, which is no PEP 440 version") from error
    if found.local:
        raise TaskFailed(f"VERSION holds {text.strip()!r}: a local part (+…) cannot be released")
    return str(found)


def backend_named(name: str) -> Distribution:
    """The backend's distribution, or a readable failure."""
    for each in BACKENDS:
        if each.backend == name:
            return each
    known = ", ".join(each.backend for each in BACKENDS)
    raise TaskFailed(f"--backend {name!r} is none of: {known}")


def distributions_for(backend: str | None) -> tuple[Distribution, ...]:
    """All distributions, or those that a program on this backend (or on all) installs."""
    if backend in (None, ALL):
        return DISTRIBUTIONS
    return (DOOR, CORE, backend_named(backend))


def requirements_of(distribution: Distribution) -> list[str]:
    """What its wheel requires: our own parts of exactly this version, then third parties."""
    ours = [] if distribution is CORE else [f"{CORE.name}=={version()}"]
    return ours + list(distribution.third_party)


def installed_first(distribution: Distribution) -> list[str]:
    """What must come from the index before our wheels can be installed without it.

    The door is of use with a backend only, so it brings the embedded one.
    """
    chosen = SQLITE if distribution is DOOR else distribution
    return list(dict.fromkeys([*CORE.third_party, *chosen.third_party]))


def extras() -> dict[str, list[str]]:
    """The door's extras: one per backend, and all of them together."""
    by_backend = {each.backend: [f"{each.name}=={version()}"] for each in BACKENDS}
    return by_backend | {ALL: [pin for pins in by_backend.values() for pin in pins]}
