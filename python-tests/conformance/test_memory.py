"""The model keeps the contract that it is used to check."""

from collections.abc import Callable
from typing import Any

import pytest
from model.memory_store import MemoryStore

from cloaca_testing.conformance import StoreConformance, TransactionConformance


class TestMemoryStore(StoreConformance):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()


class TestMemoryTransactions(TransactionConformance):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()

    @pytest.fixture
    def write(self) -> Callable[[Any, str], None]:
        return lambda connection, text: connection.execute(text)

    @pytest.fixture
    def written(self, store: MemoryStore) -> Callable[[], list[str]]:
        return lambda: store.transactions.rows
