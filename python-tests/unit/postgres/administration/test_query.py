"""A statement of a person's own reads a schema, and does nothing else."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from tables import each_row

import cloaca
from cloaca_core.errors import StoreError, StoreUnavailableError
from cloaca_core.features.transfer.backends import Bounds, QueriedBackend, Rows
from cloaca_core.store.protocol import StoreOptions
from cloaca_postgres import BACKEND

BOUNDS = Bounds(rows=3, seconds=30)


@pytest.fixture
def url(postgres_url: str) -> str:
    """A schema with our tables."""
    cloaca.Client(postgres_url).shutdown()
    return postgres_url


def asked(url: str, sql: str, bounds: Bounds = BOUNDS) -> Rows:
    return asyncio.run(BACKEND.query(url, StoreOptions(), sql, bounds))


def test_the_backend_says_that_it_takes_statements() -> None:
    assert isinstance(BACKEND, QueriedBackend)


def test_rows_come_with_the_names_of_their_columns(url: str) -> None:
    assert asked(url, "SELECT 1 AS one, 'x' AS two") == Rows(["one", "two"], [(1, "x")], more=False)
    assert asked(url, "/* mine */ (SELECT id FROM cloaca_run);") == Rows(["id"], [], more=False)
    assert asked(url, "-- plan\nEXPLAIN SELECT 1").columns == ["QUERY PLAN"]


def test_more_rows_than_are_wanted_are_not_read(url: str) -> None:
    found = asked(url, "SELECT i FROM generate_series(1, 3000000) AS i")

    assert found == Rows(["i"], [(1,), (2,), (3,)], more=True)


def test_a_statement_that_takes_too_long_is_ended(url: str) -> None:
    with pytest.raises(StoreUnavailableError, match=r"longer than 0\.05 s"):
        asked(url, "SELECT pg_sleep(60)", Bounds(3, 0.05))


@each_row(
    "statement",
    [
        "DELETE FROM cloaca_run",
        "WITH gone AS (DELETE FROM cloaca_runner RETURNING id) SELECT id FROM gone",
        "EXPLAIN ANALYZE DELETE FROM cloaca_runner",
        "SELECT 1; COMMIT; DELETE FROM cloaca_runner",
        "SELECT set_config('transaction_read_only', 'off', false)",
        "SELECT id INTO mine FROM cloaca_run",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "/* SELECT */ COMMIT",
        "SELEC 1",
        "",
    ],
)
def test_what_does_not_read_is_refused(url: str, statement: str) -> None:
    with pytest.raises(StoreError, match=r"^the statement was refused: "):
        asked(url, statement)

    with psycopg.connect(url.partition("?")[0]) as raw:
        assert raw.execute("SELECT 1").fetchone() == (1,)
