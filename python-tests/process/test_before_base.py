"""A database of any migration before the base is brought to it with its live runs, or untouched."""

from __future__ import annotations

import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import catalogs
import pytest
from own_database import OwnDatabases
from scenarios.steering import until

import cloaca
from cloaca_core.store.migrate import BeforeBase, load_before_base, load_migrations
from process.earlier import NO_ROWS, insert, made_by, migrations
from process.older import TAGS

TO_BASE = Path(__file__).with_name("to_base.py")
DUMPS = Path(__file__).parent.parent / "data"
WAIT = 60
LOSES_ITS_CONNECTION = "SELECT pg_terminate_backend(pg_backend_pid());"
INSERT_RUN = (
    "INSERT INTO {schema}cloaca_run (id, workflow, version, status, epoch, created_at,"
    " claimable_at, tags, input) VALUES ('018cc251-7ba6-75a8-acb6-3265a9c1f820',"
    " 'public::embedded::order', 'v', 'Pending', 0, 1, 1, '{{}}', '{{}}')"
)
"""Some of what an earlier version writes into the transaction of a program that submits a run."""


def numbers(backend: str) -> list[Any]:
    """The number of each migration before the base; none where the backend is not installed."""
    if find_spec(f"cloaca_{backend}") is None:
        return []
    mark = pytest.mark.backend(backend, reason="the number of one of its migrations")
    return [
        pytest.param(each.number, marks=mark, id=f"{backend}-{each.number}")
        for each in migrations(backend)
    ]


@pytest.fixture
def bring() -> Callable[[str], None]:
    """Opens a database as any program does, and changes no run."""

    def opens(url: str) -> None:
        with cloaca.Client(url):
            pass

    return opens


def shape(databases: OwnDatabases, url: str, backend: str) -> dict[str, Any]:
    """All that is in a database but its rows."""
    with closing(databases.connect(url)) as raw:
        if backend == "sqlite":
            return catalogs.of_sqlite(raw)
        raw.execute(f"SET search_path TO {schema_of(url)}".encode())
        return dict(catalogs.of_postgres(raw))


def schema_of(url: str) -> str:
    return url.rpartition("schema=")[2]


def rows(databases: OwnDatabases, url: str, columns: dict[str, list[str]]) -> dict[str, Any]:
    """The rows of these columns of tables."""
    return {
        table: sorted(databases.query(url, f"SELECT {', '.join(names)} FROM {table}"), key=repr)
        for table, names in columns.items()
    }


def columns_before(backend: str) -> dict[str, list[str]]:
    """The columns that tables of runs had before the base."""
    base = load_migrations(f"cloaca_{backend}")[0].sql
    new = {"item", "from_item", "taken_item", "queue", "child_kind", "singleton_key"}
    return {
        table: [name for name in names if name not in new]
        for table, names in catalogs.columns_in(base).items()
        if table not in NO_ROWS
    }


# -- every one -----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [*numbers("sqlite"), *numbers("postgres")])
def test_a_database_of_each_is_then_as_a_new_one_and_has_its_runs(
    own_databases: OwnDatabases, backend_name: str, bring: Callable[[str], None], number: int
) -> None:
    dump = (DUMPS / f"schema_1_{backend_name}.sql").read_text("utf-8")
    old, new = own_databases.new_empty(), own_databases.new_empty()
    own_databases.load(old, made_by(backend_name, number, dump))
    count = "SELECT count(*) FROM cloaca_run UNION ALL SELECT count(*) FROM cloaca_attempt"
    noted = "SELECT number, name, checksum FROM cloaca_migration"
    when = "SELECT applied_at FROM cloaca_migration WHERE number = 1"
    before = own_databases.query(old, count), own_databases.query(old, when)

    bring(old)
    bring(new)

    assert shape(own_databases, old, backend_name) == shape(own_databases, new, backend_name)
    assert (own_databases.query(old, count), own_databases.query(old, when)) == before
    assert own_databases.query(old, noted) == own_databases.query(new, noted)
    with cloaca.Client(old) as client:
        assert {info.status for info in client.list_runs()} == {
            *("Completed", "Failed", "Running", "Pending")
        }
        assert client.list_runs(limit=1)[0].tags == TAGS


# -- all that the newest of them can hold --------------------------------------------------------


