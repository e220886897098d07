"""The PostgreSQL backend before it can do anything: it says so, and opens nothing.

It is installable so that the dispatcher, the extras and the packaging are whole from the first
version on. It never counts as usable and needs no driver.
"""

from __future__ import annotations

from typing import NoReturn

from cloaca_core.errors import BackendUnusableError
from cloaca_core.store.protocol import Backend, StoreOptions
from cloaca_postgres._version import __version__

_REASON = (
    f"cloaca-postgres {__version__} is a shell: this version of cloaca cannot work with "
    'PostgreSQL yet. Use a SQLite URL with: pip install "cloaca[sqlite]=='
    f'{__version__}"'
)


class PostgresBackend:
    """The shell. See ``Backend`` for what each member is for."""

    name = "postgres"
    schemes = ("postgresql", "postgres")
    version = __version__
    unusable_reason: str | None = _REASON

    def check_url(self, url: str) -> None:  # noqa: ARG002  every URL gets the same answer
        """Refuse, whatever the URL."""
        raise BackendUnusableError(_REASON, backend="postgres")

    async def open(self, url: str, options: StoreOptions) -> NoReturn:  # noqa: ARG002  as above
        """Refuse, whatever the URL."""
        raise BackendUnusableError(_REASON, backend="postgres")


BACKEND: Backend = PostgresBackend()
