"""Promises of the statements when two sessions are in each other's way, step by step."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from every_statement import every_statement

from cloaca_core.assembly.sql_store import SqlStore
from cloaca_core.assembly.store import Store
from cloaca_core.errors import StoreUnavailableError
from cloaca_core.features.schedules.records import Cancellation
from cloaca_core.store.batch import Batch
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.queries import Statement
from cloaca_core.values.queue_names import DEFAULT_QUEUE
from cloaca_core.values.states import TaskStatus
from cloaca_postgres import BACKEND
from cloaca_postgres.dialect import PostgresDialect
from cloaca_postgres.opening import open_dialect
from cloaca_postgres.url import parse
from cloaca_testing.conformance.commits import batch_with, fire, record, stored, submit
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    attempt,
    firing,
    new_run,
    new_tick,
    run_end,
    runner,
    schedule,
    trigger_row,
)

pytestmark = pytest.mark.asyncio

SOON = 60
CLAIM: dict[str, object] = {
    "runner_id": "r1",
    "workflow": [WORKFLOW],
    "queue": [DEFAULT_QUEUE],
    "lowest": [0],
    "highest": [0],
    "since": [0],
    "after": [""],
    "limit": 5,
    "aged": 0,
    "now": LATER,
    "store_now": LATER,
}
SYNCHRONOUS = Step(Statement("synchronous", "SHOW synchronous_commit", ()))
SEARCH_PATH = Step(Statement("search_path", "SHOW search_path", ()))


@pytest_asyncio.fixture
async def store(postgres_url: str) -> AsyncIterator[Store]:
    store = await BACKEND.open(postgres_url, StoreOptions())
    yield store
    await store.close()


@pytest_asyncio.fixture
async def by_hand(
    store: Store, postgres_server: str, postgres_schema: str
) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """A session in the schema of ``store`` that ends its transactions when the test says so."""
    raw = await psycopg.AsyncConnection.connect(postgres_server)
    await raw.execute("SELECT set_config('search_path', %s, false)", [postgres_schema])
    await raw.commit()
    yield raw
    await raw.close()


async def blocked_sessions(by_hand: psycopg.AsyncConnection[Any], count: int) -> None:
    """Return when so many sessions wait for a lock that ``by_hand`` holds."""
    own = by_hand.info.backend_pid
    async with await psycopg.AsyncConnection.connect(
        by_hand.info.dsn, password=by_hand.info.password, autocommit=True
    ) as watch:
        while True:
            cursor = await watch.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))", [own]
            )
            if await cursor.fetchone() == (count,):
                return


def statement(store: Store, name: str) -> tuple[str, tuple[str, ...]]:
    """One of the store's statements, for a session that is stepped by hand."""
    assert isinstance(store, SqlStore)
    found = every_statement(store._dialect.sql_package, store._dialect.wording)[name]
    return found.sql, found.parameters


# -- a stale owner -------------------------------------------------------------------------------


async def test_a_stale_owner_that_waited_for_the_new_one_records_nothing(
    store: Store, by_hand: psycopg.AsyncConnection[Any]
) -> None:
    await store.register(runner("r1"))
    await submit(store, new_run("a"))
    # The new owner is in the middle of its takeover …
    await by_hand.execute("UPDATE cloaca_run SET owner = 'r2', epoch = 2 WHERE id = 'a'")

    # … when the old one records, having seen nothing of it.
    stale = asyncio.create_task(record(store, [attempt("a")], [run_end("a")]))
    await blocked_sessions(by_hand, 1)
    await by_hand.commit()

    assert (await stale).current == set()
    assert await store.load_attempts(["a"]) == []
    run = await stored(store, "a")
    assert (run.owner, run.epoch, run.ended_at) == ("r2", 2, None)


