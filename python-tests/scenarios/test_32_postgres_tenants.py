"""32: tenants on PostgreSQL: a schema and a role each, which can reach nothing of another's."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, LiteralString
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from psycopg import sql
from tables import each_row

import cloaca
from cloaca_postgres.administration import tenants
from dev.databases import maintenance, urls

pytestmark = pytest.mark.backend("postgres", reason="tenants on SQLite are files: scenario 33")

Make = Callable[..., cloaca.TenantCredentials]


@pytest.fixture
def admin_url(postgres_database: str) -> Iterator[str]:
    """A database of this test's own, as tests change the rights of all roles in it."""
    with maintenance.temporary(postgres_database, maintenance.name_for_tests()) as url:
        yield url


@pytest.fixture
def make(admin_url: str) -> Iterator[Make]:
    """Makes tenants whose roles, which belong to the whole server, end with the test."""
    admin = cloaca.DatabaseAdmin(admin_url)
    made: set[tuple[str, str]] = set()

    def make(schema: str, role: str | None = None, password: str = "") -> cloaca.TenantCredentials:
        name = role if role is not None else f"{schema}_{secrets.token_hex(6)}"
        credentials = admin.create_tenant(cloaca.TenantConfig(schema, name, password))
        made.add((schema, name))
        return credentials

    yield make
    for schema, role in made:
        admin.remove_tenant(schema, role)


@pytest.fixture
def registry() -> cloaca.Registry:
    """The workflow that every tenant calls the same."""
    registry = cloaca.Registry()
    with cloaca.WorkflowBuilder("nightly", registry=registry):

        @cloaca.task()
        def only(context: cloaca.Context) -> None:
            context["seen"] = context["owner"]

    return registry


def ask(url: str, statement: LiteralString, *names: str) -> list[tuple[Any, ...]]:
    """Execute a statement as the user of the URL; ``{}`` stands for a name."""
    text = sql.SQL(statement).format(*map(sql.Identifier, names))
    with psycopg.connect(urls.for_libpq(url), autocommit=True) as connection:
        cursor = connection.execute(text)
        return cursor.fetchall() if cursor.description else []


def test_the_tenants_of_a_database_are_listed(admin_url: str, make: Make) -> None:
    admin = cloaca.DatabaseAdmin(admin_url)
    assert admin.list_tenants() == []
    made = [make("zoo"), make("acme")]
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA theirs")
        connection.execute("COMMENT ON SCHEMA theirs IS 'no tenant of ours'")

    assert admin.list_tenants() == [
        cloaca.TenantInfo("acme", made[1].username),
        cloaca.TenantInfo("zoo", made[0].username),
    ]
    admin.remove_tenant("zoo", made[0].username)
    assert [each.schema_name for each in admin.list_tenants()] == ["acme"]


def test_two_tenants_with_the_same_names_never_meet(make: Make, registry: cloaca.Registry) -> None:
    tenants = [make("tenant_a"), make("tenant_b")]
    runners = [cloaca.DefaultRunner(each.connection_string, registry=registry) for each in tenants]
    for owner, runner in zip("ab", runners, strict=True):
        result = runner.execute("nightly", {"owner": owner})
        assert result.final_context["seen"] == owner
        runner.submit("nightly", {"owner": owner}, idempotency_key="same").wait()

    lists = [{info.id for info in runner.list_runs()} for runner in runners]
    assert [len(each) for each in lists] == [2, 2]
    assert not lists[0] & lists[1]
    for runner, others in zip(runners, reversed(lists), strict=True):
        for run_id in others:
            with pytest.raises(cloaca.RunNotFoundError):
                runner.get_run(run_id).status()
        runner.shutdown()


REACHES: list[tuple[LiteralString, tuple[str, ...]]] = [
    ("SELECT * FROM {}.{}", ("theirs", "cloaca_run")),
    ("INSERT INTO {}.{} SELECT 1, 'x', 'x', 1", ("theirs", "cloaca_migration")),
    ("UPDATE {}.{} SET fenced = 1", ("theirs", "cloaca_runner")),
    ("DELETE FROM {}.{}", ("theirs", "cloaca_run")),
    ("CREATE TABLE {}.{} (a INT)", ("theirs", "x")),
    ("DROP TABLE {}.{}", ("theirs", "cloaca_run")),
    ("DROP SCHEMA {} CASCADE", ("theirs",)),
    ("SELECT * FROM {}.{}", ("theirs", "cloaca_run_readable")),
    ("SELECT * FROM {}.{}", ("public", "cloaca_run")),
    ("DROP TABLE {}.{}", ("mine", "cloaca_run")),
    ("ALTER SCHEMA {} OWNER TO CURRENT_USER", ("mine",)),
    ("CREATE SCHEMA {}", ("another",)),
    ("CREATE ROLE {}", ("another",)),
    ("CREATE DATABASE {}", ("another",)),
    ("GRANT USAGE ON SCHEMA {} TO PUBLIC", ("theirs",)),
    ("SELECT pg_read_file('/etc/hostname')", ()),
]


