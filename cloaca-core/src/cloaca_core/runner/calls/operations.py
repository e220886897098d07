"""All operations of one runner, by what they are about."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from cloaca_core.runner.calls.runs import RunCalls

if TYPE_CHECKING:
    from cloaca_core.runner.calls.backfill import BackfillCalls
    from cloaca_core.runner.calls.schedules import ScheduleCalls
    from cloaca_core.runner.calls.triggers import TriggerCalls
    from cloaca_core.runner.host import EngineHost


class Operations:
    """Makes the calls of a runner, whichever façade waits for them. Any thread may ask.

    All but ``runs`` are imported when they are first asked for: cron's fields and time zones take
    as long as the rest of the engine, and most programs have no schedule.
    """

    def __init__(self, host: EngineHost) -> None:
        self._host = host
        self.runs: RunCalls = RunCalls(host)

    @cached_property
    def schedules(self) -> ScheduleCalls:
        """Calls about cron schedules."""
        from cloaca_core.runner.calls.schedules import ScheduleCalls

        return ScheduleCalls(self._host)

    @cached_property
    def backfill(self) -> BackfillCalls:
        """Calls about ticks of the past."""
        from cloaca_core.runner.calls.backfill import BackfillCalls

        return BackfillCalls(self._host)

    @cached_property
    def triggers(self) -> TriggerCalls:
        """Calls about event triggers."""
        from cloaca_core.runner.calls.triggers import TriggerCalls

        return TriggerCalls(self._host)
