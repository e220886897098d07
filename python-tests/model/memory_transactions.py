"""Transactions of bodies over the model store: rows of the body count together with the record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cloaca_core.store.transactions import Recording, ended_by_body


class MemoryConnection:
    """What a body gets: each call of ``execute`` writes a row."""

    def __init__(self) -> None:
        self.rows: list[str] = []
        self.is_dead = False

    def execute(self, row: str) -> None:
        if self.is_dead:
            raise ended_by_body()
        self.rows.append(row)


class MemoryTransaction:
    """An open transaction; ``keep`` takes its rows when it commits."""

    def __init__(self, keep: Callable[[list[str]], None]) -> None:
        self.connection: Any = MemoryConnection()
        self._keep = keep

    def commit(self, recording: Recording) -> bool:
        if self.connection.is_dead:
            raise ended_by_body()
        counts = recording.counts(())
        if counts:
            self._keep(self.connection.rows)
        self.connection.is_dead = True
        return counts

    def roll_back(self) -> None:
        self.connection.is_dead = True

    def end_now(self) -> None:
        self.roll_back()


class AwaitedMemoryTransaction:
    """The same for a coroutine."""

    def __init__(self, inner: MemoryTransaction) -> None:
        self.connection: Any = inner.connection
        self._inner = inner

    async def commit(self, recording: Recording) -> bool:
        return self._inner.commit(recording)

    async def roll_back(self) -> None:
        self._inner.roll_back()

    def end_now(self) -> None:
        self._inner.end_now()


class MemoryTransactions:
    """``rows`` are those of bodies that have committed."""

    excludes_writers: bool = False
    refusal: str | None = None

    def __init__(self) -> None:
        self.rows: list[str] = []

    def begin(self) -> MemoryTransaction:
        return MemoryTransaction(self.rows.extend)

    async def begin_awaited(self) -> AwaitedMemoryTransaction:
        return AwaitedMemoryTransaction(self.begin())