async def test_a_new_owner_waits_for_what_the_old_one_is_writing_and_sees_it(
    store: Store, by_hand: psycopg.AsyncConnection[Any]
) -> None:
    await store.register(runner("r1"))
    await submit(store, new_run("a"))
    sql, names = statement(store, "fence_runs")
    values: dict[str, object] = {"runner_id": "r1", "ids": ["a"]}
    cursor = await by_hand.execute(sql.encode(), [values[name] for name in names])
    assert await cursor.fetchall() == [("a", 1, None, 0, 0)]

    fencing = asyncio.create_task(store.fence("r1", 0))
    await blocked_sessions(by_hand, 1)
    await by_hand.execute(
        "INSERT INTO cloaca_attempt (run_id, task_id, attempt, epoch, status, crashes)"
        " VALUES ('a', 'load', 1, 1, 'Completed', 0)"
    )
    await by_hand.commit()

    assert await fencing is True
    assert await store.take_over("r1", 10) == 1
    assert [row.status for row in await store.load_attempts(["a"])] == [TaskStatus.COMPLETED]


async def test_a_runner_beats_while_its_journal_writes(
    store: Store, by_hand: psycopg.AsyncConnection[Any]
) -> None:
    await store.register(runner("r1"))
    await submit(store, new_run("a"))
    sql, names = statement(store, "fence_runs")
    values: dict[str, object] = {"runner_id": "r1", "ids": ["a"]}
    await by_hand.execute(sql.encode(), [values[name] for name in names])

    assert await asyncio.wait_for(store.beat("r1", 5), SOON) is True


# -- a runner that is fenced with something in flight ---------------------------------------------


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("claim", CLAIM),
        ("insert_run", {name: [value] for name, value in new_run("b")._asdict().items()}),
        ("insert_plain_run", {name: [value] for name, value in new_run("b")._asdict().items()}),
    ],
)
async def test_no_run_is_left_to_a_runner_that_is_fenced_meanwhile(
    store: Store, by_hand: psycopg.AsyncConnection[Any], name: str, values: dict[str, object]
) -> None:
    await store.register(runner("r1"))
    await submit(store, new_run("a", owner=None))
    sql, names = statement(store, name)
    await by_hand.execute(sql.encode(), [values[each] for each in names])

    fencing = asyncio.create_task(store.fence("r1", 0))
    await blocked_sessions(by_hand, 1)
    await by_hand.commit()
    assert await fencing is True
    while await store.take_over("r1", 10):
        pass

    assert await store.runners() == []
    await store.register(runner("r2"))
    ids = ["a"] if name == "claim" else ["a", "b"]
    assert [run.id for run in await store.claim("r2", [WORKFLOW], 10, LATER)] == ids


async def test_a_claim_that_waited_for_a_fence_gets_nothing(
    store: Store, by_hand: psycopg.AsyncConnection[Any]
) -> None:
    await store.register(runner("r1"))
    await submit(store, new_run("a", owner=None))
    await by_hand.execute("SELECT 1 FROM cloaca_runner WHERE id = 'r1' FOR UPDATE")
    await by_hand.execute("UPDATE cloaca_runner SET fenced = 1 WHERE id = 'r1'")

    claiming = asyncio.create_task(store.claim("r1", [WORKFLOW], 5, LATER))
    inserting = asyncio.create_task(submit(store, new_run("b")))
    await blocked_sessions(by_hand, 2)
    await by_hand.commit()

    assert await claiming == []
    assert (await inserting).owned == frozenset()
    assert (await stored(store, "b")).owner is None


async def test_a_claim_that_is_in_flight_when_its_runner_leaves_is_released_too(
    store: Store, by_hand: psycopg.AsyncConnection[Any]
) -> None:
    await store.register(runner("r1"))
    await submit(store, new_run("a", owner=None))
    sql, names = statement(store, "claim")
    await by_hand.execute(sql.encode(), [CLAIM[each] for each in names])

    leaving = asyncio.create_task(store.unregister("r1"))
    await blocked_sessions(by_hand, 1)
    await by_hand.commit()
    await leaving

    assert (await stored(store, "a")).owner is None


async def test_a_claim_that_is_in_flight_when_its_runner_gives_back_the_unheld_is_seen(
    store: Store, by_hand: psycopg.AsyncConnection[Any]
) -> None:
    """Its own client has given it up meanwhile."""
    await store.register(runner("r1"))
    await submit(store, new_run("a", owner=None), new_run("held"))
    sql, names = statement(store, "claim")
    await by_hand.execute(sql.encode(), [CLAIM[each] for each in names])

    giving_back = asyncio.create_task(store.release("r1", ["held"]))
    await blocked_sessions(by_hand, 1)
    await by_hand.commit()

    assert await giving_back == 1
    assert (await stored(store, "a")).owner is None
    assert (await stored(store, "held")).owner == "r1"


