"""``back_up``: a database as of one moment in a file, where its backend does that itself."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from cloaca_core.engine.runtime.loop_thread import run_on_own_loop
from cloaca_core.errors import TransferError
from cloaca_core.features.transfer.backends import BackupBackend
from cloaca_tools.transfer.opened import Place


@dataclass(frozen=True, slots=True)
class BackupReport:
    """The file that was written; ``size`` is in bytes."""

    path: str
    size: int

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON."""
        return {"path": self.path, "size": self.size}


def back_up(database_url: str | PathLike[str], file: str | PathLike[str]) -> BackupReport:
    """Write a SQLite database as of this moment into a new file, and check that.

    Runners go on meanwhile, and their work does not wait. The file is durable and whole when this
    returns; after an error there is none. Raises ``TransferError`` when the file is there already,
    or the database is of another backend: PostgreSQL has ``pg_dump``.
    """
    place = Place.of(database_url)
    backend = place.backend
    if not isinstance(backend, BackupBackend):
        raise TransferError(
            f"the backend {backend.name} makes no backups of its own: use the tools of the "
            "database, such as pg_dump"
        )
    path = Path(fspath(file)).absolute()
    run_on_own_loop(backend.back_up(place.url, str(path)))
    return BackupReport(str(path), path.stat().st_size)
