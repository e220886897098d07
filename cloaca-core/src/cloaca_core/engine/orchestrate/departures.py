"""Writes that a run leaves this runner: it is given back to the table, or it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.engine.execute.outcome import CutOff
from cloaca_core.engine.record import attempt_rows
from cloaca_core.logs import SafeLogger
from cloaca_core.run.planner import RunOver
from cloaca_core.run.reasons import Reason
from cloaca_core.run.remaining import queue_of_what_is_left
from cloaca_core.run.rows import THE_TASK, Park
from cloaca_core.values.queue_names import DEFAULT_QUEUE
from cloaca_core.values.states import ReasonCode, RunStatus
from cloaca_core.values.text import storable_text
from cloaca_core.values.times.instants import instant_text
from cloaca_core.values.waits import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.engine.orchestrate.active_runs import ActiveRuns
    from cloaca_core.engine.orchestrate.attempts import Attempts
    from cloaca_core.engine.orchestrate.ports import Ports
    from cloaca_core.engine.orchestrate.run_facts import RunFacts
    from cloaca_core.engine.orchestrate.run_records import RunRecords
    from cloaca_core.engine.record.run_entry import Beside
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.life import End, GiveBack
    from cloaca_core.run.rows import AttemptRow
    from cloaca_core.values.times.clock import Clock

log = SafeLogger("cloaca.engine")


class Departures:
    """Belongs to the engine's loop. ``stop`` stops the bodies and timers of a run; ``redact`` hides
    secrets in the messages of errors.
    """

    def __init__(
        self,
        records: RunRecords,
        attempts: Attempts,
        runs: ActiveRuns,
        clock: Clock,
        facts: RunFacts,
        stop: Callable[[ActiveRun], None],
        ports: Ports,
        redact: Callable[[str], str],
    ) -> None:
        self._records = records
        self._attempts = attempts
        self._runs = runs
        self._clock = clock
        self._facts = facts
        self._stop = stop
        self._ports = ports
        self._redact = redact

    def give_back(
        self,
        run: ActiveRun,
        act: GiveBack,
        rows: Sequence[AttemptRow] = (),
        beside: Sequence[Beside] = (),
    ) -> None:
        """Write that a run has no owner, with the ``rows`` that have led to that."""
        now, due_at = self._clock.wall(), act.due_at
        in_line = self._ports.limits.leaves(run) if run.graph.has_limits else ()
        if due_at is not None:
            other = "a place of a limit" if in_line else "a message"
            until = other if due_at == NEVER else instant_text(due_at)
            ids = {"run_id": run.id, "workflow": run.row.workflow}
            log.info("run %s waits until %s", run.id, until, extra=ids)
        queue = queue_of_what_is_left(run) if act.queue is None else act.queue
        if queue is not None and queue != run.row.queue:
            ids = {"run_id": run.id, "workflow": run.row.workflow}
            log.info("run %s moves to queue %s", run.id, queue, extra=ids)
        seen = run.row.messages if run.waits is None else run.waits.seen
        begun = bool(not act.is_surplus or run.latest or run.recovered or run.row.round > 1)
        if run.graph.limits:
            begun = begun and self._ports.limits.has_place(run)
        rests, rested = int(act.rests), run.limit.rested(now)
        is_plain = queue is None and run.row.queue == DEFAULT_QUEUE
        overdue_at = None if is_plain or act.rests or not begun else _limit_of(run)
        parked = Park(run.id, due_at, now, seen, rests, rested, int(begun), queue, overdue_at)
        self._records.park(run, parked, rows, (*beside, *in_line))

    def end(
        self, run: ActiveRun, end: End, rows: Sequence[AttemptRow], beside: Sequence[Beside]
    ) -> None:
        """Write that a run has failed or was cancelled, with these last ``rows``, and cut its
        attempts off. In a cancelled run, a body that has ended counts, even if its callback has not
        ended.
        """
        reason, now = end.reason, self._clock.wall()
        if end.bare:
            self._stop(run)
            self._places_back(run)
            self._records.end_bare(run, reason)
            return
        cut = [self._cut_row(each, end, now) for each in self._runs.attempts(run)]
        cut = [*rows, *cut, *attempt_rows.cut_waits(run, reason, now)]
        for row in cut:
            if row.item == THE_TASK:
                run.latest[run.graph.position[row.task_id]] = row
        if end.status is RunStatus.CANCELLED:
            self._stop(run)
            self._records.end_cancelled(run, reason, cut, beside)
        else:
            self._facts.ended(run, RunOver(end.status, reason), cut, beside)

    def _cut_row(self, attempt: Attempt, end: End, now: int) -> AttemptRow:
        if end.status is not RunStatus.CANCELLED:
            return attempt_rows.cancelled(attempt, end.reason, now)
        if attempt.outcome is None:
            self._attempts.tell_of_cut(attempt)
        return attempt_rows.cut_off(attempt, attempt.outcome or CutOff(), end.reason, now)

    def end_broken(self, run: ActiveRun, error: Exception) -> None:
        """End a run whose normal end failed by an error in the engine."""
        self._stop(run)
        self._places_back(run)
        self._records.end_bare(run, self.internal_error(error))

    def _places_back(self, run: ActiveRun) -> None:
        """Records of the run that give places of limits back may not be written."""
        if run.graph.has_limits:
            self._ports.limits.abandon(run)

    def internal_error(self, error: Exception) -> Reason:
        """The reason of a run that fails by an error in the engine."""
        text = storable_text(self._redact(f"internal error: {error!r}"))
        return Reason(ReasonCode.INTERNAL_ERROR, text)


def _limit_of(run: ActiveRun) -> int | None:
    """The instant at which its time limit passes."""
    return None if run.limit.deadline is None else run.limit.deadline.at
