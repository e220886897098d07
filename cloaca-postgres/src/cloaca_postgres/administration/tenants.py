"""Tenants: a schema each, with a role that can reach only this schema.

The comments of schemas and roles made here mark them as a tenant's, and no others are ever changed:
another schema or role of the same name belongs to someone else.

Two administrators who change the same tenant take turns. They use no advisory lock for that: a
tenant could take it and keep them waiting. Instead each writes the comment of the schema. A comment
on a schema locks it until the transaction ends, and only the schema's owner can take that lock. If
both create the same schema, the second one finds it. A transaction begins again when another one
has changed the same row of a catalog.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from functools import partial
from typing import Final, TypeVar

import psycopg
from psycopg import sql

from cloaca_core.errors import StoreError, StoreUnavailableError, TenantError
from cloaca_core.features.tenants.credentials import TenantConfig, TenantCredentials, TenantInfo
from cloaca_core.store.migrate import (
    Applied,
    Migration,
    before_base,
    load_before_base,
    load_head,
    load_migrations,
    pending,
    replaced_by,
)
from cloaca_core.store.package_files import package_files
from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.queries import Row, parse
from cloaca_core.values.times.clock import SYSTEM_CLOCK
from cloaca_postgres.errors import one_line, translated
from cloaca_postgres.migrator import PACKAGE, TABLE_WAIT_S, noted, noted_base
from cloaca_postgres.statements import STATEMENTS, step
from cloaca_postgres.url import Target, url_of

T = TypeVar("T")

PASSWORD_LENGTH: Final = 32
CONNECT_TIMEOUT_S: Final = 5
_ALPHABET: Final = string.ascii_letters + string.digits
_IDENTITY: Final = (
    *("user", "password", "passfile", "require_auth"),
    *("sslcert", "sslkey", "sslpassword", "sslcertmode", "options"),
)
"""Parameters of the administrator's login, which a tenant must not get."""

_SCHEMA_MARK: Final = "cloaca tenant of role "
"""Begins the comment of a tenant's schema; the name of its role follows."""

_TRIES: Final = 5
"""Tries of a transaction that conflicts with another administrator's."""
_MET_ANOTHER: Final = frozenset(
    (
        *("23505", "42710", "42P06", "42P07"),  # the other one has just made the same
        *("3F000", "42704"),  # the other one has removed what we were about to change
        *("40P01", "XX000"),  # deadlock; it has changed the same row of a catalog
    )
)
_ENDED_WITHIN_MS: Final = 5_000
_KNOWS_HOW_TO_WAIT: Final = 140000

_STATEMENTS: Final = {
    # A file of this wheel is as constant as a literal.
    name: sql.SQL(text.strip())
    for name, text in parse(
        package_files(__package__).joinpath("tenants.sql").read_text("utf-8").split("\n", 1)[1]
    ).items()
}


def create_tenant(target: Target, config: TenantConfig) -> TenantCredentials:
    """See ``TenantBackend.create_tenant``."""
    password = config.password or _random_password()

    def create(admin: _Admin) -> str:
        admin.make_schema()
        admin.make_role(password)
        admin.migrate()
        admin.grant()
        return admin.database

    with closing(_connect(target)) as connection:
        database = _transact(target, connection, config.schema_name, config.username, create)
    return TenantCredentials(
        config.username,
        password,
        config.schema_name,
        _connection_string(target, config, password, database),
    )


def list_tenants(target: Target) -> list[TenantInfo]:
    """See ``TenantBackend.list_tenants``."""
    mark = sql.Literal(_SCHEMA_MARK)
    with closing(_connect(target)) as connection:
        try:
            rows = connection.execute(_STATEMENTS["list_tenants"].format(mark=mark)).fetchall()
        except psycopg.Error as error:
            raise translated(error, target.place) from error
    return [TenantInfo(*row) for row in rows]


def remove_tenant(target: Target, schema_name: str, username: str) -> None:
    """See ``TenantBackend.remove_tenant``.

    A first transaction forbids the role to log in, which takes effect at its commit; the second
    ends its sessions and removes all. If that fails, the role may log in again.
    """

    def remove(admin: _Admin) -> None:
        admin.remove_schema()
        admin.remove_role()

    with closing(_connect(target)) as connection:
        tenant = (target, connection, schema_name, username)
        shut_out = _transact(*tenant, _Admin.shut_out)
        try:
            _transact(*tenant, remove)
        except BaseException:
            if shut_out:
                with suppress(StoreError, TenantError):  # report the first error
                    _transact(*tenant, _Admin.let_in)
            raise


