"""Opens a database as a whole store, without loading the contracts that this is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from cloaca_core.assembly.store import Store
    from cloaca_core.store.protocol import Backend, StoreOptions


async def open_store(backend: Backend, url: str, options: StoreOptions) -> Store:
    """Open a database, as ``Backend.open`` does. A backend's type does not say that its store has
    the parts of all features; the conformance tests do.
    """
    return cast("Store", await backend.open(url, options))
