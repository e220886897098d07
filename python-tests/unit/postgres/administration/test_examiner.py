"""What an examination of a real schema finds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import psycopg
import pytest
from durability import beside_durability

import cloaca
from cloaca_core.errors import ForeignDatabaseError, StoreError
from cloaca_core.features.transfer.backends import ExaminedBackend
from cloaca_core.features.transfer.examination import Examiner, Finding
from cloaca_core.store.protocol import StoreOptions
from cloaca_postgres import BACKEND
from cloaca_postgres.administration import examiner
from cloaca_postgres.statements import naming
from dev.databases.urls import with_query

T = TypeVar("T")


@pytest.fixture
def url(postgres_url: str) -> str:
    """A schema with our tables."""
    cloaca.DefaultRunner(postgres_url).shutdown()
    return postgres_url


@pytest.fixture
def change(postgres_server: str, postgres_schema: str) -> Callable[[str], None]:
    def execute(statement: str) -> None:
        with psycopg.connect(postgres_server, autocommit=True) as raw:
            raw.execute("SELECT set_config('search_path', %s, false)", [postgres_schema])
            raw.execute(statement.encode())

    return execute


def examined(url: str, ask: Callable[[Examiner], Awaitable[T]]) -> T:
    async def look() -> T:
        found = await BACKEND.examine(url, StoreOptions())
        try:
            return await ask(found)
        finally:
            await found.close()

    return asyncio.run(look())


def codes(found: Sequence[Finding]) -> list[str]:
    return [each.code for each in beside_durability(found)]


def test_the_backend_says_that_its_databases_can_be_examined() -> None:
    assert isinstance(BACKEND, ExaminedBackend)


def test_a_new_schema_is_sound(url: str) -> None:
    assert codes(examined(url, lambda it: it.settings())) == []
    assert list(examined(url, lambda it: it.damage())) == []
    assert examined(url, lambda it: it.schema()).is_current
    assert examined(url, lambda it: it.facts()).size > 0


def test_a_table_that_is_never_cleaned_up_is_found(url: str, change: Callable[[str], None]) -> None:
    change("ALTER TABLE cloaca_run SET (autovacuum_enabled = false)")

    assert codes(examined(url, lambda it: it.settings())) == ["no_vacuum"]


def test_an_index_that_the_server_does_not_use_is_found(
    url: str, change: Callable[[str], None]
) -> None:
    change(
        "UPDATE pg_index SET indisvalid = false"
        " WHERE indexrelid = CAST('cloaca_run_of_workflow' AS REGCLASS)"
    )

    assert codes(examined(url, lambda it: it.settings())) == ["invalid_index"]


def test_a_url_that_names_a_pooler_where_there_is_none_is_found(url: str) -> None:
    found = examined(with_query(url, pooler="true"), lambda it: it.settings())

    assert codes(found) == ["pooler_needless"]


def test_notifications_that_do_not_come_back_are_found(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examiner, "HEARD_WITHIN_S", 0.05)
    monkeypatch.setattr(
        examiner, "naming", lambda name, text, channel: naming(name, text, f"{channel}_other")
    )

    assert codes(examined(url, lambda it: it.settings())) == ["no_notifications"]


def test_indexes_are_checked_where_amcheck_is_there(
    url: str, change: Callable[[str], None]
) -> None:
    change(
        "CREATE FUNCTION bt_index_check(index REGCLASS) RETURNS void LANGUAGE plpgsql AS $$ BEGIN"
        " IF CAST(index AS TEXT) = 'cloaca_run_of_workflow' THEN"
        " RAISE EXCEPTION 'item order invariant violated'; END IF; END $$"
    )

    (finding,) = examined(url, lambda it: it.damage())

    assert (finding.code, finding.severity) == ("damaged", "error")
    assert "cloaca_run_of_workflow is damaged" in finding.text


def test_tables_and_indexes_that_are_not_there_are_named(
    url: str, change: Callable[[str], None]
) -> None:
    change("DROP TABLE cloaca_wait CASCADE")

    found = examined(url, lambda it: it.schema())

    assert found.missing_tables == ["cloaca_wait"]
    assert found.missing_indexes == ["cloaca_wait_approval"]


def test_a_schema_that_is_not_there_is_not_made(
    postgres_url: str, postgres_server: str, postgres_schema: str
) -> None:
    with pytest.raises(StoreError, match="there is no schema"):
        examined(postgres_url, lambda it: it.schema())

    with psycopg.connect(postgres_server) as raw:
        found = raw.execute(
            "SELECT count(*) FROM pg_namespace WHERE nspname = %s", [postgres_schema]
        ).fetchone()
    assert found == (0,)


def test_another_programs_tables_are_refused(url: str, change: Callable[[str], None]) -> None:
    change("DROP TABLE cloaca_migration")

    with pytest.raises(ForeignDatabaseError):
        examined(url, lambda it: it.schema())
