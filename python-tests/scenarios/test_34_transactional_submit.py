"""34: a run that is submitted in the program's own transaction exists if that commits, else not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from typing import Any

import pytest
from own_database import OwnDatabases
from tables import each_row

import cloaca

pytestmark = pytest.mark.each_backend

WAIT = 60


@pytest.fixture(autouse=True)
def bodies() -> list[int]:
    """The orders that the workflow ``send`` has sent."""
    sent: list[int] = []
    with cloaca.WorkflowBuilder("send"):
        cloaca.task(id="only")(lambda context: sent.append(context["order"]))
    return sent


@pytest.fixture
def mine(own_databases: OwnDatabases, database_url: str, runner: cloaca.DefaultRunner) -> Any:
    """The program's own connection to the database of ``runner``."""
    with closing(own_databases.connect(database_url)) as connection:
        yield connection


@pytest.fixture
def orders(mine: Any, own_databases: OwnDatabases, database_url: str) -> Iterator[Any]:
    """The program's own table: how to insert into it, and what of it is committed."""
    mine.execute("CREATE TABLE shop_orders (id INTEGER)")
    mine.commit()

    def insert(order: int) -> None:
        mine.execute(f"INSERT INTO shop_orders VALUES ({order})")

    def committed() -> list[int]:
        with closing(own_databases.connect(database_url)) as other:
            return [order for (order,) in other.execute("SELECT id FROM shop_orders").fetchall()]

    yield insert, committed
    mine.rollback()
    mine.execute("DROP TABLE shop_orders")
    mine.commit()


def test_what_was_stored_and_its_run_are_there_together(
    runner: cloaca.DefaultRunner, mine: Any, orders: Any, bodies: list[int]
) -> None:
    insert, committed = orders
    insert(7)
    handle = runner.submit("send", {"order": 7}, connection=mine)
    assert (committed(), runner.list_runs(), bodies) == ([], [], [])

    mine.commit()

    assert handle.result(WAIT).status == "Completed"
    assert (committed(), bodies) == ([7], [7])


def test_after_a_rollback_neither_has_ever_existed(
    runner: cloaca.DefaultRunner, mine: Any, orders: Any, bodies: list[int]
) -> None:
    insert, committed = orders
    insert(7)
    lost = runner.submit("send", {"order": 7}, connection=mine, tags={"kind": "order"})
    mine.rollback()
    kept = runner.submit("send", {"order": 8}, connection=mine)
    mine.commit()

    kept.wait(WAIT)
    assert (committed(), bodies) == ([], [8])
    assert [run.id for run in runner.list_runs()] == [kept.id]
    with pytest.raises(cloaca.RunNotFoundError):
        lost.status()


def test_before_the_commit_nobody_knows_of_it(runner: cloaca.DefaultRunner, mine: Any) -> None:
    handle = runner.submit("send", {"order": 7}, connection=mine)
    for ask in (handle.status, handle.result, handle.wait, handle.tasks, handle.events):
        with pytest.raises(KeyError, match=handle.id):
            ask()
    mine.commit()
    assert runner.get_run(handle.id) == handle


def test_a_connection_that_commits_each_statement_commits_the_run(
    runner: cloaca.DefaultRunner,
    own_databases: OwnDatabases,
    database_url: str,
    bodies: list[int],
) -> None:
    with closing(own_databases.connect(database_url, autocommit=True)) as connection:
        handle = runner.submit("send", {"order": 7}, connection=connection)
        assert handle.result(WAIT).status == "Completed"
    assert bodies == [7]


def test_a_key_that_was_used_gives_the_run_that_has_it(
    runner: cloaca.DefaultRunner, mine: Any, bodies: list[int]
) -> None:
    before = runner.submit("send", {"order": 1}, idempotency_key="order 1")
    before.wait(WAIT)
    same = runner.submit("send", {"order": 2}, idempotency_key="order 1", connection=mine)
    first = runner.submit("send", {"order": 3}, idempotency_key="order 3", connection=mine)
    again = runner.submit("send", {"order": 4}, idempotency_key="order 3", connection=mine)
    mine.commit()
    after = runner.submit("send", {"order": 5}, idempotency_key="order 3")

    assert same == before
    assert first == again == after
    first.wait(WAIT)
    assert bodies == [1, 3]


def test_tags_find_it(runner: cloaca.DefaultRunner, mine: Any) -> None:
    tags = {"kind": "order", 'a "quoted" \\ one': "ü 🙂"}
    handle = runner.submit("send", {"order": 7}, tags=tags, connection=mine)
    mine.commit()
    (found,) = runner.list_runs(tags=tags)
    assert (found.id, found.tags) == (handle.id, tags)


