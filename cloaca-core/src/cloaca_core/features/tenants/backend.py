"""The contract of a backend that keeps tenants apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from cloaca_core.store.protocol import Backend

if TYPE_CHECKING:
    from cloaca_core.features.tenants.credentials import TenantConfig, TenantCredentials, TenantInfo


@runtime_checkable
class TenantBackend(Backend, Protocol):
    """A backend that keeps tenants apart in one database, each in a schema of its own.

    All methods block, and raise ``StoreError``, or ``TenantError`` for a schema or role of that
    name which is not a tenant's; after a raise nothing has changed, but a tenant's sessions may
    have been ended. No tenant can hold up an operation on another one.
    """

    def create_tenant(self, url: str, config: TenantConfig) -> TenantCredentials:
        """Make the schema, or bring it up to date, and a role that reaches it and nothing else."""

    def list_tenants(self, url: str) -> list[TenantInfo]:
        """The tenants of the database, by the names of their schemas."""

    def remove_tenant(self, url: str, schema_name: str, username: str) -> None:
        """Remove whichever of the two exists, and end the sessions of the role before."""
