"""``DatabaseAdmin``: makes and removes tenants, each a schema with a role of its own.

Finds the backend, checks names, and says which operation failed. The backend keeps tenants apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from cloaca_core.errors import StoreError, TenantError
from cloaca_core.features.tenants.backend import TenantBackend
from cloaca_core.features.tenants.credentials import (
    TenantConfig,
    TenantCredentials,
    TenantInfo,
    checked_role_name,
    checked_tenant_name,
)
from cloaca_core.store.backends import backend_for, knows_scheme_of
from cloaca_core.values.arguments import refuse_other_types

_NO_SCHEMAS: Final = (
    "tenants as schemas need PostgreSQL (postgresql://…); "
    "with SQLite each tenant has a file of its own, see SqliteTenants"
)


class DatabaseAdmin:
    """The tenants of one PostgreSQL database, seen by a role that may make schemas and roles.

    ``database_url`` is the administrator's. No connection is made before a method is
    called. Raises ``TenantError`` (a RuntimeError) "Invalid database URL" unless it names a
    database with schemas, ``BackendNotFoundError`` when the backend is not installed.
    """

    def __init__(self, database_url: str) -> None:
        refuse_other_types("database_url", database_url, str, "a str")
        self._url = database_url
        self._backend = _tenant_backend(database_url)

    def create_tenant(self, config: TenantConfig) -> TenantCredentials:
        """Make a schema and a role that can reach it and nothing else, and migrate the schema.

        A second call with the same names renews the password, the grants and the schema's version.
        A schema or a role of that name that is not this tenant's is refused. All or nothing:
        ``TenantError`` "Failed to create tenant: …".
        """
        refuse_other_types("config", config, TenantConfig, "a TenantConfig")
        with _explained("Failed to create tenant", config.schema_name):
            return self._backend.create_tenant(self._url, config)

    def list_tenants(self) -> list[TenantInfo]:
        """The tenants that such an administrator has made, by the names of their schemas."""
        with _explained("Failed to list tenants"):
            return self._backend.list_tenants(self._url)

    def remove_tenant(self, schema_name: str, username: str) -> None:
        """Remove a tenant's schema, with all of its work, and its role.

        Open sessions of the role are ended, and its other objects in this database, such as large
        objects, are removed as well; the administrator takes the role's rights for that. If it owns
        objects in another database, the error names them, and the tenant stays, with its sessions
        ended.

        A missing tenant is no error; a schema or role that is not a tenant's is refused,
        ``TenantError`` "Failed to remove tenant: …".
        """
        schema, role = checked_tenant_name(schema_name), checked_role_name(username)
        with _explained("Failed to remove tenant", schema):
            self._backend.remove_tenant(self._url, schema, role)

    def __repr__(self) -> str:
        return "DatabaseAdmin()"


def _tenant_backend(url: str) -> TenantBackend:
    backend = backend_for(url) if knows_scheme_of(url) else None
    if not isinstance(backend, TenantBackend):
        raise TenantError(f"Invalid database URL: {_NO_SCHEMAS}")
    try:
        backend.check_url(url)
    except StoreError as error:
        raise TenantError(f"Invalid database URL: {error}") from error
    return backend


@contextmanager
def _explained(what: str, tenant: str = "") -> Iterator[None]:
    try:
        yield
    except (StoreError, TenantError) as error:
        raise TenantError(f"{what}: {error}", tenant=tenant) from error
