"""``SqliteTenants``: a directory in which each tenant is a database file of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from cloaca_core.assembly.open_store import open_store
from cloaca_core.engine.recover.process_identity import is_gone, process_of, this_process
from cloaca_core.engine.runtime.loop_thread import run_on_own_loop
from cloaca_core.errors import StoreError, TenantError
from cloaca_core.features.tenants.credentials import checked_tenant_name, refusal_of_tenant
from cloaca_core.store.backends import backend_for
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.store.runner_rows import RunnerRow
from cloaca_core.values.arguments import refuse_other_types

if TYPE_CHECKING:
    from cloaca_core.assembly.store import Store


_SUFFIX: Final = ".db"
_BESIDE: Final = ("-wal", "-shm")
"""The files that SQLite keeps beside a database."""


class SqliteTenants:
    """Tenants in files that share nothing, as schemas are used on PostgreSQL.

    ``directory`` is made when it is missing. Names follow the rules for schemas; two that differ
    only in case would be one file on some systems and are refused.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        refuse_other_types("directory", directory, str | os.PathLike, "a path")
        self._directory = Path(directory).absolute()

    def create(self, name: str) -> str:
        """Make the tenant's database, or bring it up to date; returns the URL to open a runner on.

        ``TenantError`` "Failed to create tenant: …".
        """
        path = self._path(name)
        if (other := self._same_but_for_case(name)) is not None:
            reason = f"{other!r} differs from {name!r} only in case"
            raise TenantError(f"Failed to create tenant: {reason}", tenant=name)
        backend_for(_url(path))  # first: without a backend not even the directory is made
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            run_on_own_loop(_migrated(_url(path)))
        except (OSError, StoreError) as error:
            raise TenantError(f"Failed to create tenant: {error}", tenant=name) from error
        return _url(path)

    def remove(self, name: str) -> None:
        """Remove the tenant's database with all of its work; a missing one is no error.

        Refused while a runner works on it: ``TenantError`` "Failed to remove tenant: …".
        """
        path = self._path(name)
        if not path.exists():
            return
        try:
            busy = run_on_own_loop(_live_runners(_url(path)))
            if not busy:
                for file in (*(path.with_name(path.name + s) for s in _BESIDE), path):
                    file.unlink(missing_ok=True)
        except (OSError, StoreError) as error:
            raise TenantError(f"Failed to remove tenant: {error}", tenant=name) from error
        if busy:
            who = ", ".join(f"{row.id} (process {row.pid})" for row in busy)
            raise TenantError(
                f"Failed to remove tenant: {name!r} is in use by runner {who}; shut it down first",
                tenant=name,
            )

    def list(self) -> list[str]:
        """The names of the tenants, in alphabetical order."""
        return sorted(
            file.stem
            for file in self._directory.glob(f"*{_SUFFIX}")
            if refusal_of_tenant(file.stem) is None
        )

    def _path(self, name: str) -> Path:
        return self._directory / f"{checked_tenant_name(name)}{_SUFFIX}"

    def _same_but_for_case(self, name: str) -> str | None:
        for known in self.list():
            if known != name and known.lower() == name.lower():
                return known
        return None

    def __repr__(self) -> str:
        return f"SqliteTenants({str(self._directory)!r})"


def _url(path: Path) -> str:
    return f"sqlite://{quote(str(path))}"


async def _open(url: str) -> Store:
    return await open_store(backend_for(url), url, StoreOptions())


async def _migrated(url: str) -> None:
    await (await _open(url)).close()


async def _live_runners(url: str) -> list[RunnerRow]:
    """The runners of the database whose processes may still run."""
    store = await _open(url)
    here = this_process()
    try:
        return [
            row
            for row in await store.runners()
            if row.boot_id == here.boot_id and not is_gone(here, process_of(row))
        ]
    finally:
        await store.close()
