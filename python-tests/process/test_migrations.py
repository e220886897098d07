"""A migration is there as a whole, once, or not at all; who does not know it changes nothing."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from own_database import OwnDatabases

import cloaca
from cloaca_core.store.migrate import Migration, load_migrations
from process import migrating
from process.migrating import STATEMENTS, one_more

PLACES = range(len(STATEMENTS) + 1)
"""Before each statement, and after the last."""
AT_REST = (
    "SELECT (SELECT count(*) FROM cloaca_wait),"
    " (SELECT count(*) FROM cloaca_attempt WHERE item >= 0 AND status = 'Completed')"
)
"""Of the run that is under way, an item and a node wait, and an item is done."""
BROKEN = "SELECT 1 FROM nowhere;"
LOSES_ITS_CONNECTION = "SELECT pg_terminate_backend(pg_backend_pid());"
SHAPES = {
    "sqlite": "SELECT name, sql FROM sqlite_master ORDER BY name",
    "postgres": (
        "SELECT relname, attname, attnum, atttypid FROM pg_class LEFT JOIN pg_attribute"
        " ON attrelid = pg_class.oid"
        " WHERE relnamespace = CAST(current_schema() AS regnamespace) ORDER BY 1, 2"
    ),
}


class Database:
    """One that today's code has made and worked in, as seen from outside. A run is under way in it:
    an item of its map waits, and so does a child, in a queue that nobody has served.
    """

    def __init__(self, databases: OwnDatabases, url: str, backend: str) -> None:
        self._databases = databases
        self._backend = backend
        self.url = url
        self.work()
        with self._open(queues=["default"]) as runner:
            self.live = runner.submit("live").id
            while self.query(AT_REST) != [(2, 1)]:
                continue

    def work(self) -> None:
        """Open it with the code that is in force, and let it execute a run."""
        with self._open() as runner:
            assert runner.execute("quick").status == "Completed"

    def end(self) -> None:
        """Let the run go on that is under way."""
        with self._open() as runner:
            runner.send(self.live, "go", 1)
            result = runner.get_run(self.live).result(60)
        assert result.final_context.to_dict() == {"each": [0, 1], "child": {"far": True}}

    def _open(self, **options: Any) -> cloaca.DefaultRunner:
        registry = cloaca.Registry()
        with cloaca.WorkflowBuilder("quick", registry=registry):
            cloaca.task(id="only")(lambda context: {"ran": True})
        with cloaca.WorkflowBuilder("far", registry=registry):
            cloaca.task(id="far", queue="far")(lambda context: {"far": True})
        with cloaca.WorkflowBuilder("live", registry=registry):
            cloaca.child("child", "far")

            @cloaca.task(id="each", map=[0, 1], dependencies=[])
            def each(context: cloaca.Context, item: int, handle: cloaca.TaskHandle) -> object:
                return handle.wait_for("go") if item else item

        return cloaca.DefaultRunner(self.url, registry=registry, **options)

    def looks(self) -> list[list[tuple[Any, ...]]]:
        """Everything that a migration could change."""
        runs = ("cloaca_run", "cloaca_attempt", "cloaca_map", "cloaca_wait", "cloaca_queue")
        rows = [f"SELECT * FROM {table}" for table in ("cloaca_migration", *runs, "cloaca_runner")]
        return [sorted(self.query(text), key=repr) for text in (SHAPES[self._backend], *rows)]

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        return self._databases.query(self.url, statement)


@pytest.fixture
def database(own_databases: OwnDatabases, empty_database_url: str, backend_name: str) -> Database:
    return Database(own_databases, empty_database_url, backend_name)


class Version:
    """Which migrations the code in this process knows."""

    def __init__(self, backend: str, patch: pytest.MonkeyPatch) -> None:
        self._backend = backend
        self._patch = patch

    def knows(self, statements: Sequence[str]) -> list[Migration]:
        """From now on one more, of these statements."""
        known = one_more(self._backend, statements)
        self._patch.setattr(f"cloaca_{self._backend}.opening.load_migrations", lambda _: known)
        if self._backend == "postgres":
            self._patch.setattr(
                "cloaca_postgres.administration.tenants.load_migrations", lambda _: known
            )
        return known

    def is_today_s(self) -> list[Migration]:
        self._patch.undo()
        return load_migrations(f"cloaca_{self._backend}")


@pytest.fixture
def version(backend_name: str, monkeypatch: pytest.MonkeyPatch) -> Version:
    return Version(backend_name, monkeypatch)


def start(url: str, *places: int) -> subprocess.Popen[str]:
    """A process that is about to migrate, and to die on the way if a place is given."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", migrating.__file__, url, *map(str, places)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def broken_at(place: int, statement: str) -> list[str]:
    return [*STATEMENTS[:place], statement, *STATEMENTS[place:]]


