"""What an examination of a database answers; forms as in ``runs``. Text is for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args

Severity: TypeAlias = Literal["error", "warning", "notice"]
SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)
"""The worst first."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with a database, or with how it is used.

    ``code`` names the kind of finding for programs and never changes, ``text`` says what was found,
    and ``cure`` is one line that says what to do. An ``error`` loses or stops work, a ``warning``
    will or may do so, a ``notice`` may be meant.
    """

    code: str
    severity: Severity
    text: str
    cure: str

    def to_dict(self) -> dict[str, Any]:
        """The finding as JSON."""
        return {
            "code": self.code,
            "severity": self.severity,
            "text": self.text,
            "cure": self.cure,
        }


@dataclass(frozen=True, slots=True)
class PendingMigration:
    """A migration that the database lacks. ``sql`` is what an upgrade executes."""

    number: int
    name: str
    sql: str


class SchemaState(NamedTuple):
    """The tables of a database, beside those of this version.

    ``applied`` is the number of the last migration that the database has, 0 for none; ``known``
    that of this version. ``refusal`` says why this version cannot use the database, or is None:
    a newer one has migrated it, or its migrations are others. ``missing_tables`` and
    ``missing_indexes`` should be there after the migrations that were applied, and are only looked
    for where none is pending.
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


class DatabaseFacts(NamedTuple):
    """``versions`` are those of the server or library and its driver, by name; ``size`` is in
    bytes, its log included.
    """

    versions: Mapping[str, str]
    size: int
