"""PostgreSQL keeps the store contract, one schema per test."""

import pytest

from cloaca_core.testing import SharedBackendConformance
from cloaca_postgres import BACKEND


class TestPostgres(SharedBackendConformance):
    backend = BACKEND

    @pytest.fixture
    def url(self, postgres_url: str) -> str:
        return postgres_url
