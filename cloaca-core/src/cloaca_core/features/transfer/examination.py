"""Examination: the contract of what a backend knows of its database that no other one has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cloaca_core.features.transfer.findings import DatabaseFacts, Finding
from cloaca_core.store.runner_rows import Fleet
from cloaca_core.store.schema_state import SchemaState


class Examiner(Protocol):
    """Looks at one database from outside of the store, also at one that no store can open: of an
    earlier or a newer version, or with tables missing. Nothing is made, migrated or written.

    Belongs to the loop on which it was opened. Each method may raise ``StoreError``.
    """

    async def schema(self) -> SchemaState:
        """Compare the database's migrations, tables and indexes with those of this version."""

    async def facts(self) -> DatabaseFacts:
        """The versions of server and driver, and the size."""

    async def fleet(self) -> Fleet:
        """The runners that are registered, oldest first, of any version; none without tables."""

    async def settings(self) -> Sequence[Finding]:
        """What is wrong with the database's settings, with its place, or with how it is reached.
        Reads no table of ours.
        """

    async def damage(self) -> Sequence[Finding]:
        """What is wrong with its pages or indexes. Reads all of it, which may take minutes."""

    async def close(self) -> None:
        """Close the connection. Safe to call twice."""
