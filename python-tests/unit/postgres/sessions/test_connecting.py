"""Sessions are set up for what they are for, where they should be, or not used at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest
import pytest_asyncio

from cloaca_core.errors import StoreUnavailableError
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.queries import Row, Statement
from cloaca_postgres import BACKEND
from cloaca_postgres.sessions.clock import DatabaseClock
from cloaca_postgres.sessions.connecting import Connector
from cloaca_postgres.sessions.dialing import dial
from cloaca_postgres.sessions.session import Session
from cloaca_postgres.url import parse
from dev.databases.urls import with_query

SOON = 60.0
SETTINGS = (
    "search_path",
    "synchronous_commit",
    "plan_cache_mode",
    "statement_timeout",
    "enable_seqscan",
    "jit",
)
SHOW = [Step(Statement(f"show_{name}", f"SHOW {name}", ())) for name in SETTINGS]
SHOW_KEEPALIVES = [
    Step(Statement(f"show_{name}", f"SELECT setting FROM pg_settings WHERE name = '{name}'", ()))
    for name in ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count")
]
Connect: TypeAlias = Callable[..., Connector]


@pytest_asyncio.fixture
async def connect(postgres_url: str, postgres_schema: str) -> Connect:
    """Makes a connector to the test's schema, with what the URL says in addition."""
    await (await BACKEND.open(postgres_url, StoreOptions())).close()

    def make(clock: DatabaseClock | None = None, **query: str) -> Connector:
        target = parse(with_query(postgres_url, **query))
        return Connector(target, postgres_schema, SOON, clock or DatabaseClock())

    return make


# -- what they are for ---------------------------------------------------------------------------


@pytest.mark.parametrize("pooler", ["false", "true"])
@pytest.mark.parametrize(
    ("kind", "durable", "plans"),
    [
        # Its commits are promises, and its plans are kept.
        ("connect_writer", "on", "force_generic_plan"),
        # A message is all that it commits; a list is planned for what was asked.
        ("connect_reader", "off", "force_custom_plan"),
    ],
)
async def test_each_kind_of_session_is_set_up_for_its_use(
    connect: Connect, postgres_schema: str, pooler: str, kind: str, durable: str, plans: str
) -> None:
    session = await getattr(connect(pooler=pooler), kind)()

    answers = await session.run(SHOW, SOON)

    path = f"{postgres_schema}, pg_temp"
    assert [text for ((text,),) in answers] == [path, durable, plans, "8s", "off", "off"]
    session.close()


@pytest.mark.parametrize("kind", ["connect_writer", "connect_reader"])
async def test_the_server_soon_notices_that_the_machine_of_a_client_is_gone(
    connect: Connect, kind: str
) -> None:
    """A part of a transaction keeps its locks until then, and a lease is 15 seconds."""
    session = await getattr(connect(), kind)()

    answers = await session.run(SHOW_KEEPALIVES, SOON)

    idle, interval, count = (int(text) for ((text,),) in answers)
    assert 0 < idle + interval * count < 15
    session.close()


@pytest.mark.parametrize("kind", ["connect_writer", "connect_reader"])
async def test_each_session_that_opens_is_told_of(connect: Connect, kind: str) -> None:
    connector, told = connect(), []
    connector.connected = lambda: told.append(kind)

    for _ in range(2):
        (await getattr(connector, kind)()).close()

    assert told == [kind] * 2


@pytest.mark.parametrize("pooler", ["false", "true"])
@pytest.mark.parametrize("mode", ["rw", "ro"])
async def test_a_session_of_who_looks_on_cannot_write(
    connect: Connect, pooler: str, mode: str
) -> None:
    session = await connect(pooler=pooler, mode=mode).connect_reader()

    (((found,),),) = await session.run(
        [Step(Statement("show_read_only", "SHOW transaction_read_only", ()))], SOON
    )

    assert found == {"rw": "off", "ro": "on"}[mode]
    session.close()


@pytest.mark.parametrize("pooler", ["false", "true"])
async def test_a_session_that_only_looked_at_the_server_can_go_on_as_a_writer(
    connect: Connect, postgres_server: str, postgres_schema: str, pooler: str
) -> None:
    wire = await dial(parse(postgres_server), SOON)
    looked = Session(wire, place="here", prepares=pooler == "false")

    writer = await connect(pooler=pooler).make_writer(looked)

    ((path,),), ((durable,),), ((plans,),), *_ = await writer.run(SHOW, SOON)
    assert (path, durable, plans) == (f"{postgres_schema}, pg_temp", "on", "force_generic_plan")
    writer.close()