def test_who_asks_for_it_is_noted_with_it(runner: cloaca.DefaultRunner, mine: Any) -> None:
    handle = runner.submit("send", {"order": 7}, idempotency_key="k", connection=mine, by="ann")
    runner.submit("send", {"order": 8}, idempotency_key="k", connection=mine, by="bob")
    runner.submit("send", {"order": 9}, connection=mine)
    assert runner.actions() == []
    mine.commit()

    assert [(a.kind, a.by, a.run_id) for a in runner.actions()] == [("submit", "ann", handle.id)]


def test_several_runs_of_one_transaction_all_run(
    runner: cloaca.DefaultRunner, mine: Any, bodies: list[int]
) -> None:
    handles = [runner.submit("send", {"order": n}, connection=mine) for n in range(5)]
    mine.commit()
    for handle in handles:
        handle.wait(WAIT)
    assert sorted(bodies) == [0, 1, 2, 3, 4]


def test_any_runner_of_the_database_takes_it_up(
    open_runner: Callable[..., cloaca.DefaultRunner], mine: Any
) -> None:
    submitting = open_runner(start=False)
    other = open_runner()
    handle = submitting.submit("send", {"order": 7}, connection=mine)
    mine.commit()
    assert other.get_run(handle.id).result(WAIT).status == "Completed"


def test_a_body_may_submit_so_and_its_run_is_the_parent(
    runner: cloaca.DefaultRunner,
    own_databases: OwnDatabases,
    database_url: str,
    bodies: list[int],
) -> None:
    with cloaca.WorkflowBuilder("sell"):

        @cloaca.task(id="sell", retry_attempts=1)
        def sell(context: cloaca.Context) -> dict[str, Any]:
            with closing(own_databases.connect(database_url)) as connection:
                both = [runner.submit("send", {"order": n}, connection=connection) for n in (1, 2)]
                connection.commit()
            return {"sent": [handle.id for handle in both]}

    parent = runner.submit("sell")
    sent = parent.result(WAIT).final_context["sent"]
    for run_id in sent:
        runner.get_run(run_id).wait(WAIT)

    rows = own_databases.query(
        database_url, "SELECT id, idempotency_key FROM cloaca_run WHERE parent_id = ?", parent.id
    )
    assert sorted(rows) == [(run_id, None) for run_id in sorted(sent)]
    assert sorted(bodies) == [1, 2]


# -- refused -------------------------------------------------------------------------------------


def test_a_connection_to_another_database_is_refused(
    runner: cloaca.DefaultRunner, own_databases: OwnDatabases, database_url: str
) -> None:
    with (
        closing(own_databases.connect_elsewhere(database_url)) as connection,
        pytest.raises(ValueError, match="another database") as refusal,
    ):
        runner.submit("send", {"order": 7}, connection=connection)
    assert isinstance(refusal.value, cloaca.ConfigError)
    assert refusal.value.field == "connection"


def test_a_closed_connection_is_refused(runner: cloaca.DefaultRunner, mine: Any) -> None:
    mine.close()
    with pytest.raises(ValueError, match=r"connection .*closed"):
        runner.submit("send", {"order": 7}, connection=mine)


@each_row("given", [0, "orders.db", object()], ids=["int", "str", "object"])
def test_what_is_no_connection_is_refused_with_what_is_accepted(
    runner: cloaca.DefaultRunner, backend_name: str, given: object
) -> None:
    accepted = {"sqlite": "a sqlite3.Connection", "postgres": "a psycopg.Connection"}[backend_name]
    expected = f"^connection must be {accepted}, not {type(given).__name__}$"
    with pytest.raises(TypeError, match=expected):
        runner.submit("send", {"order": 7}, connection=given)


@pytest.mark.asyncio
async def test_a_connection_of_a_framework_is_refused_with_the_way_to_the_drivers(
    database_url: str,
) -> None:
    from django.db import connection as of_django

    given = type("Connection", (), {"__module__": "sqlalchemy.engine.base"})()
    awaited = type("AsyncConnection", (), {"__module__": "sqlalchemy.ext.asyncio.engine"})()
    with (
        cloaca.DefaultRunner(database_url) as runner,
        pytest.raises(TypeError, match=r"give its \.connection\.driver_connection$"),
    ):
        runner.submit("send", {"order": 7}, connection=given)
    with (
        cloaca.DefaultRunner(database_url) as runner,
        pytest.raises(TypeError, match=r"give its \.connection, after its \.ensure_connection\(\)"),
    ):
        runner.submit("send", {"order": 7}, connection=of_django)
    async with cloaca.AsyncRunner(database_url) as runner:
        with pytest.raises(TypeError, match=r"give \(await it\.get_raw_connection\(\)\)"):
            await runner.submit("send", {"order": 7}, connection=awaited)


