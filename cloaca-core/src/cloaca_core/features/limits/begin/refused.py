"""Bodies whose limits cannot be asked: a key is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.engine.execute.outcome import raised
from cloaca_core.engine.record import attempt_rows
from cloaca_core.run.items.units import TASK

if TYPE_CHECKING:
    from cloaca_core.engine.orchestrate.orchestrator import Orchestrator
    from cloaca_core.errors import LimitKeyError
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.restore import Resume
    from cloaca_core.values.times.instants import Instant


def refuse(
    kernel: Orchestrator,
    run: ActiveRun,
    unit: int,
    resume: Resume,
    error: LimitKeyError,
    now: Instant,
) -> None:
    """The task fails, as it has no key."""
    failure = raised(error, again=False)
    row = attempt_rows.failed_unstarted(run, unit, resume, failure, now)
    ports = kernel.control.ports
    closed = () if run.waits is None else ports.waits.ended(run, unit)
    if unit > TASK:
        ports.maps.ended_without_body(run, unit, row, None, closed)
    else:
        kernel.fail(run, unit, row, str(failure), closed)
