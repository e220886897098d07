"""Few connections: one of each kind is enough, and a server that has none left is waited for."""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
from collections.abc import Iterator
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql

import cloaca
from cloaca_core.store.protocol import StoreOptions
from cloaca_postgres import BACKEND
from cloaca_testing.conformance.rows import runner as row
from dev.databases.urls import for_libpq, with_query

pytestmark = pytest.mark.backend("postgres", reason="a file has no connections to run out of")

WAIT = 60
FULL = "too many connections"


class Role:
    """Who logs in with the URL, and may have only so many connections."""

    def __init__(self, admin_url: str, name: str, url: str) -> None:
        self._admin_url = admin_url
        self._name = name
        self.url = url

    def may_have(self, number: int) -> None:
        """Limit its connections from now on; it keeps those that are above the limit."""
        self._run("ALTER ROLE {} CONNECTION LIMIT {}", sql.Identifier(self._name), number)

    def lose_all(self) -> None:
        """End the connections that it has."""
        ended = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = {}"
        self._run(ended, self._name)

    def _run(self, text: LiteralString, *parts: object) -> None:
        with psycopg.connect(for_libpq(self._admin_url), autocommit=True) as connection:
            connection.execute(sql.SQL(text).format(*parts))


@pytest.fixture
def role(postgres_database: str) -> Iterator[Role]:
    admin = cloaca.DatabaseAdmin(postgres_database)
    name = f"crowded_{secrets.token_hex(6)}"
    made = admin.create_tenant(cloaca.TenantConfig(name, name))
    yield Role(postgres_database, name, made.connection_string)
    admin.remove_tenant(name, name)


class Ears(logging.Handler):
    """Hears that a connection was refused because there are too many."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if FULL in record.getMessage():
            self.heard.set()


@pytest.fixture
def ears(caplog: pytest.LogCaptureFixture) -> Iterator[Ears]:
    listening = Ears()
    logger = logging.getLogger("cloaca")
    with caplog.at_level(logging.INFO, logger="cloaca"):
        logger.addHandler(listening)
        yield listening
        logger.removeHandler(listening)


@pytest.mark.parametrize("pooler", ["false", "true"])
def test_a_pool_of_one_is_enough_for_runs_that_wait_for_runs_and_look_at_lists(
    database_url: str, pooler: str
) -> None:
    with cloaca.WorkflowBuilder("child"):
        cloaca.task(id="only")(lambda context: {"square": context["n"] ** 2})
    with cloaca.WorkflowBuilder("parent"):

        @cloaca.task
        def asks(context: cloaca.Context) -> None:
            children = [runner.submit("child", {"n": n}) for n in range(3)]
            context["sum"] = sum(each.result().final_context["square"] for each in children)
            context["listed"] = len(runner.list_runs(workflow_name="child"))

    config = cloaca.DefaultRunnerConfig(db_pool_size=1)
    url = with_query(database_url, pooler=pooler)
    with cloaca.DefaultRunner(url, config=config) as runner:
        results = [each.result(WAIT) for each in runner.submit_many("parent", [{}] * 4)]

    assert [result.final_context["sum"] for result in results] == [5] * 4
    assert all(3 <= result.final_context["listed"] <= 12 for result in results)


@pytest.mark.parametrize("left", [0, 1])
def test_opening_says_at_once_that_there_are_too_few_connections(role: Role, left: int) -> None:
    role.may_have(left)

    with pytest.raises(cloaca.StoreOpenError, match=FULL):
        cloaca.DefaultRunner(role.url)


def test_a_beat_that_finds_no_room_for_its_own_connection_takes_another(role: Role) -> None:
    role.may_have(2)

    async def beats() -> list[bool]:
        store = await BACKEND.open(role.url, StoreOptions())
        try:
            await store.runners()  # on the first connection
            await store.register(row("r1"))  # on the second
            return [await store.beat("r1", 1) for _ in range(2)]
        finally:
            await store.close()

    assert asyncio.run(beats()) == [True, True]


def test_a_runner_waits_for_connections_and_goes_on(role: Role, ears: Ears) -> None:
    inside, go_on = threading.Event(), threading.Event()
    with cloaca.WorkflowBuilder("crowded"):

        @cloaca.task
        def first(context: cloaca.Context) -> None:
            inside.set()
            assert go_on.wait(WAIT)

        @cloaca.task(dependencies=[first])
        def second(context: cloaca.Context) -> None:
            context["second"] = True

    with cloaca.DefaultRunner(role.url) as runner:
        handle = runner.submit("crowded")
        assert inside.wait(WAIT)
        role.may_have(0)
        role.lose_all()
        go_on.set()
        assert ears.heard.wait(WAIT)
        role.may_have(-1)

        result = handle.result(WAIT)

    assert (result.status, result.final_context.to_dict()) == ("Completed", {"second": True})