@pytest.fixture
def mine(make: Make, admin_url: str) -> cloaca.TenantCredentials:
    """A tenant beside another one, and beside the administrator's own tables, in public."""
    credentials, _ = make("mine"), make("theirs")
    with cloaca.DefaultRunner(admin_url):
        pass
    return credentials


@each_row(("statement", "names"), REACHES)
def test_a_role_reaches_its_own_schema_and_nothing_else(
    mine: cloaca.TenantCredentials, statement: LiteralString, names: tuple[str, ...]
) -> None:
    assert ask(mine.connection_string, "SELECT count(*) FROM {}.{}", "mine", "cloaca_run") == [(0,)]
    with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedTable)):
        ask(mine.connection_string, statement, *names)


def test_a_tenant_cannot_become_another(make: Make) -> None:
    mine, theirs = make("mine"), make("theirs")

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        ask(mine.connection_string, "SET ROLE {}", theirs.username)
    with pytest.raises(ValueError, match="Failed to create DefaultRunner with schema: "):
        cloaca.DefaultRunner.with_schema(
            urls.without_query(mine.connection_string, "schema"), "theirs"
        )


def test_a_schema_that_may_not_be_made_is_named(make: Make) -> None:
    url = urls.without_query(make("mine").connection_string, "schema")

    with pytest.raises(
        ValueError,
        match=r"Failed to create DefaultRunner with schema: .*Failed to set up schema 'other'",
    ):
        cloaca.DefaultRunner.with_schema(url, "other")


def test_the_same_tenant_again_gets_a_new_password_and_keeps_its_work(
    make: Make, registry: cloaca.Registry
) -> None:
    role = f"again_{secrets.token_hex(6)}"
    first = make("again", role, "old")
    with cloaca.DefaultRunner(first.connection_string, registry=registry) as runner:
        runner.execute("nightly", {"owner": "a"})

    second = make("again", role, "new")

    assert (first.password, second.password) == ("old", "new")
    with pytest.raises(cloaca.StoreOpenError):
        cloaca.DefaultRunner(first.connection_string)
    with cloaca.DefaultRunner(second.connection_string, registry=registry) as runner:
        assert len(runner.list_runs()) == 1


def test_both_ways_to_a_schema_lead_to_the_same_runs(
    make: Make, admin_url: str, registry: cloaca.Registry
) -> None:
    tenant = make("tenant")
    with cloaca.DefaultRunner(tenant.connection_string, registry=registry) as runner:
        run_id = runner.submit("nightly", {"owner": "a"}).id

    for url in (tenant.connection_string, admin_url):
        with cloaca.DefaultRunner.with_schema(url, "tenant") as runner:
            assert [info.id for info in runner.list_runs()] == [run_id]


def test_an_empty_password_is_made_up(make: Make) -> None:
    one, other = make("one"), make("other")

    assert len(one.password) == len(other.password) == 32
    assert one.password != other.password


def test_odd_names_and_passwords_are_quoted(make: Make) -> None:
    role = f"o'bri\"en ; {{x}} %s é {secrets.token_hex(4)}"

    tenant = make("odd", role, "p@ss/w:?rd'\"%#&= é\\")

    with cloaca.DefaultRunner(tenant.connection_string) as runner:
        assert runner.list_runs() == []
    assert ask(tenant.connection_string, "SELECT current_user") == [(role,)]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(role=st.text(min_size=1, max_size=20), password=st.text(max_size=20))
def test_whatever_a_role_is_called_it_is_that_role_or_refused(
    make: Make, role: str, password: str
) -> None:
    number = secrets.token_hex(6)
    try:
        cloaca.TenantConfig(f"fuzz_{number}", f"{role}{number}", password)
    except ValueError:
        return
    tenant = make(f"fuzz_{number}", f"{role}{number}", password)

    assert ask(tenant.connection_string, "SELECT current_user, current_schema()") == [
        (f"{role}{number}", "public")
    ]
    with cloaca.DefaultRunner(tenant.connection_string) as runner:
        assert runner.list_runs() == []


