"""The operation that steers all runs of a selection."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cloaca_core.engine.calls.orders import checked_order
from cloaca_core.errors import ConfigError
from cloaca_core.features.definitions.names import FilterByName
from cloaca_core.features.steering.results import BulkResult
from cloaca_core.values.arguments import refuse_other_types

if TYPE_CHECKING:
    from cloaca_core.assembly.caller import Caller
    from cloaca_core.assembly.engine import Engine
    from cloaca_core.engine.calls.arguments import Selection
    from cloaca_core.engine.calls.call import Call
    from cloaca_core.features.steering.bulk import Steps


class SteerMany(NamedTuple):
    """Cancel, pause, resume or retry (``kind``) the runs of a selection, which is not empty."""

    kind: str
    selection: Selection
    reason: str | None = None
    by: str | None = None
    dry_run: bool = False

    def call(self, caller: Caller) -> Call[BulkResult]:
        """See ``Operation``."""
        refuse_other_types("dry_run", self.dry_run, bool, "a bool")
        order = checked_order(self.kind, self.reason, self.by)
        run_filter = caller.requests().run_filter(self.selection)
        if not any(each for each in self.selection):
            raise ConfigError(
                f"{self.kind}_many needs a filter: give status, workflow_name, tags, since, until, "
                "parent_id or error"
            )
        wanted = FilterByName.of(caller.host, run_filter, self.selection.workflow_name)
        grace = caller.host.config.shutdown_grace_seconds

        async def answer(engine: Engine) -> Steps:
            bulk, found = engine.steering.bulk, await wanted.resolved(engine)
            return await bulk.steer(found, order, grace, dry_run=self.dry_run)

        return caller.act(answer, bulk_result)


def bulk_result(steps: Steps) -> BulkResult:
    """How many runs an order has found and changed."""
    refused = steps.matched - steps.changed
    return BulkResult(steps.matched, steps.changed, refused, steps.act_id)