def define(registry: cloaca.Registry, charged: list[int]) -> None:
    """``charged`` gets a number whenever the step is really executed."""

    def charge() -> int:
        charged.append(len(charged) + 1)
        return charged[-1]

    with cloaca.WorkflowBuilder("order", registry=registry):

        @cloaca.task
        def pay(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, object]:
            handle.progress(1, 2)
            return {"number": handle.step("charge", charge), "by": handle.wait_for("paid")}

        @cloaca.task(dependencies=[pay])
        def ship(context: cloaca.Context) -> dict[str, object]:
            return {"shipped": context["by"]}

    with cloaca.WorkflowBuilder("picky", registry=registry):

        @cloaca.task(retry_attempts=1)
        def pick(context: cloaca.Context) -> dict[str, object]:
            if not charged:
                raise ValueError("nothing was charged")
            return {"picked": True}


def is_waiting(run: cloaca.RunHandle) -> bool:
    return run.status() == "Waiting"


def worked_in(url: str) -> list[str]:
    """Work in a database of today; the runs that wait, of which one was sent what it waits for."""
    registry, charged = cloaca.Registry(), list[int]()
    define(registry, charged)
    config = cloaca.DefaultRunnerConfig(evict_after_seconds=0)
    with cloaca.DefaultRunner(url, registry=registry, config=config) as runner:
        failed = runner.submit("picky")
        failed.result(WAIT)
        waiting = [runner.submit("order", idempotency_key=f"o{n}") for n in range(3)]
        for run in waiting:
            until(partial(is_waiting, run))
        failed.retry().result(WAIT)
        failed.fork("pick").result(WAIT)
    with cloaca.Client(url) as client:
        client.get_run(waiting[1].id).send("paid", "bob")
    return [run.id for run in waiting]


def taken_back(databases: OwnDatabases, url: str, backend: str, gone: str) -> str:
    """A database of the last migration before the base, with these rows. A runner that is alive by
    its lease owns the run ``gone``, whose process has died.
    """
    columns = columns_before(backend)
    copied = [
        insert(table, columns[table], found)
        for table, found in rows(databases, url, columns).items()
    ]
    runner = insert(
        "cloaca_runner",
        [
            *("id", "boot_id", "pid_namespace", "pid", "process_start", "beat", "lease_until"),
            *("fenced", "started_at", "protocol"),
        ],
        [("gone", "boot", "ns", 4242, 1, 5, 2**62, 0, 1, 2)],
    )
    owned = (
        "UPDATE cloaca_run SET owner = 'gone', epoch = epoch + 1, status = 'Running', due_at = NULL"
        f" WHERE id = '{gone}';"
    )
    old = databases.new_empty()
    script = made_by(backend, len(migrations(backend)), applied_at=77)
    databases.load(old, "\n".join([script, *copied, runner, owned]))
    return old


def test_live_runs_go_on_with_all_that_they_had(
    own_databases: OwnDatabases, backend_name: str, bring: Callable[[str], None]
) -> None:
    today = own_databases.new_empty()
    waiting = worked_in(today)
    old = taken_back(own_databases, today, backend_name, waiting[0])
    columns = columns_before(backend_name)
    before = rows(own_databases, old, columns)
    filled = {table for table, found in before.items() if found}
    assert filled >= {f"cloaca_{name}" for name in ("memo", "wait", "message", "restart", "fork")}

    bring(old)

    assert rows(own_databases, old, columns) == before
    fenced = own_databases.query(old, "SELECT id, fenced, protocol FROM cloaca_runner")
    assert fenced == [("gone", 1, 4)]
    registry, charged = cloaca.Registry(), list[int]()
    define(registry, charged)
    with cloaca.DefaultRunner(old, registry=registry) as runner:
        assert runner.submit("order", idempotency_key="o2").id == waiting[2]
        for run_id in (waiting[0], waiting[2]):
            runner.get_run(run_id).send("paid", "ann")
        results = [runner.get_run(run_id).result(WAIT) for run_id in waiting]

    found = [(each.status, each.final_context["shipped"]) for each in results]
    assert found == [("Completed", "ann"), ("Completed", "bob"), ("Completed", "ann")]
    assert charged == []  # the steps were executed before
    taken = "SELECT taken_by, taken_item FROM cloaca_message"
    assert own_databases.query(old, taken) == [("pay", -1)] * 3


# -- on the way ----------------------------------------------------------------------------------


@pytest.mark.backend("sqlite", reason="PostgreSQL gets all statements at once: see the next one")
def test_a_process_killed_before_any_statement_leaves_nothing(
    own_databases: OwnDatabases, empty_database_url: str
) -> None:
    from cloaca_sqlite.migrator import split_statements

    url, before = empty_database_url, load_before_base("cloaca_sqlite")
    own_databases.load(url, made_by("sqlite", len(before.migrations)))

    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(TO_BASE), url], capture_output=True, text=True
    )

    deaths = len(list(split_statements(before.to_base)))
    deaths += len(load_migrations("cloaca_sqlite")) > 1  # the base was there, what follows it not
    assert (done.stderr, done.stdout) == ("", f"{deaths} 0\n")
    new = own_databases.new()
    assert shape(own_databases, url, "sqlite") == shape(own_databases, new, "sqlite")


