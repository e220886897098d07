"""One session: a transaction is one pipeline, and a lost connection is known at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from tables import each_row

from cloaca_core.errors import StoreDataError, StoreError, StoreUnavailableError
from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.queries import Statement
from cloaca_postgres.errors import is_canceled
from cloaca_postgres.sessions.dialing import dial
from cloaca_postgres.sessions.session import Session
from cloaca_postgres.url import parse

pytestmark = pytest.mark.asyncio

SOON = 60.0
ONE = Step(Statement("one", "SELECT 1", ()))
SLEEP = Step(Statement("sleep", "SELECT pg_sleep(60)", ()))
FAIL = Step(Statement("fail", "SELECT 1 / 0", ()))
MAKE = Step(Statement("make", "CREATE TEMP TABLE t (a BIGINT, b TEXT)", ()))
INSERT = Statement(
    "insert", "INSERT INTO t SELECT * FROM unnest(%s::BIGINT[], %s::TEXT[])", ("a", "b")
)
COUNT = Step(Statement("count", "SELECT count(*) FROM t", ()))
MY_PID = Step(Statement("my_pid", "SELECT pg_backend_pid()", ()))


async def opened(url: str, *, prepares: bool = True) -> Session:
    target = parse(url)
    return Session(await dial(target, SOON), place=target.place, prepares=prepares)


@pytest_asyncio.fixture
async def session(postgres_server: str) -> AsyncIterator[Session]:
    session = await opened(postgres_server)
    yield session
    session.close()


def terminate(server: str, pid: int) -> None:
    with psycopg.connect(server, autocommit=True) as raw:
        raw.execute("SELECT pg_terminate_backend(%s)", [pid])


# -- transactions --------------------------------------------------------------------------------


@each_row("prepares", [True, False])
async def test_each_step_is_answered_with_its_rows(postgres_server: str, prepares: bool) -> None:
    session = await opened(postgres_server, prepares=prepares)
    typed = Statement("typed", "SELECT 1::BIGINT, 'ü%%', NULL, %s::TEXT", ("x",))

    answers = await session.run([ONE, Step(typed, ("%s",))], SOON)

    assert answers == [[(1,)], [(1, "ü%", None, "%s")]]
    session.close()


async def test_a_name_that_comes_twice_is_one_parameter(session: Session) -> None:
    twice = Statement("twice", "SELECT %s::BIGINT - %s::BIGINT, %s::TEXT", ("a", "a", "b"))

    assert await session.run([Step(twice, (5, 5, "x"))], SOON) == [[(0, "x")]]


async def test_a_step_with_rows_gets_their_columns(session: Session) -> None:
    await session.run([MAKE], SOON)

    answers = await session.run([Step(INSERT, rows=[(1, "a"), (2, None)]), COUNT], SOON)

    assert answers == [[], [(2,)]]


@pytest.mark.parametrize("bad", [FAIL, Step(INSERT, rows=[(2**63, "b")])])
async def test_an_error_undoes_what_came_before_it(session: Session, bad: Step) -> None:
    await session.run([MAKE], SOON)

    with pytest.raises(StoreDataError):
        await session.run([Step(INSERT, rows=[(1, "a")]), bad, COUNT], SOON)

    assert await session.run([COUNT], SOON) == [[(0,)]]


async def test_an_error_of_the_commit_itself_is_raised(session: Session) -> None:
    """A deferred constraint is checked when all steps have been answered."""
    make = "CREATE TEMP TABLE u (a BIGINT UNIQUE DEFERRABLE INITIALLY DEFERRED)"
    await session.run([Step(Statement("make_u", make, ()))], SOON)
    twice = Step(Statement("insert_u", "INSERT INTO u VALUES (1), (1)", ()))

    with pytest.raises(StoreDataError, match="23505"):
        await session.run([twice, ONE], SOON)

    assert await session.run([Step(Statement("u", "SELECT count(*) FROM u", ()))], SOON) == [[(0,)]]


async def test_a_value_that_cannot_be_sent_leaves_the_session_usable(session: Session) -> None:
    with pytest.raises(StoreDataError):
        await session.run([Step(Statement("echo", "SELECT %s::TEXT", ("a",)), ("\0",))], SOON)

    assert await session.run([ONE], SOON) == [[(1,)]]


async def test_a_statement_that_was_not_prepared_because_of_an_error_is_prepared_later(
    session: Session,
) -> None:
    with pytest.raises(StoreDataError):
        await session.run([FAIL, ONE], SOON)

    assert await session.run([ONE], SOON) == [[(1,)]]


async def test_transactions_of_one_session_do_not_share_a_fate(session: Session) -> None:
    failing, good = await asyncio.gather(
        session.run([FAIL], SOON), session.run([ONE], SOON), return_exceptions=True
    )

    assert isinstance(failing, StoreDataError)
    assert good == [[(1,)]]


async def test_a_batch_larger_than_the_socket_s_buffers_goes_through(session: Session) -> None:
    await session.run([MAKE], SOON)
    rows = [(number, "x" * 10_000) for number in range(2_000)]
    echo = Statement("echo_all", "SELECT b FROM t", ())

    answers = await session.run([Step(INSERT, rows=rows), Step(echo)], SOON)

    assert answers[1] == [("x" * 10_000,)] * 2_000


async def test_a_prelude_comes_before_each_transaction_and_is_not_answered(
    postgres_server: str,
) -> None:
    target = parse(postgres_server)
    enter = Step(Statement("enter", "SELECT set_config('cloaca.here', %s, true)", ("x",)), ("yes",))
    session = Session(await dial(target, SOON), place=target.place, prepares=False)
    session.begin_with([enter])
    where = Step(Statement("where", "SELECT current_setting('cloaca.here')", ()))

    assert await session.run([where], SOON) == [[("yes",)]]
    assert await session.run([where, ONE], SOON) == [[("yes",)], [(1,)]]
    session.close()


# -- loss ----------------------------------------------------------------------------------------


async def test_a_connection_that_is_ended_meanwhile_is_told_to_who_waits(
    session: Session, postgres_server: str
) -> None:
    (((pid,),),) = await session.run([MY_PID], SOON)
    waiting = asyncio.create_task(session.run([SLEEP], SOON))
    await asyncio.sleep(0)

    await asyncio.to_thread(terminate, postgres_server, pid)

    with pytest.raises(StoreUnavailableError):
        await waiting
    assert session.closed


async def test_the_loss_of_an_idle_connection_is_known_before_its_next_use(
    session: Session, postgres_server: str
) -> None:
    lost = asyncio.Event()
    session.lost = lost.set
    (((pid,),),) = await session.run([MY_PID], SOON)

    await asyncio.to_thread(terminate, postgres_server, pid)

    await asyncio.wait_for(lost.wait(), SOON)
    with pytest.raises(StoreUnavailableError, match="the connection was lost"):
        await session.run([ONE], SOON)


async def test_a_statement_that_is_not_answered_in_time_costs_the_session(session: Session) -> None:
    waiting = [asyncio.create_task(session.run([SLEEP], t)) for t in (0.05, SOON)]

    first, second = await asyncio.gather(*waiting, return_exceptions=True)

    assert isinstance(first, StoreUnavailableError)
    assert "no answer within 0.05 seconds" in str(first)
    assert isinstance(second, StoreUnavailableError)
    assert session.closed


async def test_a_statement_can_be_ended_early_and_the_session_goes_on(
    session: Session, postgres_server: str
) -> None:
    sleeping = asyncio.create_task(session.run([SLEEP], SOON))
    await until_asleep(postgres_server, session.backend_pid)

    await session.cancel(SOON)

    with pytest.raises(StoreUnavailableError) as canceled:
        await sleeping
    assert is_canceled(canceled.value)
    assert await session.run([ONE], SOON) == [[(1,)]]


async def until_asleep(server: str, pid: int) -> None:
    """Return when the server's process is in the middle of ``SLEEP``."""
    asked = "SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
    async with await psycopg.AsyncConnection.connect(server, autocommit=True) as raw:
        while await (await raw.execute(asked, [pid])).fetchone() is None:
            pass


