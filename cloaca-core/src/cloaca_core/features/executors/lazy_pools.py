"""The executors of one runner, as its engine knows them. The code that sends bodies away is loaded
with the first: few programs have executors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator, Sequence

    from cloaca_core.engine.execute.usage import Usage
    from cloaca_core.features.executors.remote.pool import Pool
    from cloaca_core.features.executors.remote.pools import Pools
    from cloaca_core.features.executors.supply import Supply


class LazyPools:
    """``supplies`` are the executors that the runner was given, which are open. Belongs to the
    engine's loop.
    """

    def __init__(self, supplies: Sequence[Supply], loop: asyncio.AbstractEventLoop) -> None:
        self._supplies = supplies
        self._loop = loop
        self._pools = self._loaded() if supplies else None

    def _loaded(self) -> Pools:
        from cloaca_core.features.executors.remote.pools import Pools

        return Pools(self._supplies, self._loop)

    def __iter__(self) -> Iterator[Pool]:
        return iter(self._pools or ())

    def find(self, name: str) -> Pool:
        """The executor of this name; it puts bodies off if the runner was not given one."""
        if self._pools is None:
            self._pools = self._loaded()
        return self._pools.find(name)

    def lacks(self, name: str) -> bool:
        """Whether the runner was not given the executor of this name."""
        return all(supply.name != name for supply in self._supplies)

    def usage(self) -> dict[str, Usage]:
        """How the slots of each executor are used now, by its name."""
        return {} if self._pools is None else self._pools.usage()

    def close(self) -> None:
        """Let the threads of all executors end."""
        if self._pools is not None:
            self._pools.close()
