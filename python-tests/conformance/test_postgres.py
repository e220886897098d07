"""PostgreSQL keeps the store contract, one schema per test."""

import os
from uuid import uuid4

import pytest

from cloaca_core.testing import SharedBackendConformance
from cloaca_postgres import BACKEND


class TestPostgres(SharedBackendConformance):
    backend = BACKEND

    @pytest.fixture
    def url(self) -> str:
        base = os.environ["CLOACA_TEST_POSTGRES_URL"]
        return f"{base}{'&' if '?' in base else '?'}schema=conformance_{uuid4().hex}"
