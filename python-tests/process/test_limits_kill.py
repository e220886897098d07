"""Processes that ask for places, give them back and are killed never hold more than a limit, and
leave no place taken and no waiter forgotten.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import random
import time
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from own_database import OwnDatabases

from cloaca_core.assembly.open_store import open_store
from cloaca_core.assembly.store import Store
from cloaca_core.features.limits.records import (
    PLACES_BACK,
    LimitDefinition,
    Need,
    PlacesBack,
    Waiter,
    needs_of,
)
from cloaca_core.store.backends import backend_for
from cloaca_core.store.batch import Batch
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.values.limits.settings import LimitSettings
from cloaca_testing.conformance.rows import runner
from process.limited_runs import SAMPLE, Rows, check_rows

Query: TypeAlias = Callable[[str], Rows]

TOTAL = 5
PER_KEY = 2
LIMITS = {"api": LimitSettings(total=TOTAL, per_key=PER_KEY), "gpu": LimitSettings(total=3)}
PROCESSES = 3
KILLED = 4
"""Processes that are killed one after another, each followed by a new one."""
BETWEEN_S = 0.4
_WAITER = "run_id, task_id, item, rank, since, units, needs"


def caller(url: str, name: str) -> None:
    """Ask and give back at random, until the process is killed."""
    asyncio.run(_call(url, name))


async def _call(url: str, name: str) -> None:
    store = await open_store(backend_for(url), url, StoreOptions())
    chance = random.Random(name)  # noqa: S311 - no secret
    await store.register(runner(name))
    number, waiting = 0, dict[str, Waiter]()
    while True:
        held = await store.list_grants(name, dict.fromkeys(LIMITS, 0))
        for each in held:
            waiting.pop(each.run_id, None)
        match chance.choice(["ask", "ask", "leave", "end", "commit"]):
            case "ask":
                asked = []
                for _ in range(chance.choice([1, 3])):
                    number += 1
                    asked.append(_waiter(chance, name, number))
                waiting |= {each.run_id: each for each in asked}
                await store.ask_places(name, asked)
            case "leave" if waiting:
                gone = chance.sample(sorted(waiting), -(-len(waiting) // 3))
                await store.ask_places(name, [], left=[waiting.pop(each).unit for each in gone])
            case "end" if held:
                await store.ask_places(name, [], back=chance.sample(held, 1))
            case "commit" if held:
                back = chance.sample(held, chance.randint(1, len(held)))
                rows = PLACES_BACK.rows([PlacesBack(each.run_id, each) for each in back])
                await store.commit(Batch(name, [], [], [], {}, rows=rows))
            case _:
                pass


def _waiter(chance: random.Random, name: str, number: int) -> Waiter:
    api: Need = ("api", json.dumps(chance.choice("abc")))
    needs = chance.choice([(api,), (api,), (("gpu", ""),), (api, ("gpu", ""))])
    rank = chance.choice([0, 0, 5])
    since = time.time_ns() // 1000
    return Waiter(f"{name}-{number}", "task", -1, name, rank, since, 1, needs)


def test_no_more_than_a_limit_is_held_and_nothing_is_lost(
    own_databases: OwnDatabases, database_url: str
) -> None:
    asyncio.run(_story(database_url, partial(own_databases.query, database_url)))


async def _story(url: str, query: Query) -> None:
    store = await open_store(backend_for(url), url, StoreOptions())
    definitions = [LimitDefinition(name, each.content()) for name, each in LIMITS.items()]
    await store.record_limits(definitions, [list(LIMITS)])
    await store.register(runner("last"))
    spawn = multiprocessing.get_context("spawn")
    alive = []
    taken: set[str] = set()
    try:
        for number in range(PROCESSES + KILLED):
            process = spawn.Process(target=caller, args=(url, f"p{number}"), daemon=True)
            process.start()
            alive.append((f"p{number}", process))
            if len(alive) > PROCESSES:
                await _sampled(query, taken, {alive[0][0]})
                name, process = alive.pop(0)
                process.kill()
                process.join()
                await _taken_over(store, query, name)
        await _sampled(query, taken, {name for name, _ in alive})
    finally:
        for _, process in alive:
            process.kill()
            process.join()
    await _is_free(query)
    for name, _ in alive:
        await _taken_over(store, query, name)
    assert await asyncio.to_thread(query, "SELECT needs FROM cloaca_limit_waiter") == []
    assert [row for row in await asyncio.to_thread(query, SAMPLE) if row[3]] == []
    await store.close()


async def _sampled(query: Query, taken: set[str], names: set[str]) -> None:
    """Look at the rows for a while, and until each of these processes has got a place."""
    until = time.monotonic() + BETWEEN_S
    while time.monotonic() < until or not names <= taken:
        rows = await asyncio.to_thread(query, SAMPLE)
        taken |= {row[1] for row in rows if row[0] == "grant"}
        check_rows(rows, LIMITS)


async def _taken_over(store: Store, query: Query, name: str) -> None:
    """Declare a runner dead; the last one waits for all that its bodies waited for, and ends it."""
    (row,) = [each for each in await store.runners() if each.id == name]
    assert await store.fence(name, row.beat)
    waiting = f"SELECT {_WAITER} FROM cloaca_limit_waiter WHERE runner_id = '{name}'"
    rows = await asyncio.to_thread(query, waiting)
    asked = [
        Waiter(run_id, task_id, item, "last", rank, since, units, needs_of(needs))
        for run_id, task_id, item, rank, since, units, needs in rows
    ]
    await store.ask_places("last", asked)
    await store.free_places(name)
    assert await store.list_grants(name, dict.fromkeys(LIMITS, 0)) == []
    await _ended(store)


async def _ended(store: Store) -> None:
    """The bodies of the last runner end."""
    while grants := await store.list_grants("last", dict.fromkeys(LIMITS, 0)):
        await store.ask_places("last", [], back=grants)


async def _is_free(query: Query) -> None:
    """Each waiter lacks a place that a body has."""
    rows = await asyncio.to_thread(query, SAMPLE)
    held = {(name, key): number for kind, name, key, number in rows if kind == "line"}
    for (text,) in await asyncio.to_thread(query, "SELECT needs FROM cloaca_limit_waiter"):
        assert any(_is_full(need, held) for need in needs_of(text)), text


def _is_full(need: Need, held: dict[Need, int]) -> bool:
    settings = LIMITS[need[0]]
    of_key = settings.per_key is not None and need[1] and held.get(need, 0) >= settings.per_key
    return bool(of_key) or held.get((need[0], ""), 0) == settings.total
