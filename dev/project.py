"""Facts about this repository: its folders, its version and its distributions.

Rendering, building, testing and installing read all facts about a distribution here; the templates
have the wording.
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
# For the classifiers: only interpreters on which the tests really ran.
PYTHON_TESTED = ("3.11", "3.12", "3.13")
SYSTEMS_TESTED = ("POSIX :: Linux",)
# The project's addresses by their label (Source, Documentation, Changelog …), rendered as
# ``[project.urls]``. The project has no public host yet; until then the table is left out, rather
# than have addresses that do not exist.
URLS: Mapping[str, str] = {}
# An exact version: another one may build other bytes from the same sources.
BUILDER = "hatchling==1.33.0"
# The timestamp of all built files, in seconds since 1970, unless SOURCE_DATE_EPOCH is set: so the
# same sources give the same bytes on every machine and day.
EPOCH = "1735689600"

Kind = Literal["dispatcher", "core", "backend", "addition"]


@dataclass(frozen=True, slots=True)
class Distribution:
    """One distribution. ``third_party`` are its requirements from the public index."""

    name: str
    kind: Kind
    summary: str
    third_party: tuple[str, ...] = ()
    backend: str = ""
    schemes: tuple[str, ...] = ()

    @property
    def package(self) -> str:
        """The name of its package, with which its wheel's file name begins too."""
        return self.name.replace("-", "_")

    @property
    def folder(self) -> Path:
        """The folder of its sources and rendered files."""
        return ROOT / self.name

    def wheel(self, folder: Path = DIST) -> Path:
        """The path of its built wheel."""
        return folder / f"{self.package}-{version()}-py3-none-any.whl"

    def sdist(self, folder: Path = DIST) -> Path:
        """The path of its built sdist."""
        return folder / f"{self.package}-{version()}.tar.gz"


CORE = Distribution(
    name="cloaca-core",
    kind="core",
    summary="The engine of cloaca: every rule and all shared SQL of durable workflows",
    # We use names of cronsim that are public but not documented, so only the tested minor version
    # is allowed. Windows has no time zones of its own.
    third_party=("cronsim>=2.8,<2.9", "tzdata; sys_platform == 'win32'"),
)
SQLITE = Distribution(
    name="cloaca-sqlite",
    kind="backend",
    summary="The SQLite backend of cloaca",
    # The driver uses private parts of aiosqlite, so only the tested minor version is allowed.
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
TOOLS = Distribution(
    name="cloaca-tools",
    kind="addition",
    summary="The command line and the web page of cloaca, and tools for its databases",
    third_party=("click>=8.2",),
)
TESTING = Distribution(
    name="cloaca-testing",
    kind="addition",
    summary="The test kit of cloaca for workflows, and tests that each backend must pass",
)
DOOR = Distribution(
    name="cloaca",
    kind="dispatcher",
    summary="Durable workflows inside a Python program",
)

DISTRIBUTIONS = (DOOR, CORE, SQLITE, POSTGRES, TOOLS, TESTING)
BACKENDS = tuple(each for each in DISTRIBUTIONS if each.kind == "backend")
ALL = "all"
"""The extra that installs every backend."""
# By extra of ``cloaca``, for bodies that run elsewhere. They are in no other extra: Ray alone takes
# a quarter of a gigabyte. Both need cloudpickle for functions that are sent by value.
EXECUTORS: Mapping[str, tuple[str, ...]] = {
    "dask": ("distributed>=2025.1", "cloudpickle>=3"),
    "ray": ("ray>=2.40", "cloudpickle>=3"),
}
# By extra of ``cloaca``, for what a program lets others see of it. The API of OpenTelemetry alone:
# a program brings the SDK that it wants.
TELEMETRY: Mapping[str, tuple[str, ...]] = {
    "metrics": ("prometheus-client>=0.21",),
    "otel": ("opentelemetry-api>=1.27",),
}
# By extra of ``cloaca``, for what people look with, beside cloaca-tools: tables and live views on a
# terminal, which are plain lines without it; the web page; and `cloaca mcp`, whose package has
# another API since its version 2.
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "cli": ("rich>=14",),
    "ui": ("starlette>=0.49", "uvicorn>=0.35", "jinja2>=3.1.6", "python-multipart>=0.0.20"),
    "mcp": ("mcp>=2",),
}
BESIDE: Mapping[str, tuple[str, ...]] = {
    **EXECUTORS,
    "loky": ("loky>=3.4", "cloudpickle>=3"),
    "stdlib": ("cloudpickle>=3",),
}
"""Requirements of tests by the engine that bodies run on: those of the extras, and of two pools."""


def version() -> str:
    """The version in PEP 440's form, from the file ``VERSION``."""
    return normal_version(text_of("VERSION"))


def text_of(name: str) -> str:
    """The text of a file at the root."""
    try:
        return (ROOT / name).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise TaskFailed(f"{name} is not UTF-8: {error}") from error


def normal_version(text: str) -> str:
    """``1.0.0-alpha.1`` as ``1.0.0a1``; refuses a local part, whose wheels cannot be pinned."""
    try:
        found = Version(text.strip())
    except InvalidVersion as error:
        raise TaskFailed(f"VERSION holds {text.strip()!r}, which is no PEP 440 version") from error
    if found.local:
        raise TaskFailed(f"VERSION holds {text.strip()!r}: a local part (+…) cannot be released")
    return str(found)


def backend_named(name: str) -> Distribution:
    """The backend's distribution; TaskFailed when there is none of this name."""
    for each in BACKENDS:
        if each.backend == name:
            return each
    known = ", ".join(each.backend for each in BACKENDS)
    raise TaskFailed(f"--backend {name!r} is none of: {known}")


def distributions_for(backend: str | None) -> tuple[Distribution, ...]:
    """All distributions, or all without the other backends."""
    if backend in (None, ALL):
        return DISTRIBUTIONS
    chosen = backend_named(backend)
    return tuple(each for each in DISTRIBUTIONS if each.kind != "backend" or each is chosen)


def requirements_of(distribution: Distribution) -> list[str]:
    """Requirements of its wheel: our own parts of exactly this version, then third parties."""
    ours = [] if distribution is CORE else [_pin(CORE)]
    return ours + list(distribution.third_party)


def _pin(distribution: Distribution) -> str:
    return f"{distribution.name}=={version()}"


def installed_first(distribution: Distribution) -> list[str]:
    """Packages to install from the index before our wheels are installed without it.

    ``cloaca`` needs a backend, so those of its extra ``sqlite`` are included.
    """
    others = (SQLITE, TOOLS) if distribution is DOOR else (distribution,)
    return list(dict.fromkeys(each for one in (CORE, *others) for each in one.third_party))


def extras() -> dict[str, list[str]]:
    """The extras of ``cloaca``: one per backend, one for all of them, those of its commands, that
    of its test kit, one per foreign executor, and those of telemetry.

    Who installs a backend by its extra gets the command ``cloaca`` with it.
    """
    tools = _pin(TOOLS)
    return {
        **{each.backend: [_pin(each), tools] for each in BACKENDS},
        ALL: [*map(_pin, BACKENDS), tools],
        **{name: [tools, *needed] for name, needed in COMMANDS.items()},
        "testing": [_pin(TESTING)],
        **{name: list(needed) for name, needed in {**EXECUTORS, **TELEMETRY}.items()},
    }
