"""Examination: the contract of what a backend knows of its database that no other one has, and its
answers. Their text is for people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias, get_args

from cloaca_core.store.runner_rows import Fleet
from cloaca_core.store.schema_state import SchemaState

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


class DatabaseFacts(NamedTuple):
    """``versions`` has the versions of the server or library and its driver, by name; ``size`` is
    in bytes, its log included.
    """

    versions: Mapping[str, str]
    size: int


class Examiner(Protocol):
    """Looks at one database from outside of the store, even if no store can open it: it may be of
    an earlier or a newer version, or lack tables. Nothing is made, migrated or written.

    Belongs to the loop on which it was opened. Each method may raise ``StoreError``.
    """

    async def schema(self) -> SchemaState:
        """Compare the database's migrations, tables and indexes with this version's."""

    async def facts(self) -> DatabaseFacts:
        """The versions of server and driver, and the size."""

    async def fleet(self) -> Fleet:
        """The runners that are registered, oldest first, of any version; none without tables."""

    async def settings(self) -> Sequence[Finding]:
        """Find faults of the database's settings, of its place, or of how it is reached. Reads no
        table of cloaca.
        """

    async def damage(self) -> Sequence[Finding]:
        """Find faults in its pages or indexes. Reads all of it, which may take minutes."""

    async def close(self) -> None:
        """Close the connection. Safe to call twice."""
