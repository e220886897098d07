"""PostgreSQL keeps the store contract, one schema per test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from cloaca_core.conformance import OutboxConformance, SharedBackendConformance
from cloaca_postgres import BACKEND
from dev.databases.urls import for_libpq


class TestPostgres(SharedBackendConformance, OutboxConformance):
    backend = BACKEND

    @pytest.fixture
    def url(self, postgres_url: str) -> str:
        return postgres_url

    @pytest.fixture
    def mine(self, postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
        with psycopg.connect(for_libpq(postgres_url)) as mine:
            yield mine
