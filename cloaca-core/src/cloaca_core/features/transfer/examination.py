"""Examination: the contract of what a backend knows of its database that no other one has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cloaca_core.features.transfer.findings import DatabaseFacts, Finding
from cloaca_core.store.runner_rows import Fleet
from cloaca_core.store.schema_state import SchemaState


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
