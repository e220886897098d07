"""``DefaultRunner``: a client that also executes bodies.

It adds what claiming needs: to begin and to stop. All else it has from ``Client``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

from cloaca_core.assembly.host import EngineHost
from cloaca_core.assembly.redact import Secrets
from cloaca_core.client.client import Client
from cloaca_core.client.reactor_calls import ReactorCalls
from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.definition.registry import Registry
from cloaca_core.errors import ConfigTypeError, StoreError, StoreOpenError

if TYPE_CHECKING:
    from cloaca_core.features.executors.given import Executors
    from cloaca_core.values.queue_names import ServedQueues


class DefaultRunner(ReactorCalls, Client):
    """Runs workflows in this process and keeps every finished step in a database.

    Opens at construction. All methods may be called from any thread, task bodies included (async
    ones use an ``AsyncRunner``). Use it as a context manager, or call ``shutdown()``.

    * ``database_url``: ``sqlite://work.db``, ``sqlite:////abs/work.db``, a plain path or
      ``:memory:``; ``?mode=``, ``_synchronous=`` and ``_busy_timeout=`` (milliseconds) may follow;
      or a ``pathlib.Path``, which always names a SQLite file
    * ``config``: the settings; ``DefaultRunnerConfig()``
    * ``schema``: letters, digits and underscores, for PostgreSQL only; none
    * ``registry``: the ``Registry`` whose workflows it runs; the program's own
    * ``start``: False opens it as ``stop()`` would leave it: it claims nothing before ``start()``
    * ``executors``: where the bodies of tasks with ``executor=`` run, by name: a
      ``concurrent.futures.Executor``, which stays yours, or a function that makes one, which the
      runner calls again when the executor has broken, and shuts down; none
    * ``executor_slots``: how many bodies run at once on each; as many as the executor has workers
    * ``redact``: secrets to hide in what is logged and recorded of bodies, as a collection of texts
      or a function that returns one, which is called when it opens; the password of the URL is
      one of them anyway
    * ``queues``: the queues whose tasks it runs, as a list of names, or as a mapping of names to
      numbers: so many runs at once that have ready work of it here; all

    It submits the workflows of its registry; a ``Client`` submits those of other programs too.

    A URL or file that cannot be used raises ``StoreOpenError`` (a ValueError), a missing backend
    ``BackendError`` (an ImportError), a wrong setting ``ConfigError`` (a ValueError), all at once.
    After ``shutdown()`` every call raises ``RunnerClosedError``. The same happens when the engine
    has died, for example because a task body closed its files: calls that wait raise it, the end
    of the ``with`` block raises it too, and other runners take over the runs.
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

    @classmethod
    def with_config(cls, database_url: str | os.PathLike[str], config: DefaultRunnerConfig) -> Self:
        """The same as ``DefaultRunner(database_url, config=config)``."""
        return cls(database_url, config=config)

    @classmethod
    def with_schema(cls, database_url: str, schema: str) -> Self:
        """Open a runner in a schema of its own, which only PostgreSQL has; ValueError elsewhere.

        The schema is made when it is missing. ``StoreOpenError`` (a ValueError) "Failed to create
        DefaultRunner with schema: …" when it cannot be opened.
        """
        _refuse_no_schema(schema)
        try:
            return cls(database_url, schema=schema)
        except StoreError as error:
            message = f"Failed to create DefaultRunner with schema: {error}"
            reason = error.reason if isinstance(error, StoreOpenError) else "unfit"
            raise StoreOpenError(message, reason=reason) from error

    # -- start and stop ----------------------------------------------------------------------

    def start(self) -> None:
        """Claim runs, after ``stop()`` or when it was opened with ``start=False``."""
        from cloaca_core.operations.claiming import Start

        self._do(Start())

    def stop(self) -> None:
        """Claim no further runs; runs of this runner continue, new runs wait in the table."""
        from cloaca_core.operations.claiming import Stop

        self._do(Stop())


def _refuse_no_schema(schema: object) -> None:
    """Refuse None: a program whose tenant name is missing must not open the default schema."""
    if schema is None:
        raise ConfigTypeError("schema must be a str, not NoneType", field="schema")
