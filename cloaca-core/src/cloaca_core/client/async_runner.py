# Generated from templates/core/src/{{ package }}/client/async_runner.py.j2; edit that.
"""``AsyncRunner``: an awaiting client that also executes bodies.

It adds what claiming needs: to begin and to stop. All else it has from ``AsyncClient``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cloaca_core.assembly.host import EngineHost
from cloaca_core.assembly.redact import Secrets
from cloaca_core.client.async_client import AsyncClient
from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.definition.registry import Registry

if TYPE_CHECKING:
    from cloaca_core.features.executors.given import Executors
    from cloaca_core.values.queue_names import ServedQueues


class AsyncRunner(AsyncClient):
    """The same runner for programs with a loop: ``async with``, and every call is awaited.

    Arguments and errors are those of ``DefaultRunner``; ``async with`` opens the database.

    The engine runs on a loop thread of its own here too, so a program that blocks its loop stops
    no heartbeat.
    """

    def __init__(
        self,
        database_url: str | os.PathLike[str],
        *,
        config: DefaultRunnerConfig | None = None,
        schema: str | None = None,
        registry: Registry | None = None,
        start: bool = True,
        executors: Executors | None = None,
        executor_slots: Mapping[str, int] | None = None,
        redact: Secrets | None = None,
        queues: ServedQueues | None = None,
    ) -> None:
        self._use(
            EngineHost(
                database_url,
                config,
                schema,
                registry,
                start=start,
                executors=executors,
                executor_slots=executor_slots,
                redact=redact,
                queues=queues,
            )
        )

    # -- start and stop ----------------------------------------------------------------------

    async def start(self) -> None:
        """Claim runs, after ``stop()`` or when it was opened with ``start=False``."""
        from cloaca_core.operations.claiming import Start

        await self._do(Start())

    async def stop(self) -> None:
        """Claim no further runs; runs of this runner continue, new runs wait in the table."""
        from cloaca_core.operations.claiming import Stop

        await self._do(Stop())