def _connect(target: Target) -> psycopg.Connection:
    text = target.conninfo(
        connect_timeout=CONNECT_TIMEOUT_S, fallback_application_name="cloaca admin"
    )
    try:
        return psycopg.connect(
            text, autocommit=True, client_encoding="UTF8", prepare_threshold=None
        )
    except psycopg.Error as error:
        raise StoreUnavailableError(f"{target.place}: {one_line(error)}") from error


def _transact(
    target: Target,
    connection: psycopg.Connection,
    schema: str,
    role: str,
    work: Callable[[_Admin], T],
) -> T:
    """Do the work in one transaction; translate the server's errors."""
    tries = 0
    while True:
        tries += 1
        try:
            with connection.transaction():
                return work(_Admin(connection, schema, role))
        except psycopg.Error as error:
            if error.sqlstate not in _MET_ANOTHER or tries == _TRIES:
                raise translated(error, target.place) from error


class _Admin:
    """One transaction about one tenant."""

    def __init__(self, connection: psycopg.Connection, schema: str, role: str) -> None:
        self._connection = connection
        self._schema = schema
        self._role = role
        self.database: str = connection.info.dbname
        self._marks: Mapping[str, str] = {
            "schema": f"{_SCHEMA_MARK}{role}",
            "role": f"cloaca tenant {schema} in database {self.database}",
        }
        self._run("limit")

    # -- make --------------------------------------------------------------------------------

    def make_schema(self) -> None:
        """Create the schema if it is missing."""
        if not self._is_ours("schema"):
            self._run("create_schema")
        self._lock_schema()

    def _lock_schema(self) -> None:
        """Write its comment once more, which locks it against other administrators."""
        self._run("mark_schema", mark=sql.Literal(self._marks["schema"]))

    def make_role(self, password: str) -> None:
        """Create the role if it is missing, and set its password."""
        hashed = sql.Literal(self._hashed(password))
        if self._is_ours("role"):
            self._run("set_password", password=hashed)
        else:
            self._run("create_role", password=hashed)
            self._run("mark_role", mark=sql.Literal(self._marks["role"]))

    def migrate(self) -> None:
        """Bring the schema up to date, as opening a runner on it would."""
        self._run("enter")
        if self._applied():
            self._ask(step(STATEMENTS.lock_migrations))
            # A change that waits for a table also makes the tenant's runners wait.
            self._ask(step(STATEMENTS.wait_at_most, lock_timeout=f"{int(TABLE_WAIT_S * 1000)}ms"))
        known = load_migrations(PACKAGE)
        before = before_base(self._applied(), known, partial(load_before_base, PACKAGE))
        if before is not None:
            self._rebase(before.migrations, before.base(known))
        missing = pending(self._applied(), known)
        head = load_head(PACKAGE)
        if replaced := replaced_by(head, missing):
            self._apply(head.sql, replaced)
        for migration in missing[len(replaced) :]:
            self._apply(migration.sql, [migration])
        self._run("limit")

    def _apply(self, script: str, migrations: Sequence[Migration]) -> None:
        self._connection.execute(script.encode())
        for migration in migrations:
            self._ask(noted(migration, SYSTEM_CLOCK))

    def _rebase(self, earlier: Sequence[Migration], base: Migration) -> None:
        for migration in [*pending(self._applied(), earlier), base]:
            self._connection.execute(migration.sql.encode())
        self._ask(noted_base(base))

    def _applied(self) -> list[Applied]:
        if ("cloaca_migration",) not in self._ask(
            step(STATEMENTS.list_tables, schema=self._schema)
        ):
            return []
        return [Applied(*row) for row in self._ask(step(STATEMENTS.list_migrations))]

    def _ask(self, one: Step) -> list[Row]:
        cursor = self._connection.execute(one.statement.sql.encode(), one.params)
        return cursor.fetchall() if cursor.description else []

    def grant(self) -> None:
        """Grant the role its rights."""
        if not self._answer("can_connect", role=self._role_text):
            self._run("let_connect")
        for name in (
            *("keep_others_out", "open_schema", "open_tables", "open_sequences"),
            *("open_later_tables", "open_later_sequences"),
        ):
            self._run(name)

    def _hashed(self, password: str) -> str:
        """Hash the password as the server stores it, which so never sees the password."""
        pg = self._connection.pgconn
        return pg.encrypt_password(
            password.encode(), self._role.encode(), b"scram-sha-256"
        ).decode()

    # -- remove ------------------------------------------------------------------------------

    def shut_out(self) -> bool:
        """Forbid the role to log in; False if that was forbidden already.

        End its sessions first, as they may hold its row.
        """
        self._refuse_foreign_schema()
        if not (self._is_ours("role") and self._answer("can_log_in", role=self._role_text)):
            return False
        joined = self._join_role()
        self._end_sessions()
        self._run("forbid_login")
        if joined:
            self._run("leave_role")
        return True

    def let_in(self) -> None:
        """Allow the role to log in again."""
        if self._is_ours("role"):
            self._run("allow_login")

    def remove_schema(self) -> None:
        """Drop the schema if it exists."""
        if self._is_ours("role"):  # its sessions may hold locks on objects of the schema
            self._join_role()
            self._end_sessions()
        if self._is_ours("schema"):
            self._lock_schema()
            self._run("drop_schema")

    def remove_role(self) -> None:
        """Drop the role if it exists, and its objects in this database outside the schema."""
        if not self._is_ours("role"):
            return
        try:
            self._run("drop_owned")
            self._run("drop_role")
        except (
            psycopg.errors.InsufficientPrivilege,
            psycopg.errors.DependentObjectsStillExist,
        ) as error:
            owns = "owns what this administrator may not drop, or what is in another database"
            raise self._cannot_remove(owns, "drop that", error) from error

    def _join_role(self) -> bool:
        """Become a member of the role, as needed to end its sessions and drop its objects.

        True if that was necessary. If it is not allowed, the next step raises the error.
        """
        if self._answer("has_rights_of", role=self._role_text):
            return False
        with suppress(psycopg.errors.InsufficientPrivilege), self._connection.transaction():
            self._run("join_role")
            return True
        return False

    def _end_sessions(self) -> None:
        waits = self._connection.info.server_version >= _KNOWS_HOW_TO_WAIT
        limit = sql.SQL(", {}").format(_ENDED_WITHIN_MS) if waits else sql.SQL("")
        try:
            with self._connection.transaction():
                self._rows("end_sessions", role=self._role_text, limit=limit)
        except psycopg.errors.InsufficientPrivilege as error:
            has_open = "has open sessions that this administrator may not end"
            raise self._cannot_remove(has_open, "end those", error) from error

    def _cannot_remove(self, reason: str, cure: str, error: psycopg.Error) -> TenantError:
        """Make the error that says why the role cannot be removed."""
        said = error.diag.message_detail or error.diag.message_primary
        return TenantError(
            f"the role {self._role!r} {reason} ({said}): {cure}, or remove the tenant as a"
            " superuser or a member of the role",
            tenant=self._schema,
        )

    # -- ownership ---------------------------------------------------------------------------

    def _refuse_foreign_schema(self) -> None:
        """Raise ``TenantError`` if the schema exists and is not this tenant's."""
        self._is_ours("schema")

    def _is_ours(self, kind: str) -> bool:
        """True when the schema or role exists as this tenant's; ``TenantError`` if as another's."""
        name = self._schema if kind == "schema" else self._role
        rows = self._rows(f"{kind}_mark", **{kind: sql.Literal(name)})
        if rows and rows[0][0] != self._marks[kind]:
            raise TenantError(
                f"the {kind} {name!r} exists and does not belong to this tenant",
                tenant=self._schema,
            )
        return bool(rows)

    # -- statements --------------------------------------------------------------------------

    @property
    def _role_text(self) -> sql.Literal:
        return sql.Literal(self._role)

    def _answer(self, name: str, **parts: sql.Composable) -> object:
        """The answer about a role; None if another administrator has removed that meanwhile."""
        rows = self._rows(name, **parts)
        return rows[0][0] if rows else None

    def _rows(self, name: str, **parts: sql.Composable) -> list[Row]:
        return self._connection.execute(self._composed(name, parts)).fetchall()

    def _run(self, name: str, **parts: sql.Composable) -> None:
        self._connection.execute(self._composed(name, parts))

    def _composed(self, name: str, parts: Mapping[str, sql.Composable]) -> sql.Composed:
        names = {
            "schema": sql.Identifier(self._schema),
            "role": sql.Identifier(self._role),
            "database": sql.Identifier(self.database),
        }
        return _STATEMENTS[name].format(**{**names, **parts})


def _random_password() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(PASSWORD_LENGTH))


def _connection_string(target: Target, config: TenantConfig, password: str, database: str) -> str:
    kept = {name: value for name, value in target.parameters.items() if name not in _IDENTITY}
    mine = {"user": config.username, "password": password, "dbname": database}
    return url_of(Target({**kept, **mine}, schema=config.schema_name, pooler=target.pooler))
