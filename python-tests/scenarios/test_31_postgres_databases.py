"""31: a PostgreSQL that cannot be used is refused by name at once; one that can keeps its own."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from own_database import OwnDatabases
from tables import each_row

import cloaca
from dev.databases import maintenance, urls

pytestmark = pytest.mark.backend("postgres", reason="all of it is about a server")

WAIT = 60


def refused(url: str, message: str, **settings: Any) -> cloaca.CloacaError:
    config = cloaca.DefaultRunnerConfig(**settings)
    with pytest.raises(cloaca.StoreError, match=message) as caught:
        cloaca.DefaultRunner(url, config=config)
    return caught.value


def define() -> None:
    with cloaca.WorkflowBuilder("quick"):
        cloaca.task(id="only")(lambda context: {"ran": True})


def with_password(url: str, password: str) -> str:
    parts = urlsplit(url)
    place = f"{parts.username}:{password}@{parts.hostname}:{parts.port}"
    return parts._replace(netloc=place).geturl()


@pytest.fixture
def empty_database(postgres_database: str) -> Iterator[str]:
    """The URL of a whole database, for what a schema of its own does not show."""
    with maintenance.temporary(postgres_database, maintenance.name_for_tests()) as url:
        yield url


# -- refused -------------------------------------------------------------------------------------


@each_row(
    ("url", "message"),
    [
        ("postgresql://me:s3cret@host:port/work", "port"),
        ("postgresql://me:s3cret@host:99999/work", "port"),
        # An unknown parameter is answered with the nearest one that cloaca or libpq knows.
        ("postgresql://me:s3cret@host/work?sslmod=require", "sslmode"),
        ("postgresql://me:s3cret@host/work?schemas=tenant", "'schema'"),
        # A password with an @ in it, not encoded, must not end up in a host's name.
        ("postgresql://me:s3cret@s3cret@host/work", "%40"),
        ("postgresql://me:s3cret@host/work?schema=a-b", "alphanumeric"),
    ],
)
def test_a_url_that_makes_no_sense(url: str, message: str) -> None:
    error = refused(url, message)
    assert isinstance(error, cloaca.StoreOpenError)
    assert "s3cret" not in str(error)


def test_a_port_where_nobody_listens() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # taken, so that no other program begins to listen on it
        port = closed.getsockname()[1]
        error = refused(f"postgresql://me:s3cret@127.0.0.1:{port}/work", "127.0.0.1")
    assert isinstance(error, cloaca.StoreOpenError)
    assert "s3cret" not in str(error)


def test_a_host_that_nobody_knows() -> None:
    error = refused("postgresql://me:s3cret@nowhere.invalid/work", r"nowhere\.invalid")
    assert isinstance(error, cloaca.StoreOpenError)


def test_a_host_that_accepts_and_stays_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        url = f"postgresql://me:s3cret@127.0.0.1:{port}/work"
        error = refused(url, "127.0.0.1", connect_timeout_seconds=1)
    assert isinstance(error, cloaca.StoreOpenError)


def test_a_database_that_is_not_there(postgres_database: str) -> None:
    error = refused(urls.with_database(postgres_database, "no_such_one"), "no_such_one")
    assert isinstance(error, cloaca.StoreOpenError)


def test_a_wrong_password(postgres_database: str) -> None:
    url = with_password(postgres_database, "wr0ng")
    if not maintenance.why_no_answer(url):
        pytest.skip("this server asks for no password")
    error = refused(url, "password")
    assert isinstance(error, cloaca.StoreOpenError)
    assert "wr0ng" not in str(error)


async def test_a_bad_database_raises_on_entering(postgres_database: str) -> None:
    url = urls.with_database(postgres_database, "no_such_one")
    with pytest.raises(cloaca.StoreOpenError, match="no_such_one"):
        async with cloaca.AsyncRunner(url):
            pass


def test_a_newer_schema(own_databases: OwnDatabases, database_url: str) -> None:
    cloaca.DefaultRunner(database_url).shutdown()
    ((newer,),) = own_databases.query(
        database_url,
        "INSERT INTO cloaca_migration (number, name, checksum, applied_at) "
        "SELECT number + 1000, name, checksum, applied_at FROM cloaca_migration "
        "ORDER BY number DESC LIMIT 1 RETURNING number",
    )
    error = refused(database_url, "newer")
    assert isinstance(error, cloaca.NewerSchemaError)
    assert (error.found, error.known) == (newer, newer - 1000)


# -- schemas -------------------------------------------------------------------------------------


@each_row(
    ("schema", "message"),
    [
        ("", "Schema name cannot be empty"),
        ("a-b", "Schema name must contain only alphanumeric characters and underscores"),
        ('a"; DROP SCHEMA public', "Schema name must contain only alphanumeric characters"),
        ("1st", "Schema name must not start with a digit"),
        ("x" * 64, "63"),
        ("pg_catalog", "pg_catalog"),
        ("information_schema", "information_schema"),
    ],
)
def test_a_name_that_no_schema_may_have(postgres_database: str, schema: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cloaca.DefaultRunner.with_schema(postgres_database, schema)
    with pytest.raises(ValueError, match=message):
        cloaca.DefaultRunner(postgres_database, schema=schema)


def test_runs_in_one_schema_are_not_seen_from_another(empty_database: str) -> None:
    define()
    with (
        cloaca.DefaultRunner.with_schema(empty_database, "one") as first,
        cloaca.DefaultRunner.with_schema(empty_database, "two") as second,
        cloaca.DefaultRunner(empty_database) as plain,
    ):
        assert first.execute("quick").status == "Completed"
        assert len(first.list_runs()) == 1
        assert second.list_runs() == []
        assert plain.list_runs() == []


def test_a_schema_in_the_url_is_the_one_of_with_schema(empty_database: str) -> None:
    define()
    with cloaca.DefaultRunner.with_schema(empty_database, "tenant") as runner:
        done = runner.execute("quick")
    with cloaca.DefaultRunner(urls.with_query(empty_database, schema="tenant")) as runner:
        assert [run.id for run in runner.list_runs()] == [done.execution_id]


# -- places --------------------------------------------------------------------------------------


def test_the_name_of_the_database_is_honoured(empty_database: str, postgres_database: str) -> None:
    define()
    with cloaca.DefaultRunner(empty_database) as runner:
        runner.execute("quick")
    assert maintenance.query(
        empty_database, "SELECT count(*) FROM pg_tables WHERE tablename = 'cloaca_run'"
    ) == [(1,)]
    with cloaca.DefaultRunner.with_schema(postgres_database, "elsewhere") as runner:
        assert runner.list_runs() == []


def test_both_schemes_name_one_database(database_url: str) -> None:
    define()
    other = database_url.replace("postgresql://", "postgres://", 1)
    with cloaca.DefaultRunner(database_url) as runner:
        done = runner.execute("quick")
    with cloaca.DefaultRunner(other) as runner:
        assert [run.id for run in runner.list_runs()] == [done.execution_id]


def test_tables_of_cloaca_0x_in_the_same_database_are_left_alone(
    own_databases: OwnDatabases, empty_database: str
) -> None:
    """Released programs keep their tables in ``public``, under names that ours cannot meet."""
    own_databases.query(empty_database, "CREATE TABLE contexts AS SELECT 'kept' AS value")
    define()
    with cloaca.DefaultRunner(empty_database) as runner:
        assert runner.execute("quick").status == "Completed"
    assert own_databases.query(empty_database, "SELECT value FROM contexts") == [("kept",)]


def test_a_service_of_libpq_names_a_database(
    postgres_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = urlsplit(postgres_database)
    services = tmp_path / "services.conf"
    services.write_text(
        f"[work]\nhost={parts.hostname}\nport={parts.port or 5432}\ndbname={parts.path[1:]}\n"
        f"user={parts.username}\n" + (f"password={parts.password}\n" if parts.password else "")
    )
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    define()
    with cloaca.DefaultRunner.with_schema("postgresql:///?service=work", "by_service") as runner:
        assert runner.execute("quick").status == "Completed"


def test_with_postgres_forced_the_pool_is_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOACA_BACKEND", "postgres")
    assert cloaca.DefaultRunnerConfig().db_pool_size == 10


def test_a_password_is_in_no_repr_and_no_health(database_url: str) -> None:
    secret = urlsplit(database_url).password
    if not secret:
        pytest.skip("this server asks for no password")
    with cloaca.DefaultRunner(database_url) as runner:
        shown = f"{runner!r} {runner.health()}"
    assert "postgres" in shown
    assert secret not in shown


# -- the connection is lost ----------------------------------------------------------------------


def test_a_run_goes_on_when_every_connection_was_cut(
    own_databases: OwnDatabases,
    database_url: str,
    open_runner: Callable[..., cloaca.DefaultRunner],
) -> None:
    inside, go_on = threading.Event(), threading.Event()
    with cloaca.WorkflowBuilder("cut"):

        @cloaca.task
        def first(context: cloaca.Context) -> None:
            inside.set()
            assert go_on.wait(WAIT)

        @cloaca.task(dependencies=[first])
        def second(context: cloaca.Context) -> None:
            context["second"] = True

    runner = open_runner()
    handle = runner.submit("cut")
    assert inside.wait(WAIT)
    own_databases.query(
        database_url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    go_on.set()

    result = handle.result(WAIT)

    assert (result.status, result.final_context.to_dict()) == ("Completed", {"second": True})
    assert runner.execute("cut").status == "Completed"
