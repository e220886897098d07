"""Opens the store of a URL for a block, on the loop of the caller."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from os import PathLike

from cloaca_core.assembly.store import TransferStore
from cloaca_core.errors import TransferError
from cloaca_core.store.backends import backend_for
from cloaca_core.store.protocol import Backend, StoreOptions
from cloaca_core.store.urls import url_of


@dataclass(frozen=True, slots=True)
class Place:
    """A database to open: a checked URL and its backend."""

    url: str
    backend: Backend
    schema: str | None = None

    @classmethod
    def of(cls, url: str | PathLike[str], schema: str | None = None) -> Place:
        """The place of a URL; ``StoreOpenError`` for one that is malformed."""
        text = url_of(url)
        backend = backend_for(text)
        backend.check_url(text)
        return cls(text, backend, schema)

    @asynccontextmanager
    async def opened(self, *, read_only: bool = False) -> AsyncIterator[TransferStore]:
        """The open store; ``TransferError`` where its tables cannot be copied."""
        options = StoreOptions(schema=self.schema, read_only=read_only)
        store = await self.backend.open(self.url, options)
        try:
            if not isinstance(store, TransferStore):
                raise TransferError(f"the backend {self.backend.name} cannot copy whole tables")
            yield store
        finally:
            await store.close()
