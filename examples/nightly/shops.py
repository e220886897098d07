"""The shops, their databases and their sales."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cloaca


@dataclass(frozen=True, slots=True)
class Shop:
    """A tenant. Its night is that of its own time zone."""

    name: str
    timezone: str


SHOPS = (
    Shop("shop_lima", "America/Lima"),
    Shop("shop_oslo", "Europe/Oslo"),
    Shop("shop_sydney", "Australia/Sydney"),
)


def sales_of(name: str) -> list[int]:
    """Sales in cents; a real program would ask the shop's own database."""
    return [120 * len(name), 450, 1980]


class Schemas:
    """Tenants in one PostgreSQL database: a schema each, with a role that reaches only this."""

    def __init__(self, admin_url: str) -> None:
        self._admin = cloaca.DatabaseAdmin(admin_url)

    def database_of(self, shop: Shop) -> str:
        """The URL that the shop's runner opens; the schema is made if it is missing."""
        config = cloaca.TenantConfig(shop.name, role_of(shop))
        return self._admin.create_tenant(config).connection_string

    def remove(self, shop: Shop) -> None:
        """With all of its work."""
        self._admin.remove_tenant(shop.name, role_of(shop))


class Files:
    """Tenants on one machine: a SQLite file each."""

    def __init__(self, folder: Path) -> None:
        self._tenants = cloaca.SqliteTenants(folder)

    def database_of(self, shop: Shop) -> str:
        """The URL that the shop's runner opens; the file is made if it is missing."""
        return self._tenants.create(shop.name)

    def remove(self, shop: Shop) -> None:
        """With all of its work."""
        self._tenants.remove(shop.name)


def role_of(shop: Shop) -> str:
    """The role's name, with a prefix, since roles belong to the whole server."""
    return f"{shop.name}_app"
