"""Transfer: the contract of reading and writing whole tables, for a copy of a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from cloaca_core.store.tables import Key, Table


class Transfer(Protocol):
    """Reads and writes the rows of ``store.tables.TABLES`` as they are: nothing is checked, and no
    runner is notified. Of use while no runner works on the database.
    """

    async def identity(self) -> str | None:
        """A text that is equal for two open stores of this backend if they use the same database
        and schema, also by different URLs. None for a database that no other store can open.
        """

    async def page(self, table: Table, after: Key, limit: int) -> list[tuple[Any, ...]]:
        """Up to ``limit`` rows whose key is after this one, in the order of the key; texts by their
        bytes. Only reads.
        """

    async def last_key(self, table: Table) -> Key | None:
        """The last key of the table, None for an empty one. Only reads."""

    async def put(self, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        """Write rows whose keys are not there, all or nothing. ``StoreDataError`` otherwise."""

    async def put_new(self, rows: Mapping[str, Sequence[tuple[Any, ...]]]) -> None:
        """Write rows of several tables, by their names, in one transaction."""

    async def strays(self) -> dict[str, int]:
        """How many rows of each table belong to runs that are not there. Reads all keys."""

    async def keep_all(self) -> None:
        """Note that nothing is pruned unless that is asked for, as in a database that an earlier
        version made.
        """
