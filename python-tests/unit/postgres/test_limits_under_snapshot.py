"""The next place of a limit is found without the rows that an old snapshot keeps."""

from __future__ import annotations

import asyncio

import psycopg
from every_statement import every_statement
from psycopg import sql

from cloaca_core.assembly.open_store import open_store
from cloaca_core.assembly.store import Store
from cloaca_core.features.limits.records import ALL_KEYS, LimitDefinition, Waiter, line_id
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.values.limits.settings import LimitSettings
from cloaca_postgres import BACKEND
from cloaca_postgres.sessions.session import _numbered
from cloaca_postgres.statements import STATEMENTS, WORDING
from cloaca_testing.conformance.rows import runner
from dev.databases.urls import for_libpq

PLACES = 300
WAITING = 5
"""Bodies that wait; each has a key of its own."""
MOST = {"read_lines": 5, "first_waiters": 25, "oldest_waiters": 15}
"""Blocks. The rows of the limit as a whole alone fill 15 after so many places."""


async def hand_over(store: Store) -> None:
    """Bodies end one by one, and for each of them another one asks."""
    asked = [
        Waiter(f"run{number:05}", "load", -1, "r1", 0, number, 1, (("api", f'"{number % 50}"'),))
        for number in range(PLACES + WAITING)
    ]
    given = await store.ask_places("r1", asked[:WAITING])
    for each in asked[WAITING:]:
        assert given is not None
        given = await store.ask_places("r1", [each], back=given.grants)


def blocks(connection: psycopg.Connection, name: str, values: dict[str, object]) -> int:
    """The blocks that a statement reads at its second execution."""
    statement = every_statement("cloaca_postgres", WORDING)[name]
    numbered, bound = _numbered(statement), statement.bind(**values)
    given = sql.SQL(", ").join([sql.Literal(bound[index]) for index in numbered.indexes])
    explain = sql.SQL("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE measured ({})").format(given)
    connection.execute(b"PREPARE measured AS " + numbered.sql)
    for _ in range(2):
        (((plan,),),) = connection.execute(explain).fetchall()
    connection.execute("DEALLOCATE measured")
    return int(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])


def test_places_that_were_given_cost_the_next_one_nothing(
    postgres_database: str, postgres_url: str
) -> None:
    async def given_under_snapshot() -> None:
        store = await open_store(BACKEND, postgres_url, StoreOptions())
        await store.register(runner("r1"))
        settings = LimitSettings(total=1, per_key=1)
        await store.record_limits([LimitDefinition("api", settings.content())], [])
        with psycopg.connect(for_libpq(postgres_database)) as snapshot:
            snapshot.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            snapshot.execute("SELECT count(*) FROM pg_class")
            await hand_over(store)
            await store.close()
            measured()

    def measured() -> None:
        schema = postgres_url.partition("schema=")[2]
        enter = STATEMENTS.enter_session
        plans = {"statement_timeout": "60s", "plan_cache_mode": "force_generic_plan"}
        with psycopg.connect(for_libpq(postgres_database)) as connection:
            pid = connection.info.backend_pid
            values = enter.bind(schema=schema, durable=1, pid=pid, **plans)
            connection.execute(enter.sql.encode(), values)
            ((rank, at, oldest),) = connection.execute(
                "SELECT keys_rank, keys_at, keys_oldest FROM cloaca_limit_line"
                " WHERE name = 'api' AND key = '' ORDER BY edition DESC LIMIT 1"
            ).fetchall()
            ids = [line_id(("api", ALL_KEYS))]
            first = {"ids": ids, "name": "api", "most": 4, "depth": 4}
            assert at >= PLACES
            found = {
                "read_lines": blocks(connection, "read_lines", {"ids": ids}),
                "first_waiters": blocks(
                    connection, "first_waiters", first | {"rank": rank, "since": at}
                ),
                "oldest_waiters": blocks(
                    connection, "oldest_waiters", first | {"since": oldest, "most": 1, "depth": 1}
                ),
            }
            assert {name: most for name, most in found.items() if most > MOST[name]} == {}, found

    asyncio.run(given_under_snapshot())