# -- half way ------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", PLACES)
def test_one_that_fails_leaves_nothing_and_the_older_version_works_on(
    database: Database, version: Version, place: int
) -> None:
    before = database.looks()
    version.knows(broken_at(place, BROKEN))

    with pytest.raises(cloaca.StoreError, match="nowhere"):
        database.work()

    assert database.looks() == before
    version.is_today_s()
    database.work()
    version.knows(STATEMENTS)
    database.work()
    database.end()


def test_one_that_cannot_be_noted_leaves_nothing(database: Database, version: Version) -> None:
    before = database.looks()
    version.knows([*STATEMENTS, "DROP TABLE cloaca_migration;"])

    with pytest.raises(cloaca.StoreError, match="cloaca_migration"):
        database.work()

    assert database.looks() == before


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.backend("postgres", reason="only there can the connection go and the process stay")
def test_a_connection_lost_on_the_way_leaves_nothing(
    database: Database, version: Version, place: int
) -> None:
    before = database.looks()
    version.knows(broken_at(place, LOSES_ITS_CONNECTION))

    with pytest.raises(cloaca.StoreOpenError):
        database.work()

    assert database.looks() == before
    version.is_today_s()
    database.work()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.backend("sqlite", reason="PostgreSQL gets all statements at once: see the one above")
def test_a_process_killed_on_the_way_leaves_nothing(
    database: Database, version: Version, place: int
) -> None:
    before = database.looks()
    process = start(database.url, place)

    assert (process.communicate("go\n", 30)[1], process.returncode) == ("", 9)

    assert database.looks() == before
    database.work()
    database.end()


# -- several versions ----------------------------------------------------------------------------


def test_of_two_processes_at_once_one_applies_it(database: Database, version: Version) -> None:
    today = version.is_today_s()
    processes = [start(database.url) for _ in range(2)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()

    assert [process.communicate(timeout=60)[1] for process in processes] == ["", ""]
    assert [process.returncode for process in processes] == [0, 0]
    ((runs,),) = database.query("SELECT count(*) FROM cloaca_run")
    assert database.query("SELECT count(*) FROM cloaca_colour") == [(runs,)]
    numbers = database.query("SELECT number FROM cloaca_migration ORDER BY number")
    assert numbers == [(number,) for number in range(1, len(today) + 2)]


def test_an_older_version_refuses_the_newer_schema_and_changes_nothing(
    database: Database, version: Version
) -> None:
    newer = version.knows(STATEMENTS)
    database.work()
    before = database.looks()
    today = version.is_today_s()

    with pytest.raises(cloaca.NewerSchemaError, match="upgrade cloaca") as caught:
        database.work()

    assert (caught.value.found, caught.value.known) == (len(newer), len(today))
    assert database.looks() == before


def test_one_that_was_changed_after_it_was_applied_is_refused(
    database: Database, version: Version
) -> None:
    version.knows(STATEMENTS)
    database.work()
    before = database.looks()
    version.knows(STATEMENTS[:-1])

    with pytest.raises(cloaca.StoreOpenError, match=r"\(some_day\).*its checksum differs"):
        database.work()

    assert database.looks() == before


# -- tenants -------------------------------------------------------------------------------------


@pytest.fixture
def tenant(postgres_database: str) -> Iterator[Callable[[], cloaca.TenantCredentials]]:
    """Makes the same tenant at each call, which is removed with its role."""
    admin, name = cloaca.DatabaseAdmin(postgres_database), f"older_{secrets.token_hex(6)}"
    config = cloaca.TenantConfig(name, name, "always the same")
    yield lambda: admin.create_tenant(config)
    admin.remove_tenant(name, name)


@pytest.mark.backend("postgres", reason="a tenant on SQLite owns its file and migrates it itself")
def test_a_tenant_is_brought_up_to_date_by_making_it_again_and_not_by_itself(
    own_databases: OwnDatabases,
    tenant: Callable[[], cloaca.TenantCredentials],
    version: Version,
) -> None:
    database = Database(own_databases, tenant().connection_string, "postgres")
    before = database.looks()

    version.knows(broken_at(len(STATEMENTS), BROKEN))
    with pytest.raises(cloaca.TenantError, match="nowhere"):
        tenant()
    version.knows(STATEMENTS)
    with pytest.raises(cloaca.StoreOpenError, match=r"must be owner.*create_tenant, once more"):
        database.work()
    assert database.looks() == before

    tenant()
    database.work()
    assert database.query("SELECT count(*) FROM cloaca_colour") == [(3,)]  # the runs until then
