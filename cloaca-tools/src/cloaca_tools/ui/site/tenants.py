"""The tenants of the database that a page is opened on, for a page that is not a tenant's own.

On PostgreSQL a tenant is a schema, and every role can read their names; a tenant's page does not
show them all the same. On SQLite it is a file: which folder has them is known to the program alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from cloaca_core.features.tenants.backend import TenantBackend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloaca_core.assembly.host import EngineHost
    from cloaca_core.features.tenants.credentials import TenantInfo


class Tenants:
    """Belongs to one client. ``has_any`` is false where there is nothing to list."""

    def __init__(self, host: EngineHost) -> None:
        self._url = host.url
        self._backend = host.backend
        self.has_any: bool = isinstance(self._backend, TenantBackend) and not (
            host.schema or names_schema(host.url)
        )

    def list(self) -> Sequence[TenantInfo] | None:
        """The tenants by name; None where they are not this client's to see. Blocks; raises
        ``StoreError``.
        """
        if not self.has_any or not isinstance(self._backend, TenantBackend):
            return None
        found = self._backend.list_tenants(self._url)
        user = urlsplit(self._url).username
        return None if user in [each.username for each in found] else found


def names_schema(url: str) -> bool:
    """Whether a URL opens a schema of its own."""
    return "schema" in parse_qs(urlsplit(url).query)
