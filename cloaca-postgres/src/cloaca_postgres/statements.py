"""The statements of ``schema.sql``, ready to be bound."""

from __future__ import annotations

from typing import Final, LiteralString, NamedTuple

from psycopg import sql

from cloaca_core.store.package_files import package_files
from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.lists import Arrays
from cloaca_core.store.sql.queries import Statement, Wording, load_statements

WORDING: Final = Wording(
    placeholder="%s",
    # An array is one value to a plan, which looks into the index for each of its items.
    member="= ANY(%s)",
    # Inlined by the server: the column of unnest is "value", as that of SQLite's json_each.
    items="(SELECT value FROM unnest(CAST(%s AS TEXT[])) AS list (value))",
    arrays=Arrays(
        text="CAST({} AS TEXT[])",
        int="CAST({} AS BIGINT[])",
        real="CAST({} AS DOUBLE PRECISION[])",
        rows="unnest({})",
        # No plan can be a scan: an index look-up for each row, also when planned for empty tables.
        look_up="= ANY(ARRAY[{}])",
        among="= ANY(ARRAY({}))",
    ),
)


class _Statements(NamedTuple):
    """The statements of ``schema.sql``."""

    forget_search_path: Statement
    server: Statement
    who_answers: Statement
    enter_session: Statement
    enter_transaction: Statement
    refuse_writes: Statement
    refuse_writes_now: Statement
    where_am_i: Statement
    which_database: Statement
    clock: Statement
    list_tables: Statement
    list_migrations: Statement
    record_migration: Statement
    record_base: Statement
    lock_migrations: Statement
    allow_time: Statement
    begin: Statement
    body_begins: Statement
    body_returned: Statement
    commit: Statement
    rollback: Statement
    free_keys: Statement
    wait_at_most: Statement
    notify: Statement
    runs_written: Statement
    newest_transaction: Statement


STATEMENTS: Final = _Statements(
    **load_statements(
        [package_files(__package__).joinpath("schema.sql").read_text("utf-8")],
        required=_Statements._fields,
        wording=WORDING,
    )
)


def step(statement: Statement, **values: object) -> Step:
    """Make a step of the statement and its values."""
    return Step(statement, statement.bind(**values))


def naming(name: str, text: LiteralString, identifier: str) -> Step:
    """Make a step that has an identifier, which cannot be a parameter, in place of ``{}``."""
    composed = sql.SQL(text).format(sql.Identifier(identifier)).as_string()
    return Step(Statement(name, composed.replace("%", "%%"), ()))