@pytest.mark.backend("postgres", reason="only there can the connection go and the process stay")
def test_a_connection_lost_before_any_statement_leaves_nothing(
    own_databases: OwnDatabases,
    empty_database_url: str,
    bring: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from cloaca_postgres.migrator import split_statements

    url, before = empty_database_url, load_before_base("cloaca_postgres")
    own_databases.load(url, made_by("postgres", len(before.migrations)))
    statements = list(split_statements(before.to_base))
    untouched = shape(own_databases, url, "postgres")

    for place in range(len(statements) + 1):
        broken = [*statements[:place], LOSES_ITS_CONNECTION, *statements[place:]]
        lost = BeforeBase(before.migrations, "\n".join(broken))
        with monkeypatch.context() as patch:
            patch.setattr("cloaca_postgres.opening._EARLIER", lambda lost=lost: lost)
            with pytest.raises(cloaca.StoreOpenError):
                bring(url)
        assert shape(own_databases, url, "postgres") == untouched

    bring(url)
    new = own_databases.new_empty()
    bring(new)
    assert shape(own_databases, url, "postgres") == shape(own_databases, new, "postgres")


def test_of_two_that_open_it_at_once_one_brings_it_and_both_go_on(
    own_databases: OwnDatabases,
    backend_name: str,
    empty_database_url: str,
    bring: Callable[[str], None],
) -> None:
    own_databases.load(empty_database_url, made_by(backend_name, 1))
    errors: list[BaseException] = []

    def opens() -> None:
        try:
            bring(empty_database_url)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=opens) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []


def test_a_run_in_a_transaction_that_was_open_is_executed(
    own_databases: OwnDatabases, backend_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The migration waits for the program that has submitted it."""
    if backend_name == "postgres":
        monkeypatch.setattr("cloaca_postgres.migrator.APART_S", 0.01)
    url = own_databases.new_empty()
    own_databases.load(url, made_by(backend_name, len(migrations(backend_name))))
    registry = cloaca.Registry()
    define(registry, [])
    opened: list[cloaca.DefaultRunner] = []
    with closing(own_databases.connect(url)) as program:
        place = f"{schema_of(url)}." if backend_name == "postgres" else ""
        program.execute(INSERT_RUN.format(schema=place))
        opens = threading.Thread(
            target=lambda: opened.append(cloaca.DefaultRunner(url, registry=registry))
        )
        opens.start()
        program.commit()
        opens.join()

    with opened[0] as runner:
        run = runner.list_runs()[0]
        runner.get_run(run.id).send("paid", "ann")
        assert runner.get_run(run.id).result(WAIT).final_context["shipped"] == "ann"


@pytest.fixture
def tenant(postgres_database: str) -> Iterator[Callable[[], cloaca.TenantCredentials]]:
    """Makes the same tenant at each call, which is removed with its role."""
    admin, name = cloaca.DatabaseAdmin(postgres_database), f"earlier_{secrets.token_hex(6)}"
    config = cloaca.TenantConfig(name, name, "always the same")
    yield lambda: admin.create_tenant(config)
    admin.remove_tenant(name, name)


@pytest.mark.backend("postgres", reason="a tenant on SQLite owns its file and migrates it itself")
def test_a_tenant_is_brought_to_it_by_making_it_again(
    own_databases: OwnDatabases,
    postgres_database: str,
    tenant: Callable[[], cloaca.TenantCredentials],
    bring: Callable[[str], None],
) -> None:
    made = tenant()
    url = made.connection_string
    expected = shape(own_databases, url, "postgres")
    with own_databases.connect(postgres_database) as admin:
        ours = admin.execute(
            "SELECT string_agg(format('DROP TABLE %%I.%%I CASCADE', schemaname, tablename), '; ')"
            " FROM pg_tables WHERE schemaname = %s",
            [made.schema_name],
        ).fetchone()[0]
        admin.execute(f"{ours}; SET LOCAL search_path TO {made.schema_name}".encode())
        admin.execute(made_by("postgres", 5).encode())
    with pytest.raises(cloaca.StoreOpenError, match=r"create_tenant, once more"):
        bring(url)

    tenant()
    bring(url)

    assert shape(own_databases, url, "postgres").keys() == expected.keys()