# -- claims --------------------------------------------------------------------------------------


async def test_a_claim_passes_over_what_another_is_claiming(
    store: Store, by_hand: psycopg.AsyncConnection[Any]
) -> None:
    await store.register(runner("r1"))
    await submit(store, *[new_run(name, owner=None) for name in "abc"])
    await by_hand.execute("SELECT 1 FROM cloaca_run WHERE id = 'a' FOR UPDATE")

    claimed = await asyncio.wait_for(store.claim("r1", [WORKFLOW], 2, LATER), SOON)

    assert [run.id for run in claimed] == ["b", "c"]


# -- batches -------------------------------------------------------------------------------------


async def test_of_several_rows_for_one_attempt_the_final_one_stays(store: Store) -> None:
    await store.register(runner("r1"))
    await submit(store, new_run("a"), new_run("b"))
    mark = attempt("a", status=TaskStatus.RUNNING)
    failed = attempt("a", status=TaskStatus.FAILED, error="no")

    await record(store, [mark, failed, attempt("a"), mark])
    await record(store, [attempt("b", status=TaskStatus.RUNNING, crashes=n) for n in (1, 2)])

    assert await store.load_attempts(["a"]) == [failed]  # the first that is final
    assert [row.crashes for row in await store.load_attempts(["b"])] == [2]  # the last


async def test_runs_are_locked_in_their_order(
    store: Store, by_hand: psycopg.AsyncConnection[Any]
) -> None:
    """Who waits for one holds none that comes after it, so that no two wait for each other."""
    await store.register(runner("r1"))
    await submit(store, new_run("a"), new_run("z"))
    await by_hand.execute("SELECT 1 FROM cloaca_run WHERE id = 'a' FOR NO KEY UPDATE")

    recording = asyncio.create_task(record(store, [attempt("z"), attempt("a")]))
    await blocked_sessions(by_hand, 1)
    await by_hand.execute("SELECT 1 FROM cloaca_run WHERE id = 'z' FOR NO KEY UPDATE NOWAIT")
    await by_hand.commit()

    assert (await recording).current == {"a", "z"}


async def test_the_runner_is_locked_before_its_runs(
    store: Store, by_hand: psycopg.AsyncConnection[Any]
) -> None:
    """As who fences it does: the runs are free for what comes first."""
    await store.register(runner("r1"))
    await submit(store, new_run("a"))
    await by_hand.execute("SELECT 1 FROM cloaca_runner WHERE id = 'r1' FOR UPDATE")

    recording = asyncio.create_task(record(store, [attempt("a")]))
    await blocked_sessions(by_hand, 1)
    await by_hand.execute("SELECT 1 FROM cloaca_run WHERE id = 'a' FOR NO KEY UPDATE NOWAIT")
    await by_hand.commit()

    assert (await recording).current == {"a"}