def test_what_belongs_to_somebody_else_is_refused_and_left_alone(
    make: Make, admin_url: str
) -> None:
    role = f"somebody_{secrets.token_hex(6)}"
    ask(admin_url, "CREATE SCHEMA {}", "foreign_schema")
    ask(admin_url, "CREATE ROLE {}", role)
    admin = cloaca.DatabaseAdmin(admin_url)
    try:
        with pytest.raises(cloaca.TenantError, match=r"create tenant: .*'foreign_schema' exists"):
            make("foreign_schema")
        with pytest.raises(cloaca.TenantError, match=rf"create tenant: .*'{role}' exists"):
            make("fresh", role)
        with pytest.raises(cloaca.TenantError, match=r"remove tenant: .*'foreign_schema' exists"):
            admin.remove_tenant("foreign_schema", "nobody_at_all")
        tenant = make("taken")
        with pytest.raises(cloaca.TenantError, match=r"create tenant: .*'taken' exists"):
            make("taken", f"{tenant.username}_2")

        schemas = {name for (name,) in ask(admin_url, "SELECT nspname FROM pg_namespace")}
        assert "foreign_schema" in schemas
        assert "fresh" not in schemas  # all or nothing
    finally:
        ask(admin_url, "DROP ROLE {}", role)


def test_a_removed_tenant_is_gone_and_removing_it_again_is_no_error(
    make: Make, admin_url: str
) -> None:
    admin, tenant = cloaca.DatabaseAdmin(admin_url), make("gone")
    ask(tenant.connection_string, "CREATE TABLE {}.{} (a INT)", "gone", "of_the_tenant")

    for _ in range(2):
        admin.remove_tenant("gone", tenant.username)

    assert ask(admin_url, "SELECT nspname FROM pg_namespace WHERE nspname = 'gone'") == []
    with pytest.raises(cloaca.StoreOpenError):
        cloaca.DefaultRunner(tenant.connection_string)


def test_an_administrator_without_rights_hears_what_is_missing(make: Make) -> None:
    tenant = make("no_admin")

    admin = cloaca.DatabaseAdmin(tenant.connection_string)
    with pytest.raises(RuntimeError, match=r"Failed to create tenant: .*permission denied"):
        admin.create_tenant(cloaca.TenantConfig("x", "x_role"))


def test_a_server_that_is_not_there_is_an_error_without_the_password() -> None:
    admin = cloaca.DatabaseAdmin("postgresql://me:s3cret@127.0.0.1:1/db")

    with pytest.raises(cloaca.TenantError, match="Failed to create tenant: ") as caught:
        admin.create_tenant(cloaca.TenantConfig("x", "x_role", "s3cret"))
    assert "s3cret" not in str(caught.value)


@each_row("schema", ["", "a-b", 'x"; DROP SCHEMA public; --', "1a", "pg_x", "a" * 64])
def test_a_name_that_no_schema_can_have_is_refused_before_anything_is_connected(
    schema: str,
) -> None:
    with pytest.raises(ValueError, match="Schema name"):
        cloaca.DefaultRunner.with_schema("postgresql://me@127.0.0.1:1/db", schema)


# -- in each other's way -------------------------------------------------------------------------


@pytest.fixture
def session(make: Make) -> Iterator[Callable[[str], psycopg.Connection]]:
    """Opens sessions that the test leaves open, as a tenant's program does."""
    opened: list[psycopg.Connection] = []

    def session(url: str) -> psycopg.Connection:
        opened.append(psycopg.connect(urls.for_libpq(url), autocommit=True))
        return opened[-1]

    yield session
    for each in opened:
        each.close()


def is_there(url: str, role: str) -> bool:
    return (role,) in ask(url, "SELECT rolname FROM pg_roles")


def test_no_tenant_keeps_an_administrator_waiting_with_a_lock(
    make: Make, admin_url: str, session: Callable[[str], psycopg.Connection]
) -> None:
    """Any role may take any advisory lock, such as those by which this was once kept in order."""
    hostile = session(make("hostile").connection_string)
    for name in ("cloaca tenants", "cloaca migration of victim"):
        hostile.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [name])

    victim = make("victim")
    with cloaca.DefaultRunner(victim.connection_string) as runner:
        assert runner.list_runs() == []
    cloaca.DatabaseAdmin(admin_url).remove_tenant("victim", victim.username)
    assert not is_there(admin_url, victim.username)


