"""Calls that steer all runs of a selection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.errors import ConfigError
from cloaca_core.runner.calls.call import Call
from cloaca_core.runner.calls.names import FilterByName
from cloaca_core.runner.calls.orders import checked_order
from cloaca_core.runner.results import BulkResult
from cloaca_core.values.arguments import refuse_other_types

if TYPE_CHECKING:
    from cloaca_core._engine.engine import Engine
    from cloaca_core._engine.steer.bulk import Steps
    from cloaca_core.runner.calls.arguments import Requests, Selection
    from cloaca_core.runner.host import EngineHost


class BulkCalls:
    """Makes the calls of one runner. Any thread may ask."""

    def __init__(self, host: EngineHost, requests: Requests) -> None:
        self._host = host
        self._requests = requests

    def steer(
        self, kind: str, selection: Selection, reason: str | None, by: str | None, dry_run: bool
    ) -> Call[BulkResult]:
        """Cancel, pause, resume or retry (``kind``) the runs of a selection, which must not be
        empty.
        """
        refuse_other_types("dry_run", dry_run, bool, "a bool")
        order = checked_order(kind, reason, by)
        run_filter = self._requests.run_filter(selection)
        if not any(each for each in selection):
            raise ConfigError(
                f"{kind}_many needs a filter: give status, workflow_name, tags, since, until, "
                "parent_id or error"
            )
        wanted = FilterByName.of(self._host, run_filter, selection.workflow_name)
        grace = self._host.config.shutdown_grace_seconds

        async def answer(engine: Engine) -> Steps:
            bulk = engine.steering.bulk
            return await bulk.steer(await wanted.resolved(engine), order, grace, dry_run=dry_run)

        return Call(lambda: self._host.send(answer), bulk_result)


def bulk_result(steps: Steps) -> BulkResult:
    """How many runs an order has found and changed."""
    return BulkResult(steps.matched, steps.changed, steps.matched - steps.changed)
