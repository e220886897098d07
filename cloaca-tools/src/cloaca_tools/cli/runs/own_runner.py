"""``OwnRunner``: executes the runs that it is asked for, and claims no others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cloaca_core.assembly.host import EngineHost
from cloaca_core.client.client import Client
from cloaca_core.client.handles import RunHandle
from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.submission import StartOptions
from cloaca_core.operations.submissions import BeginHere

if TYPE_CHECKING:
    import os

    from cloaca_core.definition.context import ContextLike
    from cloaca_core.values.times.durations import Duration
    from cloaca_core.values.times.no_limit import NoLimit


class OwnRunner(Client):
    """A runner for one run at a time, as a person starts it from a terminal.

    It executes what ``begin_run`` is given and the runs that bodies of these submit, detached ones
    and those that are to wait for an instant aside. It claims nothing, fires no schedule and no
    trigger, and takes no run of another runner over. When it leaves, its runs that have not ended
    wait for other runners. ``registry`` and errors are as in ``DefaultRunner``.
    """

    def __init__(
        self,
        database_url: str | os.PathLike[str],
        *,
        registry: Registry,
        schema: str | None = None,
    ) -> None:
        config = DefaultRunnerConfig(enable_recovery=False, enable_cron_scheduling=False)
        workflows = _without_triggers(registry)
        self._use(EngineHost(database_url, config, schema, workflows, start=False, alone=True))

    def begin_run(
        self,
        workflow_name: str,
        context: ContextLike = None,
        *,
        idempotency_key: str | None = None,
        tags: Mapping[str, str] | None = None,
        time_limit: Duration | NoLimit | None = None,
        priority: int | None = None,
        by: str | None = None,
    ) -> RunHandle:
        """Submit a run and begin it here; arguments and errors as in ``submit``. A run that has the
        key already stays where it is: ``created`` of the handle is False.
        """
        start = StartOptions(priority)
        operation = BeginHere(
            workflow_name, context, idempotency_key, "keep", tags, time_limit, start, by=by
        )
        return RunHandle(self._caller, *self._do(operation))


def _without_triggers(registry: Registry) -> Registry:
    """The workflows of a registry, and none of its triggers."""
    found = Registry()
    for workflow in registry.workflows():
        found.register(workflow)
    return found
