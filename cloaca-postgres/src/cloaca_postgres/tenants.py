"""Tenants: a schema each, with a role that can reach it and nothing else.

All of it is one transaction, under a lock. What was made here says so in its comment, and nothing
else is ever changed: a schema or a role that happens to have a tenant's name is somebody's.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import psycopg
from psycopg import sql

from cloaca_core.errors import StoreUnavailableError, TenantError
from cloaca_core.package_files import package_files
from cloaca_core.store.dialect import Step
from cloaca_core.store.migrate import Applied, load_migrations, pending
from cloaca_core.store.queries import Row, parse
from cloaca_core.tenants import TenantConfig, TenantCredentials
from cloaca_postgres.errors import one_line, translated
from cloaca_postgres.migrator import noted
from cloaca_postgres.statements import STATEMENTS, step
from cloaca_postgres.url import Target, url_of

PASSWORD_LENGTH: Final = 32
CONNECT_TIMEOUT_S: Final = 5
_ALPHABET: Final = string.ascii_letters + string.digits
_IDENTITY: Final = (
    *("user", "password", "passfile", "require_auth"),
    *("sslcert", "sslkey", "sslpassword", "sslcertmode", "options"),
)
"""Parameters by which the administrator gets in, and a tenant must not."""

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
    with _transaction(target, config.schema_name, config.username) as admin:
        admin.make_schema()
        admin.make_role(password)
        admin.migrate()
        admin.grant()
        database = admin.database
    return TenantCredentials(
        config.username,
        password,
        config.schema_name,
        _connection_string(target, config, password, database),
    )


def remove_tenant(target: Target, schema_name: str, username: str) -> None:
    """See ``TenantBackend.remove_tenant``."""
    with _transaction(target, schema_name, username) as admin:
        admin.remove_schema()
        admin.remove_role()


@contextmanager
def _transaction(target: Target, schema: str, role: str) -> Iterator[_Admin]:
    """Everything within happens or nothing does; what the server says is translated."""
    text = target.conninfo(
        connect_timeout=CONNECT_TIMEOUT_S, fallback_application_name="cloaca admin"
    )
    try:
        connection = psycopg.connect(text, client_encoding="UTF8", prepare_threshold=None)
    except psycopg.Error as error:
        raise StoreUnavailableError(f"{target.place}: {one_line(error)}") from error
    try:
        with connection:
            yield _Admin(connection, schema, role)
    except psycopg.Error as error:
        raise translated(error, target.place) from error


class _Admin:
    """One transaction about one tenant."""

    def __init__(self, connection: psycopg.Connection, schema: str, role: str) -> None:
        self._connection = connection
        self._schema = schema
        self._role = role
        self.database: str = connection.info.dbname
        self._marks: Mapping[str, str] = {
            "schema": f"cloaca tenant of role {role}",
            "role": f"cloaca tenant {schema} in database {self.database}",
        }
        self._run("limit")
        self._run("lock")

    # -- make --------------------------------------------------------------------------------

    def make_schema(self) -> None:
        """The schema, if it is not there."""
        if not self._is_ours("schema"):
            self._run("create_schema")
            self._run("mark_schema", mark=sql.Literal(self._marks["schema"]))

    def make_role(self, password: str) -> None:
        """The role, if it is not there, and its password."""
        hashed = sql.Literal(self._hashed(password))
        if self._is_ours("role"):
            self._run("set_password", password=hashed)
        else:
            self._run("create_role", password=hashed)
            self._run("mark_role", mark=sql.Literal(self._marks["role"]))

    def migrate(self) -> None:
        """Bring the schema up to date, as opening a runner on it would."""
        self._run("enter")
        self._ask(step(STATEMENTS.lock_migrations, schema=self._schema))
        for migration in pending(self._applied(), load_migrations(__package__)):
            self._connection.execute(migration.sql.encode())
            self._ask(noted(migration))

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
        """What the role may do."""
        if not self._answer("can_connect", role=sql.Literal(self._role)):
            self._run("let_connect")
        for name in (
            *("keep_others_out", "open_schema", "open_tables", "open_sequences"),
            *("open_later_tables", "open_later_sequences"),
        ):
            self._run(name)

    def _hashed(self, password: str) -> str:
        """As the server keeps it; it never sees the password itself."""
        pg = self._connection.pgconn
        return pg.encrypt_password(
            password.encode(), self._role.encode(), b"scram-sha-256"
        ).decode()

    # -- remove ------------------------------------------------------------------------------

    def remove_schema(self) -> None:
        """The schema, if it is there."""
        if self._is_ours("schema"):
            self._run("drop_schema")

    def remove_role(self) -> None:
        """The role, if it is there."""
        if self._is_ours("role"):
            self._run("take_connect")
            self._run("drop_role")

    # -- whose it is -------------------------------------------------------------------------

    def _is_ours(self, kind: str) -> bool:
        """Whether the schema or role is there and this tenant's; ``TenantError`` if another's."""
        name = self._schema if kind == "schema" else self._role
        rows = self._rows(f"{kind}_mark", **{kind: sql.Literal(name)})
        if rows and rows[0][0] != self._marks[kind]:
            raise TenantError(
                f"the {kind} {name!r} exists and does not belong to this tenant",
                tenant=self._schema,
            )
        return bool(rows)

    # -- statements --------------------------------------------------------------------------

    def _answer(self, name: str, **parts: sql.Composable) -> object:
        return self._rows(name, **parts)[0][0]

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
