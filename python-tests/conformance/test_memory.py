"""The model keeps the contract that it is used to check."""

import pytest
from model.memory_store import MemoryStore

from cloaca_testing.conformance import StoreConformance


class TestMemoryStore(StoreConformance):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()
