"""Gives runs back that wait: a run that waits is in no runner's memory.

One that is due soon stays, and keeps its place. One that a message may let go on at any moment
stays for a while, without a place. Of runs that wait for a slot some are given to a runner that has
free ones (``claim/giving`` decides which).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from cloaca_core._engine.execute.work import Stage
from cloaca_core.logs import SafeLogger
from cloaca_core.records.runs import Park
from cloaca_core.records.states import TaskStatus
from cloaca_core.records.waits import NEVER
from cloaca_core.values.instants import SECOND, instant_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloaca_core._engine.execute.attempt import Attempt
    from cloaca_core._engine.orchestrate.active_runs import ActiveRuns
    from cloaca_core._engine.orchestrate.launcher import Launcher
    from cloaca_core._engine.plan.active_run import ActiveRun
    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.values.clock import Clock

log = SafeLogger("cloaca.engine")

DUE_SOON: Final = 5 * SECOND
"""µs; a run that is due within them is not worth two commits and a claim."""


class ParkingCourse(Protocol):
    """The step of a run that waits; the orchestrator takes it."""

    def park(self, run: ActiveRun, park: Park) -> None:
        """Have a run given back, and forget it when that is durable."""

    def launch(self, run: ActiveRun, tasks: Sequence[int]) -> None:
        """Start these tasks."""


class WaitingRuns:
    """Belongs to the engine's loop. ``place_free`` is called when a run needs no place for a
    while. One that ``keeps`` its runs gives none back before it leaves: it could not claim them.
    """

    def __init__(
        self,
        config: DefaultRunnerConfig,
        launcher: Launcher,
        runs: ActiveRuns,
        clock: Clock,
        place_free: Callable[[], None],
        course: ParkingCourse,
        *,
        keeps: bool = False,
    ) -> None:
        self._keeps = keeps
        self._linger = round(config.evict_after_seconds * SECOND)
        self._most_lingering = config.max_active_runs
        self._launcher = launcher
        self._runs = runs
        self._clock = clock
        self._place_free = place_free
        self._course = course

    def settle(self, run: ActiveRun, *, leaves: bool = False) -> None:
        """Park a run of which nothing can go on for a while; if its runner ``leaves``, for however
        short a while. The end of its time limit brings it back, unless it rests.
        """
        if run.over or run.parked or run.wish is not None or (self._keeps and not leaves):
            return
        instants, seen = self._launcher.back_offs.due(run), run.row.messages
        idle, due_at = set(instants), min(instants.values(), default=NEVER)
        if (waits := run.waits) is not None:
            if waits.is_ending() or waits.has_news:
                return
            idle |= waits.resting()
            due_at, seen = min(due_at, waits.next_due() or NEVER), waits.seen
        ready = [i for i, status in enumerate(run.plan.statuses) if status is TaskStatus.READY]
        if not idle or len(idle) < len(ready):  # others run, or their start is on its way
            return
        if run.deadline is not None and run.rests_since is None:
            due_at = min(due_at, run.deadline.at)
        now = self._clock.wall()
        if not leaves and (due_at - now <= DUE_SOON or self._may_linger(run, now)):
            return
        ids = {"run_id": run.id, "workflow": run.row.workflow}
        until = "a message" if due_at == NEVER else instant_text(due_at)
        log.info("run %s waits until %s", run.id, until, extra=ids)
        self._park(run, Park(run.id, due_at, now, seen, rests=int(run.rests_since is not None)))

    def leave(self, run: ActiveRun) -> None:
        """Give a run back of whose rest only this runner knows, as the runner leaves."""
        if run.rested or run.rests_since is not None:
            self.settle(run, leaves=True)
            if not (run.over or run.parked):
                self._park(run, Park(run.id, None, self._clock.wall()))

    def waits_for_slot(self, run: ActiveRun) -> bool:
        """Whether no body of a run has begun here and all that are ready wait for a slot, and no
        body or run here waits for it.
        """
        if run.over or run.parked or run.wish is not None or run.waits is not None or run.depth:
            return False
        attempts = self._runs.attempts(run)
        if not attempts or not all(map(_waits, attempts)):
            return False
        if run.row.parent_id in self._runs or self._launcher.back_offs.has(run):
            return False
        return all(row.epoch != run.epoch for row in run.latest.values())

    def give(self, run: ActiveRun) -> None:
        """Give a run back that waits for a slot, unless a body of it begins at this moment."""
        begun = bool(run.latest or run.recovered or run.row.round > 1)
        run.parked = True
        self._launcher.hold(run)
        if self._runs.attempts(run):
            run.parked = False
            held, run.held = run.held, []
            self._course.launch(run, held)
        else:
            seen, now = run.row.messages, self._clock.wall()
            self._course.park(run, Park(run.id, None, now, seen, begun=int(begun)))

    def _park(self, run: ActiveRun, park: Park) -> None:
        run.parked = True
        self._launcher.hold(run)
        rested = run.rested
        if run.rests_since is not None:
            rested += max(0, park.parked_at - run.rests_since)
        self._course.park(run, park._replace(rested=rested))

    def _may_linger(self, run: ActiveRun, now: int) -> bool:
        """Whether a message may soon let the run go on; it is looked at again then."""
        since = None if run.waits is None else run.waits.newest_for_event()
        if since is None or now >= since + self._linger:
            return False
        lingers = self._runs.linger(run, self._most_lingering)
        if lingers:
            self._place_free()
        return lingers


def _waits(attempt: Attempt) -> bool:
    """Whether an attempt has not begun, and is not about to: none is marked before its turn."""
    has_begun = attempt.stage not in (Stage.HELD, Stage.QUEUED)
    return not (has_begun or attempt.ahead or attempt.marked)