def test_what_a_tenant_has_open_and_owns_goes_with_it(
    make: Make, admin_url: str, session: Callable[[str], psycopg.Connection]
) -> None:
    tenant = make("busy")
    idle, busy = session(tenant.connection_string), session(tenant.connection_string)
    idle.execute("CREATE TEMP TABLE mine (a INT)")
    idle.execute("SELECT lo_create(0)")
    busy.execute("BEGIN")
    busy.execute("SELECT count(*) FROM busy.cloaca_run")
    busy.execute("CREATE TABLE busy.of_the_tenant (a INT)")
    own_role = sql.Identifier(tenant.username)
    busy.execute(sql.SQL("ALTER ROLE {} PASSWORD 'new'").format(own_role))

    cloaca.DatabaseAdmin(admin_url).remove_tenant("busy", tenant.username)

    assert not is_there(admin_url, tenant.username)
    assert ask(admin_url, "SELECT count(*) FROM pg_largeobject_metadata") == [(0,)]
    for each in (idle, busy):
        with pytest.raises(psycopg.OperationalError):
            each.execute("SELECT 1")


def test_what_a_tenant_owns_in_another_database_is_named_and_it_may_go_on(
    make: Make, admin_url: str, postgres_database: str
) -> None:
    tenant = make("wide")
    elsewhere = urls.with_database(tenant.connection_string, name_of(postgres_database))
    ask(elsewhere, "SELECT lo_create(0)")
    try:
        with pytest.raises(
            cloaca.TenantError, match=r"remove tenant: .* owns what .*drop that"
        ) as no:
            cloaca.DatabaseAdmin(admin_url).remove_tenant("wide", tenant.username)
        assert name_of(postgres_database) in str(no.value)
        with cloaca.DefaultRunner(tenant.connection_string) as runner:
            assert runner.list_runs() == []
    finally:
        ask(postgres_database, "DROP OWNED BY {}", tenant.username)


def test_why_a_tenant_could_not_be_removed_is_told_also_if_its_role_is_another_s_by_now(
    make: Make, admin_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = make("changed")

    def fail(_: object) -> None:
        ask(admin_url, "COMMENT ON ROLE {} IS 'somebody else''s'", tenant.username)
        raise cloaca.StoreError("the first thing that went wrong")

    monkeypatch.setattr(tenants._Admin, "remove_schema", fail)
    with pytest.raises(cloaca.TenantError, match="the first thing"):
        cloaca.DatabaseAdmin(admin_url).remove_tenant("changed", tenant.username)
    ask(admin_url, "DROP OWNED BY {}", tenant.username)
    ask(admin_url, "DROP ROLE {}", tenant.username)


def test_an_administrator_need_not_be_a_superuser(
    admin_url: str, session: Callable[[str], psycopg.Connection]
) -> None:
    name = f"admin_{secrets.token_hex(6)}"
    ask(admin_url, "CREATE ROLE {} LOGIN CREATEROLE PASSWORD 'word'", name)
    ask(admin_url, "GRANT CREATE ON DATABASE {} TO {}", name_of(admin_url), name)
    admin = cloaca.DatabaseAdmin(as_user(admin_url, name, "word"))
    try:
        tenant = admin.create_tenant(cloaca.TenantConfig("plain", f"{name}_tenant"))
        open_still = session(tenant.connection_string)
        open_still.execute("CREATE TEMP TABLE mine (a INT)")
        open_still.execute("SELECT lo_create(0)")

        admin.remove_tenant("plain", tenant.username)

        assert not is_there(admin_url, tenant.username)
    finally:
        ask(admin_url, "DROP OWNED BY {}", name)
        ask(admin_url, "DROP ROLE {}", name)


def test_administrators_at_one_time_are_not_in_each_others_way(make: Make, admin_url: str) -> None:
    """Neither at one tenant nor at several, also where each is given a right on the database."""
    ask(admin_url, "REVOKE CONNECT ON DATABASE {} FROM PUBLIC", name_of(admin_url))
    role = f"both_{secrets.token_hex(6)}"

    with ThreadPoolExecutor(6) as pool:
        same = [pool.submit(make, "both", role, "word") for _ in range(3)]
        others = [pool.submit(make, f"other_{number}") for number in range(3)]
        for each in [*same, *others]:
            with cloaca.DefaultRunner(each.result().connection_string) as runner:
                assert runner.list_runs() == []
        admin = cloaca.DatabaseAdmin(admin_url)
        removed = [pool.submit(admin.remove_tenant, "both", role) for _ in range(3)]
        assert [each.result() for each in removed] == [None] * 3


def name_of(url: str) -> str:
    """The database that a URL names."""
    return urlsplit(url).path.removeprefix("/")


def as_user(url: str, user: str, password: str) -> str:
    """The URL with another user."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user}:{password}@{place}"))
