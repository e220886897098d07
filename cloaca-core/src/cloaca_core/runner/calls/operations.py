"""All operations of one runner, by subject."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from cloaca_core.runner.calls.runs import RunCalls

if TYPE_CHECKING:
    from cloaca_core.runner.calls.claiming import ClaimingCalls
    from cloaca_core.runner.calls.firing.backfill import BackfillCalls
    from cloaca_core.runner.calls.firing.schedules import ScheduleCalls
    from cloaca_core.runner.calls.firing.triggers import TriggerCalls
    from cloaca_core.runner.calls.upkeep import UpkeepCalls
    from cloaca_core.runner.host import EngineHost


class Operations:
    """Makes the calls of a runner for both façades. Any thread may ask.

    All but ``runs`` are imported at their first use: importing cron's fields and time zones takes
    as long as importing the rest of the engine, and most programs have no schedule.
    """

    def __init__(self, host: EngineHost) -> None:
        self._host = host
        self.runs: RunCalls = RunCalls(host)

    @cached_property
    def claiming(self) -> ClaimingCalls:
        """Calls about the runner itself."""
        from cloaca_core.runner.calls.claiming import ClaimingCalls

        return ClaimingCalls(self._host)

    @cached_property
    def schedules(self) -> ScheduleCalls:
        """Calls about cron schedules."""
        from cloaca_core.runner.calls.firing.schedules import ScheduleCalls

        return ScheduleCalls(self._host)

    @cached_property
    def backfill(self) -> BackfillCalls:
        """Calls about ticks of the past."""
        from cloaca_core.runner.calls.firing.backfill import BackfillCalls

        return BackfillCalls(self._host)

    @cached_property
    def upkeep(self) -> UpkeepCalls:
        """Calls that delete runs."""
        from cloaca_core.runner.calls.upkeep import UpkeepCalls

        return UpkeepCalls(self._host)

    @cached_property
    def triggers(self) -> TriggerCalls:
        """Calls about event triggers."""
        from cloaca_core.runner.calls.firing.triggers import TriggerCalls

        return TriggerCalls(self._host)