async def test_keys_are_taken_in_their_order(
    store: Store, by_hand: psycopg.AsyncConnection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for one holds none that comes after it, so that no two wait for each other."""
    monkeypatch.setattr("cloaca_postgres.sessions.pool._TRIES", 1)
    insert = (
        "INSERT INTO cloaca_run (id, workflow, version, status, epoch, created_at, tags, input,"
        " idempotency_key) VALUES (%s, %s, '', 'Pending', 0, 0, '{}', '{}', %s)"
    )
    await by_hand.execute(insert, ["first", WORKFLOW, "a"])
    runs = [new_run("x", owner=None, key="z"), new_run("y", owner=None, key="a")]
    waiting = asyncio.create_task(store.commit(Batch("r1", runs, [], [], {})))
    await blocked_sessions(by_hand, 1)

    await by_hand.execute(insert, ["second", WORKFLOW, "z"])
    await by_hand.commit()

    assert (await waiting).existing == {"x": "second", "y": "first"}


async def test_two_batches_that_share_keys_in_opposite_orders_both_succeed(store: Store) -> None:
    names = [f"{number:03}" for number in range(200)]

    def batch(prefix: str, order: Sequence[str]) -> Batch:
        runs = [new_run(prefix + name, owner=None, key=name) for name in order]
        return Batch("r1", runs, [], [], {})

    one, other = await asyncio.gather(
        store.commit(batch("x", names)), store.commit(batch("y", names[::-1]))
    )

    assert len(one.existing) + len(other.existing) == 200


# -- runs of a schedule --------------------------------------------------------------------------


async def test_an_end_waits_for_what_is_being_put_behind_its_run(
    store: Store, by_hand: psycopg.AsyncConnection[Any]
) -> None:
    await _run_of_schedule(store)
    # Another runner has seen that the run is under way, and queues the next one …
    await by_hand.execute("SELECT id FROM cloaca_schedule FOR NO KEY UPDATE")
    await by_hand.execute(
        "INSERT INTO cloaca_run (id, workflow, version, status, epoch, created_at, tags, input,"
        " schedule_id, behind) VALUES ('b', %s, '', 'Pending', 0, 0, '{}', '{}', 's', 'a')",
        [WORKFLOW],
    )

    # … when it ends.
    ending = asyncio.create_task(record(store, ends=[run_end("a")._replace(schedule_id="s")]))
    await blocked_sessions(by_hand, 1)
    await by_hand.commit()

    assert (await ending).current == {"a"}
    assert [run.id for run in await store.claim("r1", [WORKFLOW], 2, LATER)] == ["b"]


async def test_a_tick_sees_the_end_that_it_waited_for(
    store: Store, by_hand: psycopg.AsyncConnection[Any]
) -> None:
    await _run_of_schedule(store)
    await by_hand.execute("SELECT id FROM cloaca_schedule FOR NO KEY UPDATE")
    await by_hand.execute("UPDATE cloaca_run SET ended_at = 1 WHERE id = 'a'")

    second = new_tick("s", "b", tick=LATER, generation=1)._replace(behind="a")
    deciding = asyncio.create_task(fire(store, second, runner_id="r2"))
    await blocked_sessions(by_hand, 1)
    await by_hand.commit()

    await deciding
    assert [run.id for run in await store.claim("r1", [WORKFLOW], 2, LATER)] == ["b"]


async def test_a_cancellation_waits_for_what_the_owner_is_writing(
    store: Store, by_hand: psycopg.AsyncConnection[Any]
) -> None:
    await _run_of_schedule(store)
    sql, names = statement(store, "fence_runs")
    values: dict[str, object] = {"runner_id": "r1", "ids": ["a"]}
    await by_hand.execute(sql.encode(), [values[name] for name in names])

    cancelling = asyncio.create_task(store.commit(_replacing("a", fences={})))
    await blocked_sessions(by_hand, 1)
    await by_hand.execute(
        "INSERT INTO cloaca_attempt (run_id, task_id, attempt, epoch, status, crashes)"
        " VALUES ('a', 'load', 1, 1, 'Completed', 0)"
    )
    await by_hand.commit()

    await cancelling
    run = await stored(store, "a")
    assert (run.status, run.owner, run.epoch) == ("Cancelled", None, 2)
    assert len(await store.load_attempts(["a"])) == 1


async def test_who_cancels_takes_the_runs_in_their_order_whoever_owns_them(
    store: Store, by_hand: psycopg.AsyncConnection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for one holds none that comes after it, so that no two wait for each other."""
    monkeypatch.setattr("cloaca_postgres.sessions.pool._TRIES", 1)
    await _run_of_schedule(store, "z")
    await submit(store, new_run("m"))
    lock = "SELECT id FROM cloaca_run WHERE id = %s FOR NO KEY UPDATE"
    await by_hand.execute(lock, ["m"])

    cancelling = asyncio.create_task(store.commit(_replacing("z", fences={"m": 1})))
    await blocked_sessions(by_hand, 1)
    await by_hand.execute(lock, ["z"])
    await by_hand.commit()

    assert (await cancelling).current == {"m"}
    assert (await stored(store, "z")).status == "Cancelled"


async def test_a_runner_gives_back_its_runs_while_it_is_cancelling_others(
    store: Store, by_hand: psycopg.AsyncConnection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who writes for a runner holds its row first, and so does who gives back its runs."""
    monkeypatch.setattr("cloaca_postgres.sessions.pool._TRIES", 1)
    await _run_of_schedule(store)
    await by_hand.execute("SELECT id FROM cloaca_runner WHERE id = 'r1' FOR UPDATE")

    batch = _replacing("a", fences={"a": 1})
    cancelling = asyncio.create_task(store.commit(batch))
    await blocked_sessions(by_hand, 1)
    await by_hand.execute("UPDATE cloaca_run SET owner = NULL, epoch = 2 WHERE owner = 'r1'")
    await by_hand.commit()

    assert (await cancelling).current == set()
    assert (await stored(store, "a")).epoch == 3


async def _run_of_schedule(store: Store, run_id: str = "a") -> None:
    """A schedule, and a run of it that a runner has claimed."""
    await store.register(runner("r1"))
    await store.put_schedule(schedule())
    await fire(store, new_tick("s", run_id))
    await store.claim("r1", [WORKFLOW], 1, NOW)


def _replacing(run_id: str, fences: dict[str, int]) -> Batch:
    """The next tick of the schedule cancels a run, in a batch with others of its runner."""
    tick = new_tick("s", "new", tick=LATER, generation=1)
    gone = Cancellation(run_id, "s", LATER, "new", "made way", LATER, LATER)
    return batch_with("r1", [], [], [], fences, [firing("s", generation=1)], [tick], [gone])


# -- triggers ------------------------------------------------------------------------------------


async def test_polls_are_taken_in_the_order_in_which_triggers_are_locked(
    store: Store, by_hand: psycopg.AsyncConnection[Any]
) -> None:
    """Else two runners that find the same ones due in another order wait for each other."""
    for name in "ab":
        await store.add_trigger(trigger_row(name))
    await by_hand.execute("SELECT 1 FROM cloaca_trigger WHERE id = 'a' FOR NO KEY UPDATE")

    taking = asyncio.create_task(store.take_polls([trigger_row("b"), trigger_row("a")]))
    await blocked_sessions(by_hand, 1)
    await by_hand.execute("SELECT 1 FROM cloaca_trigger WHERE id = 'b' FOR NO KEY UPDATE NOWAIT")
    await by_hand.commit()

    assert await taking == {"a", "b"}


# -- plans ---------------------------------------------------------------------------------------


WRITES = (
    "insert_tag",
    "owned_runs",
    "find_keys",
    "fence_runs",
    "record_attempt",
    "end_run",
    "lock_runs",
    "cancel_run",
    "start_next",
    "claim",
    "release",
    "count_crashes",
    "take_over_runs",
)


@pytest.mark.parametrize("analyzed", [False, True])
async def test_a_plan_that_was_made_for_small_tables_scans_none_of_them(
    store: Store, by_hand: psycopg.AsyncConnection[Any], analyzed: bool
) -> None:
    """It is kept while they grow."""
    if analyzed:
        await store.register(runner("r1"))
        await submit(store, new_run("a"), new_run("b", owner=None))
        await record(store, [attempt("a")], [run_end("a")])
        await by_hand.execute("ANALYZE cloaca_run, cloaca_attempt, cloaca_runner")
    for setting in ("plan_cache_mode = force_generic_plan", "enable_seqscan = off"):
        await by_hand.execute(f"SET {setting}".encode())
    await by_hand.execute("SET random_page_cost = 1")

    for name in WRITES:
        plan = await plan_without_values(store, by_hand, name)
        for line, next_line in pairwise(plan):
            if re.search(r"Scan .*on (cloaca_run|cloaca_attempt)\b", line):
                assert "Index Cond" in next_line, "\n".join([name, *plan])


async def plan_without_values(
    store: Store, by_hand: psycopg.AsyncConnection[Any], name: str
) -> list[str]:
    """The lines of the plan that the server keeps for a statement."""
    sql, names = statement(store, name)
    numbers = iter(range(1, len(names) + 1))
    text = "".join([part if part != "%s" else f"${next(numbers)}" for part in _cut(sql)])
    await by_hand.execute(f"PREPARE {name} AS {text}".encode())
    cursor = await by_hand.execute(
        f"EXPLAIN EXECUTE {name}({', '.join(['NULL'] * len(names))})".encode()
    )
    return [line for (line,) in await cursor.fetchall()]


def _cut(sql: str) -> list[str]:
    before, *rest = sql.split("%s")
    return [before] + [part for each in rest for part in ("%s", each)]


# -- sessions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("pooler", ["", "&pooler=true"])
async def test_what_is_written_is_durable_and_in_the_schema_whatever_the_url_s_options_say(
    postgres_url: str, postgres_schema: str, pooler: str
) -> None:
    options = "options=-csynchronous_commit%3Doff%20-csearch_path%3Dpg_catalog"
    dialect = await open_dialect(parse(f"{postgres_url}&{options}{pooler}"), StoreOptions())

    answers = await dialect.write([SYNCHRONOUS, SEARCH_PATH])

    assert answers == [[("on",)], [(f"{postgres_schema}, pg_temp",)]]
    await dialect.close()


async def test_a_store_that_lost_every_session_goes_on(
    postgres_url: str, postgres_server: str, postgres_schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloaca_postgres.sessions.pool.FIRST_PAUSE_S", 0.0)
    url = f"{postgres_url}&application_name={postgres_schema}"
    store = await BACKEND.open(url, StoreOptions())
    await store.register(runner("r1"))
    async with await psycopg.AsyncConnection.connect(postgres_server, autocommit=True) as raw:
        ended = await raw.execute(
            "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = %s",
            [postgres_schema],
        )
        sessions = [pid for pid, _ in await ended.fetchall()]
        there = "SELECT FROM pg_stat_activity WHERE pid = ANY(%s)"
        while await (await raw.execute(there, [sessions])).fetchone() is not None:
            pass

    for operation in (
        lambda: submit(store, new_run("a")),
        lambda: store.beat("r1", 5),
        lambda: store.get_run("a"),
    ):
        # A session whose end has not been noticed yet costs one failure, which callers retry.
        with suppress(StoreUnavailableError):
            await operation()
        assert await operation()
    await store.close()


@pytest.mark.parametrize(("breaks", "works"), [(1, True), (2, False)])
async def test_a_read_whose_connection_broke_is_asked_again_once(
    store: Store, monkeypatch: pytest.MonkeyPatch, breaks: int, works: bool
) -> None:
    assert isinstance(store, SqlStore)
    pool = store._dialect._reads  # type: ignore[attr-defined]  # the dialect of this backend
    run = pool.run
    left = [StoreUnavailableError("gone")] * breaks

    async def broken(steps: Any, *, first: bool) -> Any:
        if left:
            raise left.pop()
        return await run(steps, first=first)

    monkeypatch.setattr(pool, "run", broken)

    if works:
        assert await store.get_run("nobody") is None
    else:
        with pytest.raises(StoreUnavailableError, match="gone"):
            await store.get_run("nobody")


# -- the clock -----------------------------------------------------------------------------------


async def test_leases_are_kept_on_the_database_s_clock(
    store: Store, by_hand: psycopg.AsyncConnection[Any]
) -> None:
    async def database_now() -> int:
        cursor = await by_hand.execute("SELECT extract(epoch FROM clock_timestamp()) * 1000000")
        row = await cursor.fetchone()
        assert row is not None
        return int(row[0])

    before = await database_now()
    shown = store.lease_clock()
    after = await database_now()

    # The reading that it counts from was taken within one round trip of this very test.
    assert before - 60_000_000 < shown < after + 60_000_000
    assert store.lease_ends_with_boot is False


async def test_who_looks_at_the_leases_of_others_learns_of_a_clock_that_was_set(
    store: Store,
) -> None:
    """A runner that owns nothing does not beat, which would tell it."""
    assert isinstance(store, SqlStore)
    assert isinstance(store._dialect, PostgresDialect)
    await asyncio.wait_for(store.wait_changed(), SOON)
    await store.runners()  # all its sessions are open now, each of which looks at the clock once
    before = store.lease_clock()
    clock = store._dialect._clock
    clock.read(clock.start(), before - 3_600_000_000)  # as it was before it was set

    await store.runners()

    assert store.lease_clock() > before - 60_000_000
