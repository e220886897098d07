"""PostgreSQL keeps long values apart itself; a run that has not changed its input holds it once."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from cloaca_core.features.schedules.records import Cancellation
from cloaca_core.store.protocol import StoreOptions
from cloaca_postgres import BACKEND
from cloaca_testing.conformance.commits import batch_with, fire, record, stored, submit
from cloaca_testing.conformance.rows import (
    LATER,
    act,
    firing,
    new_run,
    new_tick,
    run_end,
    runner,
    schedule,
)
from dev.databases.urls import for_libpq

pytestmark = pytest.mark.asyncio


async def test_an_unchanged_input_is_held_once_and_people_see_it_as_the_final_context(
    postgres_url: str, postgres_server: str, postgres_schema: str
) -> None:
    store = await BACKEND.open(postgres_url, StoreOptions())
    try:
        await store.register(runner())
        await store.put_schedule(schedule())
        await submit(store, new_run("free", owner=None), new_run("owned"), new_run("under way"))
        await submit(store, new_run("unchanged"))
        await fire(store, new_tick("s", "first"))
        await store.cancel(["free", "owned"], act(), LATER, children=True)
        await record(store, ends=[run_end("owned"), run_end("unchanged", final_context=None)])
        second = new_tick("s", "second", tick=LATER)._replace(generation=1)
        made_way = Cancellation("first", "s", second.tick, "second", "made way", LATER, LATER)
        decided = [firing("s", generation=1)]
        await store.commit(batch_with("r1", [], [], [], {}, decided, [second], [made_way]))
        text = (await stored(store, "owned")).input
    finally:
        await store.close()

    with psycopg.connect(for_libpq(postgres_server)) as raw:
        raw.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(postgres_schema)))
        assert raw.execute("SELECT count(*), count(final_context) FROM cloaca_run").fetchall() == [
            (6, 0)
        ]
        found = raw.execute("SELECT id, final_context FROM cloaca_run_readable").fetchall()
    shown = dict.fromkeys(("free", "owned", "first", "unchanged"), text)
    assert dict(found) == shown | {"under way": None, "second": None}
