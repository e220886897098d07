"""A limit that joins another family just then keeps its bounds."""

from __future__ import annotations

import asyncio

import psycopg

from cloaca_core.assembly.open_store import open_store
from cloaca_core.features.limits.records import LimitDefinition, Waiter
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.values.limits.settings import LimitSettings
from cloaca_postgres import BACKEND
from cloaca_testing.conformance.rows import runner
from dev.databases.urls import for_libpq

WAITS = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()"


def test_a_limit_has_bounds_also_while_it_joins_another_family(
    postgres_database: str, postgres_url: str
) -> None:
    """Another program has a task that needs both limits, and records that as a body asks."""

    async def ask_meanwhile() -> None:
        store = await open_store(BACKEND, postgres_url, StoreOptions())
        await store.register(runner("r1"))
        content = LimitSettings(total=0).content()
        await store.record_limits([LimitDefinition(name, content) for name in ("api", "gpu")], [])
        schema = postgres_url.partition("schema=")[2]
        waiter = Waiter("run", "load", -1, "r1", 0, 1, 1, (("gpu", ""),))
        async with await psycopg.AsyncConnection.connect(for_libpq(postgres_database)) as other:
            await other.execute(f'SET search_path TO "{schema}"'.encode())
            await other.execute("SELECT name FROM cloaca_limit ORDER BY name FOR UPDATE")
            await other.execute("UPDATE cloaca_limit SET family = 'api' WHERE family = 'gpu'")
            asking = asyncio.create_task(store.ask_places("r1", [waiter]))
            async with await psycopg.AsyncConnection.connect(
                for_libpq(postgres_database), autocommit=True
            ) as watcher:
                waiting = 0
                while not waiting:
                    ((waiting,),) = await (await watcher.execute(WAITS)).fetchall()
            await other.commit()
            given = await asking
        await store.close()
        assert given is not None
        assert given.grants == ()

    asyncio.run(ask_meanwhile())
