"""The model keeps the contract that it is used to check."""

import pytest
from cloaca_core.testing import StoreConformance
from memory_store import MemoryStore


class TestMemoryStore(StoreConformance):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()
