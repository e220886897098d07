"""Migrations are applied or refused, and none is half done."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from tables import each_row

from cloaca_core.errors import NewerSchemaError, StoreOpenError
from cloaca_core.store.migrate import (
    Applied,
    BeforeBase,
    Head,
    Migration,
    digest_of,
    load_before_base,
    load_head,
    load_migrations,
    migrate,
    parse_head,
    parse_migration,
    pending,
    replaced_by,
    schema_state,
)

ONE = parse_migration("0001_initial.sql", "CREATE TABLE a (x);")
TWO = parse_migration("0002_more.sql", "CREATE TABLE b (x);")
THREE = parse_migration("0003_last.sql", "CREATE TABLE c (x);")
HEAD = Head(2, digest_of([ONE, TWO]), "CREATE TABLE a (x); CREATE TABLE b (x);")


def applied(*migrations: Migration) -> list[Applied]:
    return [Applied(*migration[:3]) for migration in migrations]


class Database:
    """A migrator that only remembers; ``meanwhile`` is applied by another process first."""

    def __init__(self, *has: Migration, meanwhile: tuple[Migration, ...] = ()) -> None:
        self.has = list(has)
        self.meanwhile = list(meanwhile)
        self.looks = 0
        self.scripts: list[str] = []

    async def applied(self) -> list[Applied]:
        self.looks += 1
        return applied(*self.has)

    async def apply(self, migration: Migration) -> None:
        await self.create(migration.sql, [migration])

    async def rebase(self, earlier: Sequence[Migration], base: Migration) -> None:
        missing = pending(applied(*self.has), earlier)
        self.scripts += [each.sql for each in (*missing, base)]
        self.has = [base]

    async def create(self, script: str, replaced: Sequence[Migration]) -> None:
        self.has += self.meanwhile
        self.meanwhile = []
        if replaced[0].number not in [has.number for has in self.has]:
            self.has += replaced
            self.scripts.append(script)


def test_a_file_name_gives_number_and_name() -> None:
    assert (TWO.number, TWO.name, TWO.sql) == (2, "more", "CREATE TABLE b (x);")


@each_row("name", ["1_initial.sql", "0001-initial.sql", "0001_Initial.sql", "x"])
def test_another_file_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not the name of a migration"):
        parse_migration(name, "")


def test_the_checksum_does_not_depend_on_how_lines_end() -> None:
    unix, windows = (parse_migration("0001_a.sql", text) for text in ("a\nb\n", "a\r\nb\r\n"))

    assert unix == windows
    assert unix.checksum != parse_migration("0001_a.sql", "a\nb\nc\n").checksum


@each_row(
    ("has", "expected"),
    [
        ([], [ONE, TWO]),
        ([ONE], [TWO]),
        ([ONE, TWO], []),
    ],
)
def test_what_is_missing_is_pending(has: list[Migration], expected: list[Migration]) -> None:
    assert pending(applied(*has), [ONE, TWO]) == expected


def test_a_newer_schema_is_refused() -> None:
    with pytest.raises(NewerSchemaError, match=r"schema 2 of a newer .* one knows schema 1") as e:
        pending(applied(ONE, TWO), [ONE])

    assert (e.value.found, e.value.known) == (2, 1)


def test_a_migration_that_was_changed_after_its_release_is_refused() -> None:
    changed = ONE._replace(checksum="0" * 64)

    with pytest.raises(StoreOpenError, match=r"migration 1 \(initial\).*checksum differs"):
        pending(applied(changed), [ONE, TWO])


def test_a_new_database_gets_everything_in_order() -> None:
    database = Database()

    asyncio.run(migrate(database, [ONE, TWO]))

    assert database.has == [ONE, TWO]


def test_a_database_that_has_everything_is_looked_at_once() -> None:
    database = Database(ONE, TWO)

    asyncio.run(migrate(database, [ONE, TWO]))

    assert (database.has, database.looks) == ([ONE, TWO], 1)


def test_what_another_process_applied_first_is_left() -> None:
    database = Database(meanwhile=(ONE, TWO))

    asyncio.run(migrate(database, [ONE, TWO]))

    assert database.has == [ONE, TWO]


def test_a_newer_process_that_was_faster_is_noticed() -> None:
    database = Database(meanwhile=(ONE, TWO))

    with pytest.raises(NewerSchemaError):
        asyncio.run(migrate(database, [ONE]))


# -- a new database ------------------------------------------------------------------------------


def test_the_script_says_from_which_migrations_it_was_made() -> None:
    text = f"-- Do not edit.\n-- Made from migrations 1 to 2, digest {HEAD.digest}\nSELECT 1;\n"

    assert parse_head(text) == Head(2, HEAD.digest, text)
    with pytest.raises(ValueError, match=r"head\.sql does not say from which migrations"):
        parse_head("SELECT 1;\n")


@each_row(
    ("missing", "expected"),
    [
        ([ONE, TWO], [ONE, TWO]),
        # A migration was added, and the script was not made again.
        ([ONE, TWO, THREE], [ONE, TWO]),
        # The database is not new.
        ([TWO], []),
        ([], []),
        # An earlier version, whose script would be another one.
        ([ONE], []),
        # A migration was changed, and the script was not made again.
        ([ONE, TWO._replace(checksum="0" * 64)], []),
    ],
)
def test_the_script_replaces_the_migrations_that_it_was_made_from(
    missing: list[Migration], expected: list[Migration]
) -> None:
    assert replaced_by(HEAD, missing) == expected


def test_a_new_database_is_made_by_the_script_and_the_migrations_after_it() -> None:
    database = Database()

    asyncio.run(migrate(database, [ONE, TWO, THREE], HEAD))

    assert database.scripts == [HEAD.sql, THREE.sql]
    assert database.has == [ONE, TWO, THREE]


def test_one_that_has_a_migration_goes_by_the_numbered_ones() -> None:
    database = Database(ONE)

    asyncio.run(migrate(database, [ONE, TWO], HEAD))

    assert database.scripts == [TWO.sql]


def test_what_an_older_process_has_made_meanwhile_is_brought_up_to_date() -> None:
    database = Database(meanwhile=(ONE,))

    asyncio.run(migrate(database, [ONE, TWO], HEAD))

    assert (database.has, database.scripts) == ([ONE, TWO], [TWO.sql])


def test_what_a_newer_process_has_made_meanwhile_is_refused() -> None:
    database = Database(meanwhile=(ONE, TWO, THREE))

    with pytest.raises(NewerSchemaError):
        asyncio.run(migrate(database, [ONE, TWO], HEAD))

    assert database.scripts == []


# -- before the base -----------------------------------------------------------------------------

OLD = [
    parse_migration("0001_old.sql", "CREATE TABLE old (x);"),
    parse_migration("0002_older.sql", "CREATE TABLE b (x);"),
]
BEFORE = BeforeBase(OLD, "ALTER TABLE old RENAME TO a;")
BASE = ONE._replace(sql=BEFORE.to_base)


def test_a_database_from_before_the_base_is_brought_there_and_on() -> None:
    database = Database(OLD[0])

    asyncio.run(migrate(database, [ONE, TWO], HEAD, lambda: BEFORE))

    assert database.scripts == [OLD[1].sql, BEFORE.to_base, TWO.sql]
    assert database.has == [BASE, TWO]


@each_row("has", [[], [ONE], [ONE, TWO]])
def test_nothing_from_before_the_base_is_read_for_another_database(has: list[Migration]) -> None:
    def never() -> BeforeBase:
        raise AssertionError

    asyncio.run(migrate(Database(*has), [ONE, TWO], HEAD, never))


def test_a_database_that_is_not_from_before_the_base_either_is_refused() -> None:
    database = Database(ONE._replace(checksum="0" * 64))

    with pytest.raises(StoreOpenError, match="checksum differs"):
        asyncio.run(migrate(database, [ONE, TWO], HEAD, lambda: BEFORE))

    assert database.scripts == []


def test_what_leads_to_the_base_is_pending() -> None:
    found = pending(applied(OLD[0]), [ONE, TWO], lambda: BEFORE)

    assert found == [OLD[1], BASE, TWO]


def test_a_newer_one_than_those_before_the_base_is_refused() -> None:
    with pytest.raises(NewerSchemaError):
        pending(applied(*OLD, THREE), [ONE, TWO], lambda: BEFORE)


# -- of a backend --------------------------------------------------------------------------------


def test_the_migrations_of_sqlite_are_in_its_package() -> None:
    first = load_migrations("cloaca_sqlite")[0]

    assert (first.number, first.name) == (1, "base")
    assert "CREATE TABLE cloaca_run" in first.sql


def test_its_script_of_a_new_database_is_too_and_is_no_migration() -> None:
    assert "CREATE TABLE cloaca_run" in load_head("cloaca_sqlite").sql
    assert "head" not in [each.name for each in load_migrations("cloaca_sqlite")]


def test_the_migrations_before_its_base_are_too() -> None:
    before = load_before_base("cloaca_sqlite")

    assert before.migrations[0].name == "initial"
    assert "to_base" not in [each.name for each in before.migrations]
    assert before.base(load_migrations("cloaca_sqlite"))[:2] == (1, "base")


MADE = Head(
    2,
    digest_of([ONE, TWO]),
    "CREATE TABLE a (x);\nCREATE UNIQUE INDEX of_a ON a (x);\nCREATE TABLE b (x);\n"
    "CREATE INDEX of_b ON b (x);",
)


def test_a_database_that_has_all_is_current() -> None:
    state = schema_state(applied(ONE, TWO), [ONE, TWO], MADE, {"a", "of_a", "b", "of_b", "other"})

    assert state.is_current
    assert (state.applied, state.known) == (2, 2)


def test_tables_and_indexes_that_are_not_there_are_named() -> None:
    state = schema_state(applied(ONE, TWO), [ONE, TWO], MADE, {"a", "of_b"})

    assert (state.missing_tables, state.missing_indexes) == (["b"], ["of_a"])
    assert not state.is_current


def test_of_a_database_that_is_not_up_to_date_the_migrations_to_come_are_told() -> None:
    state = schema_state(applied(ONE), [ONE, TWO], MADE, {"a"})

    assert [(each.number, each.name, each.sql) for each in state.pending] == [
        (2, "more", "CREATE TABLE b (x);")
    ]
    assert (state.applied, list(state.missing_tables), state.is_current) == (1, [], False)


def test_a_database_that_this_version_cannot_use_is_told_with_the_reason() -> None:
    state = schema_state(applied(ONE, TWO, THREE), [ONE, TWO], MADE, {"a", "b"})

    assert state.refusal is not None
    assert "schema 3 of a newer cloaca" in state.refusal
    assert not state.is_current
