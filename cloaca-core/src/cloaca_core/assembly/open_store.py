"""Opens a database as a whole store. A backend's type promises only the kernel's contract; here its
store is taken to have the parts of all features.

A module of its own, since those parts need not be loaded for it: a command that lists runs loads
none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from cloaca_core.assembly.store import Store
    from cloaca_core.store.protocol import Backend, StoreOptions


async def open_store(backend: Backend, url: str, options: StoreOptions) -> Store:
    """Open a database, as ``Backend.open`` does. The type of a backend does not promise all parts:
    the conformance tests check them, and ``backend_for`` accepts only backends of this version.
    """
    return cast("Store", await backend.open(url, options))
