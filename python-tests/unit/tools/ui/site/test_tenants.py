"""Which pages list tenants."""

from __future__ import annotations

from typing import Any, cast

from tables import each_row

from cloaca_core.assembly.host import EngineHost
from cloaca_core.features.tenants.credentials import TenantInfo
from cloaca_tools.ui.site.tenants import Tenants, names_schema


class Schemas:
    """A backend with tenants."""

    def create_tenant(self, url: str, config: Any) -> Any: ...

    def remove_tenant(self, url: str, schema_name: str, username: str) -> None: ...

    def list_tenants(self, url: str) -> list[TenantInfo]:
        return [TenantInfo("acme", "acme_role")] if url else []

    name = "schemas"
    schemes = ("schemas",)
    version = ""
    unusable_reason = None

    def check_url(self, url: str) -> None: ...

    async def open(self, url: str, options: Any) -> Any: ...


class Host:
    """What is asked of a host."""

    def __init__(self, url: str, schema: str | None = None, backend: object = None) -> None:
        self.url = url
        self.schema = schema
        self.backend = Schemas() if backend is None else backend


def tenants_of(*args: Any) -> Tenants:
    return Tenants(cast("EngineHost", Host(*args)))


def test_a_page_of_the_whole_database_lists_its_tenants() -> None:
    found = tenants_of("postgresql://admin@db/shop")

    assert found.has_any
    assert found.list() == [TenantInfo("acme", "acme_role")]


@each_row(
    ("url", "schema"),
    [("postgresql://db/shop", "acme"), ("postgresql://db/shop?schema=acme", None)],
)
def test_a_tenants_own_page_lists_none(url: str, schema: str | None) -> None:
    found = tenants_of(url, schema)

    assert not found.has_any
    assert found.list() is None


def test_nor_does_a_page_that_a_tenants_role_has_opened() -> None:
    assert tenants_of("postgresql://acme_role@db/shop").list() is None


def test_a_database_without_tenants_has_none_to_list() -> None:
    found = tenants_of("sqlite:///shop.db", None, object())

    assert (found.has_any, found.list()) == (False, None)


def test_a_schema_stands_in_the_parameters_of_a_url() -> None:
    assert names_schema("postgresql://db/shop?a=b&schema=acme")
    assert not names_schema("postgresql://schema@db/schema?a=schema")
