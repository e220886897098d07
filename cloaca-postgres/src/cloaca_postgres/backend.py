"""The object through which the core opens PostgreSQL databases."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cloaca_core.store.protocol import StoreOptions
from cloaca_postgres._version import __version__
from cloaca_postgres.opening import open_dialect, open_to_examine
from cloaca_postgres.store import PostgresStore
from cloaca_postgres.url import parse

if TYPE_CHECKING:
    from cloaca_core.assembly.store import Store
    from cloaca_core.features.tenants.credentials import TenantConfig, TenantCredentials, TenantInfo
    from cloaca_core.features.transfer.backends import Bounds, Rows
    from cloaca_core.features.transfer.examination import Examiner
    from cloaca_core.features.transfer.old_work import OldWork


class PostgresBackend:
    """Contracts: see ``Backend``."""

    name: str = "postgres"
    schemes: tuple[str, ...] = ("postgresql", "postgres")
    version: str = __version__
    unusable_reason: str | None = None
    """None: without its driver this module cannot be imported, which has its own error."""

    def check_url(self, url: str) -> None:
        parse(url)

    async def open(self, url: str, options: StoreOptions) -> Store:
        return PostgresStore(await open_dialect(parse(url), options))

    async def examine(self, url: str, options: StoreOptions) -> Examiner:
        from cloaca_postgres.administration.examiner import (
            PostgresExaminer,  # here: few programs examine
        )

        target = parse(url)
        session, schema = await open_to_examine(target, options)
        return PostgresExaminer(session, schema, target.place, pooler=target.pooler)

    async def query(self, url: str, options: StoreOptions, sql: str, bounds: Bounds) -> Rows:
        from cloaca_postgres.administration.query import query  # here: few programs take statements

        target = parse(url)
        session, schema = await open_to_examine(target, options)  # refuses what is not ours
        session.close()
        return await asyncio.to_thread(query, target, schema, options.connect_timeout, sql, bounds)

    async def read_old(self, url: str, options: StoreOptions) -> OldWork:
        from cloaca_postgres.administration.old_work import PostgresOldWork  # here: it is done once

        target = parse(url)
        session, schema = await open_to_examine(target, options, foreign=True)
        return await PostgresOldWork.of(session, schema, target.place)

    def create_tenant(self, url: str, config: TenantConfig) -> TenantCredentials:
        from cloaca_postgres.administration import tenants

        return tenants.create_tenant(parse(url), config)

    def list_tenants(self, url: str) -> list[TenantInfo]:
        from cloaca_postgres.administration import tenants

        return tenants.list_tenants(parse(url))

    def remove_tenant(self, url: str, schema_name: str, username: str) -> None:
        from cloaca_postgres.administration import tenants

        tenants.remove_tenant(parse(url), schema_name, username)


BACKEND = PostgresBackend()
