"""Receives the outcomes of the entries of runs from the journal, and takes the next steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.engine.runtime import failpoints
from cloaca_core.logs import SafeLogger
from cloaca_core.run.life import End, State
from cloaca_core.run.reasons import Reason
from cloaca_core.values.states import ReasonCode, RunStatus
from cloaca_core.values.text import storable_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.engine.orchestrate.active_runs import ActiveRuns, Capacity
    from cloaca_core.engine.orchestrate.control import Control
    from cloaca_core.engine.record.journal import Journal
    from cloaca_core.engine.record.run_entry import RunEntry
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.errors import StoreError
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.rows import Park, RunEnd
    from cloaca_core.store.batch import Committed

log = SafeLogger("cloaca.engine")


class RecordOutcomes:
    """The ``RunListener`` of all entries of runs. Belongs to the engine's loop, but for
    ``start_reserved``. ``redact`` hides secrets in the messages of errors.
    """

    def __init__(
        self,
        control: Control,
        runs: ActiveRuns,
        capacity: Capacity,
        journal: Journal,
        subjects: Subjects,
        redact: Callable[[str], str],
    ) -> None:
        self._control = control
        self._runs = runs
        self._capacity = capacity
        self._journal = journal
        self._subjects = subjects
        self._redact = redact

    def messages_sent(self, run: ActiveRun, messages: int) -> None:
        """So many messages were sent to a run that has waits."""
        self._control.guarded(run, self._control.ports.waits.messages_sent, run, messages)

    def decided(self, run: ActiveRun, committed: Committed) -> None:
        """A commit with rows of a run with limits has decided about rows of features."""
        self._control.guarded(run, self._control.ports.limits.given, committed)

    def start_reserved(self, attempts: Iterable[Attempt]) -> None:
        """Start attempts that were prepared ahead. Any thread may call it."""
        self._control.attempts.start_reserved(attempts)

    def call_off(self, entry: RunEntry) -> None:
        """The run is to be cancelled or paused: start nothing more of it."""
        stop_request = RunStatus(entry.stop_request or RunStatus.PAUSED)
        self._control.tell(entry.run, entry.run.life.stop_found, stop_request)

    def recorded(self, entry: RunEntry) -> None:
        """The rows are durable: take the next steps."""
        run = entry.run
        if entry.beside and run.graph.has_limits:
            self._control.ports.limits.recorded(run, entry.beside)
        if entry.ahead:
            self._journal.mark_soon()
            if run.life.state is not State.ACTIVE:
                self._control.guarded(run, self._control.launcher.stop_prepared, run, entry.ahead)
        if entry.end is None:
            self._control.guarded(run, self._go_on, entry)
        else:  # an error cannot end it once more: the journal hears of it
            self._go_on(entry)
        if entry.flaw is not None:
            self._control.broken(run, entry.flaw)

    def _go_on(self, entry: RunEntry) -> None:
        run = entry.run
        if entry.stop_request is not None:
            self._subjects.steered.publish()
        if entry.then is not None:
            entry.then()
        elif entry.end is not None:
            if failpoints.watches:
                failpoints.hit("run.after_end")
            self._runs.remove(run)
            end = entry.end if entry.stop_request is None else _recorded_end(entry, entry.end)
            self._subjects.ended.publish(run, end)
            self._capacity.changed()
            if run.graph.when_ended:
                self._subjects.claimable.publish()
            elif run.row.schedule_id or run.row.singleton_key:  # another run may have waited for it
                self._subjects.claimable_here.publish()
        elif entry.park is not None:
            self._gave_back(entry, entry.park)
        else:
            if entry.exhausted is not None:  # the run is paused, by a record of ours
                self._control.tell(run, run.life.stop_found, RunStatus.PAUSED)
                self._subjects.steered.publish()
            self._control.begin(run, entry.ready)

    def _gave_back(self, entry: RunEntry, park: Park) -> None:
        run, stop_request = entry.run, entry.stop_request
        failpoints.hit("run.after_park")
        if run.graph.has_limits and stop_request != RunStatus.CANCELLED:
            self._control.ports.limits.left(run)
        self._control.tell(
            run, run.life.gave_back, None if stop_request is None else RunStatus(stop_request)
        )
        if stop_request == RunStatus.CANCELLED:
            return
        if stop_request is None and (park.due_at is None or entry.messages > park.seen):
            self._tell_of_claimable(park.queue)
        self._subjects.steered.publish()

    def _tell_of_claimable(self, queue: str | None) -> None:
        """A run that was given back may be claimed: by this runner too, if it serves its queue. A
        claim that finds nothing would only delay the claim of another runner.
        """
        routes = self._control.ports.routes
        if queue is None or routes is None or routes.serves(queue):
            self._subjects.claimable_here.publish()
        else:
            self._subjects.moved_away.publish()

    def lost(self, entry: RunEntry) -> None:
        """The run belongs to another runner."""
        if entry.beside and entry.run.graph.has_limits:
            self._control.ports.limits.recorded(entry.run, entry.beside)
        self._control.tell(entry.run, entry.run.life.lost)

    def refused(self, entry: RunEntry, error: StoreError) -> None:
        """The database refused the rows: the run cannot continue as planned."""
        self._control.launcher.call_off(entry.ahead)
        if entry.run.graph.has_limits:
            self._control.ports.limits.abandon(entry.run)
        self._control.guarded(entry.run, self._unstorable, entry, error)

    def _unstorable(self, entry: RunEntry, error: StoreError) -> None:
        """The database refuses these rows of a run."""
        run, end = entry.run, entry.end
        log.error("run %s: a record was refused: %s", run.id, error, extra={"run_id": run.id})
        text = storable_text(self._redact(f"a result could not be stored: {error}"))
        reason, refused = Reason(ReasonCode.UNSTORABLE, text), None
        if end is not None:
            bare = not entry.attempts and end.final_context == "{}"
            refused = End(RunStatus(end.status), reason, bare)
        self._control.tell(run, run.life.refused, reason, refused)


def _recorded_end(entry: RunEntry, end: RunEnd) -> RunEnd | None:
    """The end as it was written; None if only the table knows it, as the run was to be
    cancelled.
    """
    cancelled = entry.stop_request == RunStatus.CANCELLED and end.status != RunStatus.CANCELLED
    return None if cancelled else end
