"""Refusals of ``DatabaseAdmin`` before it connects, and its messages after a failure."""

from __future__ import annotations

from typing import NoReturn

import pytest
from tables import each_row

from cloaca_core.client import database_admin
from cloaca_core.client.database_admin import DatabaseAdmin
from cloaca_core.errors import (
    ConfigTypeError,
    StoreOpenError,
    StoreUnavailableError,
    TenantError,
    TenantNameError,
)
from cloaca_core.features.tenants.credentials import TenantConfig, TenantCredentials, TenantInfo
from cloaca_core.store.protocol import StoreOptions

CONFIG = TenantConfig("acme", "acme_role", "secret")
URL = "postgresql://admin@somewhere/db"


class FakeBackend:
    """A backend with schemas that keeps what it was asked for."""

    name = "fake"
    schemes = ("postgresql",)
    version = "0"
    unusable_reason = None

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.error: Exception | None = None

    def check_url(self, url: str) -> None:
        if "bad" in url:
            raise StoreOpenError("port 'x' is no number")

    async def open(self, url: str, options: StoreOptions) -> NoReturn:
        raise AssertionError(url, options)

    def create_tenant(self, url: str, config: TenantConfig) -> TenantCredentials:
        self._ask(url, config)
        return TenantCredentials(config.username, "pw", config.schema_name, "url")

    def list_tenants(self, url: str) -> list[TenantInfo]:
        self._ask(url)
        return [TenantInfo("acme", "acme_role")]

    def remove_tenant(self, url: str, schema_name: str, username: str) -> None:
        self._ask(url, schema_name, username)

    def _ask(self, *what: object) -> None:
        if self.error is not None:
            raise self.error
        self.asked.append(what)


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> FakeBackend:
    backend = FakeBackend()
    monkeypatch.setattr(database_admin, "backend_for", lambda url: backend)
    return backend


def test_a_tenant_is_made_and_removed_by_the_backend(backend: FakeBackend) -> None:
    admin = DatabaseAdmin(URL)

    credentials = admin.create_tenant(CONFIG)
    admin.remove_tenant("acme", "acme_role")

    assert credentials.schema_name == "acme"
    assert backend.asked == [(URL, CONFIG), (URL, "acme", "acme_role")]


@each_row("url", ["work.db", "", "sqlite://work.db", "mysql://host/db", ":memory:"])
def test_a_database_without_schemas_is_refused(url: str) -> None:
    with pytest.raises(TenantError, match=r"Invalid database URL: .*SqliteTenants"):
        DatabaseAdmin(url)


def test_a_malformed_url_is_refused(backend: FakeBackend) -> None:
    with pytest.raises(RuntimeError, match="Invalid database URL: port 'x' is no number"):
        DatabaseAdmin("postgresql://bad")


@pytest.mark.parametrize("error", [StoreUnavailableError("gone"), TenantError("gone")])
def test_a_failure_says_what_failed_and_for_whom(backend: FakeBackend, error: Exception) -> None:
    admin = DatabaseAdmin(URL)
    backend.error = error

    with pytest.raises(TenantError, match=r"^Failed to create tenant: gone$") as created:
        admin.create_tenant(CONFIG)
    with pytest.raises(TenantError, match=r"^Failed to remove tenant: gone$") as removed:
        admin.remove_tenant("acme", "acme_role")

    assert created.value.tenant == removed.value.tenant == "acme"
    assert created.value.__cause__ is error


def test_names_are_checked_before_anything_is_asked(backend: FakeBackend) -> None:
    admin = DatabaseAdmin(URL)

    for schema, role in (("pg_x", "r"), ("acme", "")):
        with pytest.raises(TenantNameError):
            admin.remove_tenant(schema, role)
    with pytest.raises(ConfigTypeError, match="config must be a TenantConfig, not dict"):
        admin.create_tenant({"schema_name": "x"})  # type: ignore[arg-type]  # what is tested

    assert backend.asked == []


def test_the_url_is_not_shown(backend: FakeBackend) -> None:
    assert repr(DatabaseAdmin("postgresql://u:secret@h/d")) == "DatabaseAdmin()"