def test_what_any_submit_refuses_is_refused_before_anything_is_written(
    open_runner: Callable[..., cloaca.DefaultRunner], mine: Any
) -> None:
    runner = open_runner(max_context_bytes=50)
    with pytest.raises(ValueError, match="max_context_bytes"):
        runner.submit("send", {"text": "x" * 50}, connection=mine)
    with pytest.raises(ValueError, match="idempotency_key"):
        runner.submit("send", idempotency_key="", connection=mine)
    with pytest.raises(TypeError, match="tags"):
        runner.submit("send", tags={"a": 1}, connection=mine)  # type: ignore[dict-item]  # refused
    with pytest.raises(ValueError, match="Workflow not found in registry: nothing"):
        runner.submit("nothing", connection=mine)
    mine.commit()
    assert runner.list_runs() == []


def test_a_closed_runner_says_so(runner: cloaca.DefaultRunner, mine: Any) -> None:
    runner.shutdown()
    with pytest.raises(cloaca.RunnerClosedError):
        runner.submit("send", {"order": 7}, connection=mine)


@pytest.mark.backend("sqlite", reason="only SQLite has databases in memory")
def test_a_runner_in_memory_refuses_by_name(own_databases: OwnDatabases) -> None:
    with (
        cloaca.DefaultRunner(":memory:") as runner,
        closing(own_databases.connect("sqlite://:memory:")) as connection,
        pytest.raises(ValueError, match=":memory:"),
    ):
        runner.submit("send", {"order": 7}, connection=connection)


# -- with a loop ---------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_an_async_runner_awaits_the_connection(
    own_databases: OwnDatabases, database_url: str, bodies: list[int]
) -> None:
    async with cloaca.AsyncRunner(database_url) as runner:
        mine = await own_databases.connect_awaited(database_url)
        lost = await runner.submit("send", {"order": 1}, connection=mine)
        await mine.rollback()
        kept = await runner.submit("send", {"order": 2}, connection=mine, idempotency_key="k")
        same = await runner.submit("send", {"order": 3}, connection=mine, idempotency_key="k")
        await mine.commit()
        await mine.close()

        assert kept == same
        assert (await kept.result(WAIT)).status == "Completed"
        with pytest.raises(cloaca.RunNotFoundError):
            await lost.status()
        with pytest.raises(ValueError, match=r"connection .*closed"):
            await runner.submit("send", {"order": 4}, connection=mine)
    assert bodies == [2]


@pytest.mark.asyncio
async def test_an_async_runner_takes_a_blocking_connection_too(
    own_databases: OwnDatabases, database_url: str, bodies: list[int]
) -> None:
    async with cloaca.AsyncRunner(database_url) as runner:
        with closing(own_databases.connect(database_url)) as mine:
            handle = await runner.submit("send", {"order": 1}, connection=mine)
            mine.commit()
        await handle.wait(WAIT)
        with pytest.raises(TypeError, match=r"connection must be a .* or an? .*, not object"):
            await runner.submit("send", {"order": 2}, connection=object())
    assert bodies == [1]


@pytest.mark.asyncio
async def test_a_connection_that_must_be_awaited_is_nothing_for_a_runner_that_blocks(
    runner: cloaca.DefaultRunner, own_databases: OwnDatabases, database_url: str
) -> None:
    mine = await own_databases.connect_awaited(database_url)
    with pytest.raises(TypeError, match=r"not (aiosqlite|psycopg)\..*Connection"):
        runner.submit("send", {"order": 1}, connection=mine)
    await mine.close()


# -- beside a transaction that stays open --------------------------------------------------------

stays_open = pytest.mark.backend(
    "postgres", reason="on SQLite an open write transaction keeps every writer of the file waiting"
)


def in_thread(submit: Callable[[], cloaca.RunHandle]) -> Future[cloaca.RunHandle]:
    """A submit that may have to wait. Its thread ends with it at the latest."""
    answer: Future[cloaca.RunHandle] = Future()

    def run() -> None:
        try:
            answer.set_result(submit())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return answer


def until_held(runner: cloaca.DefaultRunner, count: int) -> None:
    """Return when so many submits wait for a transaction."""
    while runner.health()["held_submits"] != count:
        pass


@stays_open
def test_only_a_submit_of_the_same_key_waits_for_an_open_transaction(
    runner: cloaca.DefaultRunner, mine: Any, bodies: list[int]
) -> None:
    first = runner.submit("send", {"order": 1}, connection=mine, idempotency_key="order 1")
    same = in_thread(lambda: runner.submit("send", {"order": 2}, idempotency_key="order 1"))
    until_held(runner, 1)

    runner.submit("send", {"order": 3}).wait(WAIT)
    runner.submit("send", {"order": 4}, idempotency_key="order 4").wait(WAIT)
    assert (bodies, same.done()) == ([3, 4], False)

    mine.commit()

    assert same.result(WAIT) == first
    first.wait(WAIT)
    assert bodies == [3, 4, 1]
    assert runner.health()["held_submits"] == 0


