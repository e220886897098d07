"""What the core finds when a URL asks for PostgreSQL."""

from __future__ import annotations

from cloaca_core.store.protocol import Store, StoreOptions
from cloaca_core.store.sql_store import SqlStore
from cloaca_postgres._version import __version__
from cloaca_postgres.opening import open_dialect
from cloaca_postgres.url import parse


class PostgresBackend:
    """Contracts: see ``Backend``."""

    name = "postgres"
    schemes = ("postgresql", "postgres")
    version = __version__
    unusable_reason: str | None = None
    """None: without its driver this module cannot be imported, which is told as such."""

    def check_url(self, url: str) -> None:
        parse(url)

    async def open(self, url: str, options: StoreOptions) -> Store:
        return SqlStore(await open_dialect(parse(url), options))


BACKEND = PostgresBackend()
