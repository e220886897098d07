"""The tables of a database, compared with this version's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class PendingMigration:
    """A migration that the database lacks. ``sql`` is what an upgrade executes."""

    number: int
    name: str
    sql: str


class SchemaState(NamedTuple):
    """The tables of a database, compared with this version's.

    ``applied`` is the number of the last migration that the database has, 0 for none; ``known`` the
    last migration of this version. ``refusal`` is the reason why this version cannot use the
    database, or None: a newer version has migrated it, or its migrations are others.
    ``missing_tables`` and ``missing_indexes`` should exist after the applied migrations; they are
    looked for only if no migration is pending.
    """

    applied: int
    known: int
    pending: Sequence[PendingMigration] = ()
    refusal: str | None = None
    missing_tables: Sequence[str] = ()
    missing_indexes: Sequence[str] = ()

    @property
    def is_current(self) -> bool:
        """Whether this version can use the database as it is. Statements name their indexes."""
        missing = self.pending or self.missing_tables or self.missing_indexes
        return self.refusal is None and not missing