@stays_open
def test_a_body_that_waits_for_a_run_of_its_own_goes_on_beside_many_keys(
    runner: cloaca.DefaultRunner, mine: Any, bodies: list[int]
) -> None:
    """Also while its runner claims nothing: no other runner would claim the run."""
    inside, go_on = threading.Event(), threading.Event()

    def ask(context: cloaca.Context) -> None:
        inside.set()
        go_on.wait(WAIT)
        runner.execute("send", {"order": 5})

    with cloaca.WorkflowBuilder("parent"):
        cloaca.task(id="ask")(ask)
    parent = runner.submit("parent")
    assert inside.wait(WAIT)
    for order in range(70):  # more than a transaction can name the keys of
        runner.submit("send", {"order": 0}, connection=mine, idempotency_key=f"order {order}")
    runner.stop()
    go_on.set()

    assert parent.result(WAIT).status == "Completed"
    assert bodies == [5]
    mine.rollback()


@stays_open
def test_after_a_rollback_the_submit_that_waited_makes_its_run(
    runner: cloaca.DefaultRunner, mine: Any, bodies: list[int]
) -> None:
    lost = runner.submit("send", {"order": 1}, connection=mine, idempotency_key="k")
    waits = in_thread(
        lambda: runner.submit("send", {"order": 2}, idempotency_key="k", tags={"t": "x"})
    )
    until_held(runner, 1)

    mine.rollback()

    kept = waits.result(WAIT)
    assert kept.result(WAIT).status == "Completed"
    assert kept != lost
    assert bodies == [2]
    assert [run.id for run in runner.list_runs(tags={"t": "x"})] == [kept.id]


@stays_open
def test_a_hundred_keys_of_one_transaction_are_waited_for_with_one_connection(
    runner: cloaca.DefaultRunner,
    mine: Any,
    own_databases: OwnDatabases,
    database_url: str,
    bodies: list[int],
) -> None:
    """More keys than a transaction can lock one by one: no other submitter waits for them."""
    keys = [f"order {number}" for number in range(100)]
    for key in keys:
        runner.submit("send", {"order": 0}, connection=mine, idempotency_key=key)

    def again(key: str) -> Future[cloaca.RunHandle]:
        return in_thread(lambda: runner.submit("send", {"order": 1}, idempotency_key=key))

    waiting = [again(key) for key in keys]
    until_held(runner, 100)
    runner.submit("send", {"order": 2}).wait(WAIT)
    runner.submit("send", {"order": 3}, idempotency_key="another").wait(WAIT)
    assert bodies == [2, 3]
    waits_for_lock = own_databases.query(
        database_url,
        "SELECT count(*) FROM pg_stat_activity WHERE ? = ANY(pg_blocking_pids(pid))",
        mine.info.backend_pid,
    )
    assert waits_for_lock[0][0] <= 1

    mine.rollback()

    handles = [each.result(WAIT) for each in waiting]
    assert len(set(handles)) == 100
    for handle in handles:
        handle.wait(WAIT)
    assert bodies == [2, 3] + [1] * 100


@stays_open
def test_a_shutdown_refuses_a_submit_that_waits_and_it_makes_no_run(
    runner: cloaca.DefaultRunner, mine: Any, own_databases: OwnDatabases, database_url: str
) -> None:
    runner.submit("send", {"order": 1}, connection=mine, idempotency_key="k")
    waits = in_thread(lambda: runner.submit("send", {"order": 2}, idempotency_key="k"))
    until_held(runner, 1)

    runner.shutdown()

    with pytest.raises(cloaca.RunnerClosedError):
        waits.result(WAIT)
    mine.rollback()
    until_nobody_waits_for(mine)
    assert own_databases.query(database_url, "SELECT count(*) FROM cloaca_run") == [(0,)]


def until_nobody_waits_for(mine: Any) -> None:
    """Return when no session waits for this one: a server notices late that a client is gone."""
    statement = "SELECT 1 FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))"
    while mine.execute(statement).fetchone():
        mine.rollback()
    mine.rollback()


@stays_open
@pytest.mark.asyncio
async def test_a_submit_that_waits_may_be_cancelled(
    own_databases: OwnDatabases, database_url: str, bodies: list[int]
) -> None:
    async with cloaca.AsyncRunner(database_url) as runner:
        with closing(own_databases.connect(database_url)) as mine:
            await runner.submit("send", {"order": 1}, connection=mine, idempotency_key="k")
            given_up, waits = [
                asyncio.ensure_future(runner.submit("send", {"order": order}, idempotency_key="k"))
                for order in (2, 3)
            ]
            while (await runner.health())["held_submits"] != 2:
                pass
            given_up.cancel()
            with pytest.raises(asyncio.CancelledError):
                await given_up
            mine.rollback()

        await (await waits).wait(WAIT)
    assert bodies == [3]
