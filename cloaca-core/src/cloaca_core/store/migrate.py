"""Brings a database to the schema of this version.

Migrations are numbered ``.sql`` files in a backend's wheel. The database stores a checksum of each
applied migration. Before anything is written, two cases are refused: a file that was changed after
its release, and a database that a newer version has migrated. Each migration is one transaction
under the dialect's lock, so any number of processes may open a new database at once.

A new database is made by one script instead, ``migrations/head.sql``, which has the schema after
all migrations. It is generated from them, and used only if they are still the same.

Migration 1 is the base. It stands for the migrations before the first release, which are in
``migrations/before_base``. A database made by those gets the ones that it lacks, and then a script
that brings it to the base.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from cloaca_core.errors import NewerSchemaError, StoreOpenError
from cloaca_core.store.package_files import package_files

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from cloaca_core.store.schema_state import SchemaState

_FOLDER = "migrations"
_HEAD_NAME = "head.sql"
_BEFORE_BASE = "before_base"
_TO_BASE_NAME = "to_base.sql"
_FILE_NAME = re.compile(r"(?P<number>\d{4})_(?P<name>[a-z0-9_]+)\.sql")
_MADE_FROM = re.compile(
    r"^-- Made from migrations 1 to (\d+), digest ([0-9a-f]{64})$", re.MULTILINE
)

_TABLE = re.compile(r"^CREATE TABLE (\w+)", re.MULTILINE)
_INDEX = re.compile(r"^CREATE (?:UNIQUE )?INDEX (\w+)", re.MULTILINE)


class Migration(NamedTuple):
    """One numbered step of the schema."""

    number: int
    name: str
    checksum: str
    sql: str


class Head(NamedTuple):
    """The schema after migration ``number``, as one script for an empty database."""

    number: int
    digest: str
    sql: str


class Applied(NamedTuple):
    """A migration that the database has recorded as applied."""

    number: int
    name: str
    checksum: str


class BeforeBase(NamedTuple):
    """The migrations before the base, and the script that brings their tables to the base."""

    migrations: list[Migration]
    to_base: str

    def have_made(self, applied: Sequence[Applied]) -> bool:
        """Whether the first migration of a database is one of these."""
        return applied[0] == self.migrations[0][:3]

    def base(self, known: Sequence[Migration]) -> Migration:
        """The base as the script to run after the last of these migrations."""
        return known[0]._replace(sql=self.to_base)


LoadBefore: TypeAlias = Callable[[], BeforeBase]
"""Reads the files before the base. Called only where migration 1 of a database is not the base."""


class Migrator(Protocol):
    """The part of a dialect that applies migrations."""

    async def applied(self) -> list[Applied]:
        """The migrations that the database has, by number. None for a new database."""

    async def apply(self, migration: Migration) -> None:
        """Run and record it, in one transaction under the migration lock.

        Does nothing if its number is recorded by then: another process was faster.
        """

    async def create(self, script: str, replaced: Sequence[Migration]) -> None:
        """Run the script of a new database and record the migrations that it replaces.

        One transaction under the migration lock. Does nothing if any migration is recorded by then:
        another process was faster, and may know fewer migrations.
        """

    async def rebase(self, earlier: Sequence[Migration], base: Migration) -> None:
        """Bring a database that some of these earlier migrations have made to the base.

        Run the earlier migrations that it lacks and the script of ``base``. Record ``base`` in
        their place, as applied when the first of them was. One transaction under the migration
        lock. Does nothing if the first migration is another one by then: another process was
        faster.
        """


def load_migrations(package: str) -> list[Migration]:
    """The migrations in the folder ``migrations`` of a package, 1, 2, 3, …"""
    return _migrations_in(package_files(package).joinpath(_FOLDER), package)


def load_before_base(package: str) -> BeforeBase:
    """The migrations before the base of a package."""
    folder = package_files(package).joinpath(_FOLDER, _BEFORE_BASE)
    to_base = folder.joinpath(_TO_BASE_NAME).read_text("utf-8")
    return BeforeBase(_migrations_in(folder, package), to_base)


def _migrations_in(folder: Traversable, package: str) -> list[Migration]:
    found = sorted((f.name, f.read_text("utf-8")) for f in folder.iterdir() if _is_one(f.name))
    migrations = [parse_migration(name, text) for name, text in found]
    numbers = [migration.number for migration in migrations]
    if not numbers or numbers != list(range(1, len(numbers) + 1)):
        raise ValueError(f"migrations of {package} are not numbered 1, 2, 3, …: {numbers}")
    return migrations


def parse_migration(file_name: str, text: str) -> Migration:
    """A migration from its file. The checksum does not depend on how lines end."""
    match = _FILE_NAME.fullmatch(file_name)
    if match is None:
        raise ValueError(f"not the name of a migration: {file_name!r} (0001_name.sql)")
    sql = text.replace("\r\n", "\n")
    return Migration(int(match["number"]), match["name"], sha256(sql.encode()).hexdigest(), sql)


def load_head(package: str) -> Head:
    """The script of a new database in the folder ``migrations`` of a package."""
    return parse_head(package_files(package).joinpath(_FOLDER, _HEAD_NAME).read_text("utf-8"))


def parse_head(text: str) -> Head:
    """Read the script of a new database. Its text says from which migrations it was made."""
    match = _MADE_FROM.search(text)
    if match is None:
        raise ValueError(f"{_HEAD_NAME} does not say from which migrations it was made")
    return Head(int(match[1]), match[2], text)


def digest_of(migrations: Sequence[Migration]) -> str:
    """The digest that a ``Head`` has of the migrations that it was made from."""
    return sha256("".join(each.checksum for each in migrations).encode()).hexdigest()


async def migrate(
    migrator: Migrator,
    known: Sequence[Migration],
    head: Head | None = None,
    load_before: LoadBefore | None = None,
) -> None:
    """Apply the missing migrations. Refuses a database whose migrations are not the first ones of
    cloaca.
    """
    applied = await migrator.applied()
    if (before := before_base(applied, known, load_before)) is not None:
        await migrator.rebase(before.migrations, before.base(known))
        applied = await migrator.applied()
    missing = pending(applied, known)
    if head is not None and (replaced := replaced_by(head, missing)):
        await migrator.create(head.sql, replaced)
        missing = pending(await migrator.applied(), known)
    for migration in missing:
        await migrator.apply(migration)
    if missing:  # another process, of another version, may have been faster
        pending(await migrator.applied(), known)


def before_base(
    applied: Sequence[Applied], known: Sequence[Migration], load_before: LoadBefore | None
) -> BeforeBase | None:
    """The migrations before the base, if they have made the database."""
    if load_before is None or not applied or applied[0] == known[0][:3]:
        return None
    before = load_before()
    return before if before.have_made(applied) else None


def pending(
    applied: Sequence[Applied],
    known: Sequence[Migration],
    load_before: LoadBefore | None = None,
) -> list[Migration]:
    """The migrations to apply. Raises an error with the reason if this version cannot use the
    database.
    """
    if (before := before_base(applied, known, load_before)) is not None:
        return [*pending(applied, before.migrations), before.base(known), *known[1:]]
    if len(applied) > len(known):
        raise NewerSchemaError(
            f"the database has schema {applied[-1].number} of a newer cloaca;"
            f" this one knows schema {len(known)}: upgrade cloaca",
            found=applied[-1].number,
            known=len(known),
        )
    for has, ours in zip(applied, known, strict=False):
        if has != ours[:3]:
            raise StoreOpenError(
                f"migration {has.number} ({has.name}) of the database is not the one that this"
                f" version knows under that number ({ours.name}): its checksum differs"
            )
    return list(known[len(applied) :])


def schema_state(
    applied: Sequence[Applied],
    known: Sequence[Migration],
    head: Head,
    there: Collection[str],
    load_before: LoadBefore | None = None,
) -> SchemaState:
    """Compare a database with this version. ``there`` has the names of cloaca's tables and indexes
    in it.
    """
    from cloaca_core.store.schema_state import PendingMigration, SchemaState

    number = applied[-1].number if applied else 0
    try:
        missing = pending(applied, known, load_before)
    except StoreOpenError as error:
        return SchemaState(number, len(known), refusal=str(error))
    if missing:
        steps = [PendingMigration(each.number, each.name, each.sql) for each in missing]
        return SchemaState(number, len(known), steps)
    return SchemaState(
        number,
        len(known),
        missing_tables=[name for name in _TABLE.findall(head.sql) if name not in there],
        missing_indexes=[name for name in _INDEX.findall(head.sql) if name not in there],
    )


def replaced_by(head: Head, missing: Sequence[Migration]) -> list[Migration]:
    """The missing migrations that this script replaces; none unless it was made from the first."""
    first = list(missing[: head.number])
    return first if digest_of(first) == head.digest else []


def _is_one(file_name: str) -> bool:
    return file_name.endswith(".sql") and file_name not in (_HEAD_NAME, _TO_BASE_NAME)