@pytest.mark.parametrize("pooler", ["false", "true"])
async def test_the_spare_session_becomes_the_first_that_is_asked_for(
    connect: Connect, pooler: str
) -> None:
    connector = connect(pooler=pooler)
    connector.spare = spare = await connector.connect_writer()

    reader, another = await connector.connect_reader(), await connector.connect_reader()

    assert (reader is spare, another is spare) == (True, False)
    _, ((durable,),), ((plans,),), *_ = await reader.run(SHOW, SOON)
    assert (durable, plans) == ("off", "force_custom_plan")
    for each in (reader, another):
        each.close()


async def test_a_spare_session_that_was_lost_is_not_used(connect: Connect) -> None:
    connector = connect()
    connector.spare = await connector.connect_writer()
    connector.spare.close()

    session = await connector.connect_reader()

    assert not session.closed
    session.close()


async def test_one_that_cannot_be_a_writer_is_closed(postgres_server: str) -> None:
    looked = Session(await dial(parse(postgres_server), SOON), place="here", prepares=True)
    connector = Connector(parse(postgres_server), "no_such_schema", SOON, DatabaseClock())

    with pytest.raises(StoreUnavailableError, match="not in schema"):
        await connector.make_writer(looked)

    assert looked.closed


async def test_behind_a_pooler_nothing_is_left_for_the_next_one_who_gets_the_session(
    connect: Connect,
) -> None:
    session = await connect(pooler="true").connect_writer()
    names = [f"SELECT current_setting('{name}') = reset_val" for name in SETTINGS]
    asked = [
        Step(Statement("asked", f"{text} FROM pg_settings WHERE name = '{name}'", ()))
        for name, text in zip(SETTINGS, names, strict=True)
    ]
    session._prelude.clear()  # as transactions of other programs come without it

    assert await session.run(asked, SOON) == [[(True,)]] * len(SETTINGS)
    session.close()


async def test_a_new_session_tells_the_database_s_clock(connect: Connect) -> None:
    clock = DatabaseClock(lambda: 5.0)

    session = await connect(clock).connect_writer()

    (((now,),),) = await session.run([Step(Statement("now", _NOW, ()))], SOON)
    assert now - 60_000_000 < clock.now() <= now
    session.close()


_NOW = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"


# -- who is not used -----------------------------------------------------------------------------


async def test_one_that_is_not_in_its_schema(postgres_server: str) -> None:
    connector = Connector(parse(postgres_server), "no_such_schema", SOON, DatabaseClock())

    with pytest.raises(StoreUnavailableError, match="not in schema 'no_such_schema'"):
        await connector.connect_writer()


@pytest.mark.parametrize("pooler", ["false", "true"])
async def test_one_whose_transactions_see_too_little(connect: Connect, pooler: str) -> None:
    """An administrator may have changed the default since the store was opened."""
    connector = connect(pooler=pooler, options="-cdefault_transaction_isolation=serializable")

    with pytest.raises(StoreUnavailableError, match="isolation is 'serializable'"):
        await connector.connect_writer()


async def test_one_that_is_not_used_is_closed(
    postgres_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[bool] = []
    close = Session.close

    def noted(self: Session) -> None:
        close(self)
        closed.append(self.closed)

    monkeypatch.setattr(Session, "close", noted)
    connector = Connector(parse(postgres_server), "no_such_schema", SOON, DatabaseClock())

    with pytest.raises(StoreUnavailableError):
        await connector.connect_reader()

    assert closed == [True]


async def test_nothing_is_set_where_another_process_answers(
    connect: Connect, postgres_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a pooler, a setting would stay in the session for the next client."""
    session = Session(await dial(parse(postgres_server), SOON), place="here")
    before = await session.run(SHOW, SOON)
    monkeypatch.setattr(session, "backend_pid", session.backend_pid + 1)
    monkeypatch.setattr(session, "close", lambda: None)

    with pytest.raises(StoreUnavailableError, match=r"a pooler .* add pooler=true to the URL"):
        await connect().make_writer(session)

    assert await session.run(SHOW, SOON) == before
    monkeypatch.undo()
    session.close()


async def test_a_session_is_set_up_in_one_round_trip(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    run = Session.run

    async def noted(self: Session, steps: list[Step], deadline: float) -> list[list[Row]]:
        asked.append([step.statement.name for step in steps])
        return await run(self, steps, deadline)

    monkeypatch.setattr(Session, "run", noted)

    (await connect().connect_writer()).close()

    assert asked == [["enter_session", "where_am_i"]]