class Canceling:
    """A libpq connection with another way to ask for the end of a statement."""

    def __init__(self, real: Any, cancel: Callable[[], object]) -> None:
        self._real = real
        self.cancel = cancel

    def get_cancel(self) -> Canceling:
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


async def test_a_request_to_end_a_statement_that_fails_leaves_the_statement(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise psycopg.OperationalError("no connection")

    monkeypatch.setattr(session, "_pg", Canceling(session._pg, refuse))
    await session.cancel(SOON)
    assert await session.run([ONE], SOON) == [[(1,)]]


async def test_a_request_to_end_a_statement_that_takes_too_long_costs_the_session(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could end any later statement."""
    release = threading.Event()
    slow = Canceling(session._pg, lambda: release.wait(SOON))
    monkeypatch.setattr(session, "_pg", slow)
    try:
        await session.cancel(0.01)
    finally:
        release.set()
    assert session.closed


async def test_a_session_is_busy_until_the_server_has_answered_a_caller_who_was_cancelled(
    session: Session,
) -> None:
    freed = asyncio.Event()
    session.freed = freed.set
    waiting = asyncio.create_task(session.run([FAIL], SOON))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    busy = [session.is_busy]
    async with asyncio.timeout(SOON):
        await freed.wait()
    busy.append(session.is_busy)
    assert busy == [True, False]
    assert await session.run([ONE], SOON) == [[(1,)]]


async def test_a_transaction_that_nobody_waits_for_has_a_deadline_all_the_same(
    session: Session,
) -> None:
    freed = asyncio.Event()
    session.freed = freed.set
    waiting = asyncio.create_task(session.run([SLEEP], 0.01))
    await asyncio.sleep(0)
    waiting.cancel()

    async with asyncio.timeout(SOON):
        await freed.wait()
    assert session.closed


async def test_closing_twice_is_harmless(session: Session) -> None:
    session.close()
    session.close()

    with pytest.raises(StoreError):
        await session.run([ONE], SOON)
