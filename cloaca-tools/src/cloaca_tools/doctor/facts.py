"""How the work in a database stands: the facts that ``judgement`` judges. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from cloaca_core.features.triggers.records import TriggerRow
from cloaca_core.features.upkeep.records import Upkeep
from cloaca_core.run.rows import WaitingRow

OVERDUE: Final = 5 * 60 * 1_000_000
"""µs. Work that a runner should have begun so long ago is not begun."""
LEAVING_LONG: Final = 3600 * 1_000_000
"""µs. A runner that was asked to leave so long ago waits for bodies that may hang."""
LIMITED_LONG: Final = 3600 * 1_000_000
"""µs. What has waited so long for a place of a limit may wait for a body that hangs."""
LONG: Final = 30 * 24 * 3600 * 1_000_000
"""µs. Runs that were made so long ago and still wait may have been forgotten."""


class SeenRunner(NamedTuple):
    """A registered runner. ``owned`` is how many runs it has; ``process_ended`` is only true where
    that is certain. It is alive unless one of these three is so. ``draining_since`` is when it was
    asked to leave. ``backlog`` counts its runs that wait for a slot while another runner ``asks``
    for runs.
    """

    id: str
    owned: int
    fenced: bool
    process_ended: bool
    lease_over: bool
    draining_since: int | None = None
    backlog: int = 0
    asks: bool = False

    @property
    def is_alive(self) -> bool:
        """Whether it may begin runs."""
        return not (self.fenced or self.process_ended or self.lease_over)


class SeenQueue(NamedTuple):
    """A queue in which runs wait that no living runner serves, and since when the first waits."""

    name: str
    waiting: int
    since: int


class SeenLimit(NamedTuple):
    """A limit that has no places at all (``is_stopped``), or for which something has waited long:
    since then for this key, where it has one.
    """

    name: str
    is_stopped: bool
    waiting: int
    since: int | None
    key: str | None = None
    changed_by: str | None = None


class Late(NamedTuple):
    """A run and since when it should have gone on, or have ended."""

    run_id: str
    workflow: str
    since: int


class Work(NamedTuple):
    """The work in a database at ``now``, an instant by its own clock. ``here`` is that moment by
    the clock of this computer. ``ownerless`` are runs of runners that are not registered.
    ``forgotten`` have waited for long. Of each kind the first thousand are looked at.
    """

    now: int
    here: int
    runners: Sequence[SeenRunner] = ()
    ownerless: Mapping[str, int] = MappingProxyType({})
    waiting: Sequence[WaitingRow] = ()
    late_triggers: Sequence[str] = ()
    failing_triggers: Sequence[TriggerRow] = ()
    cancelling: Sequence[Late] = ()
    overdue: Sequence[Late] = ()
    forgotten: Sequence[Late] = ()
    paused_workflows: Sequence[str] = ()
    upkeep: Upkeep = Upkeep(keeps_all=False, due_at=0)
    has_runs: bool = False
    unserved_queues: Sequence[SeenQueue] = ()
    limits: Sequence[SeenLimit] = ()
