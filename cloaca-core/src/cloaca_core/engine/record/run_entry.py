"""Rows of one run in the journal, and the steps that follow when they are durable.

Attempts that were prepared ahead begin on the committing thread. That is the only step of a run off
the engine's loop; everything else about the run is decided on the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from cloaca_core.engine.record.entries import Draft, Entry
from cloaca_core.logs import SafeLogger
from cloaca_core.run.rows import RunEnd
from cloaca_core.store.batch import NO_ROWS, weight_of
from cloaca_core.values.payloads.json_values import encode
from cloaca_core.values.states import RunStatus

if TYPE_CHECKING:
    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.errors import StoreError
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.planner import RunOver
    from cloaca_core.run.rows import AttemptRow, Exhausted, Park
    from cloaca_core.run.watcher import EndedWait
    from cloaca_core.store.batch import Committed, Rows

log = SafeLogger("cloaca.engine")

MOST_SHARING: Final = 500
"""Rows of one shared entry."""
MOST_SHARED_BYTES: Final = 1 << 20
"""Bytes from which on a shared entry takes no more rows: a batch holds whole entries."""


class RunListener(Protocol):
    """Receives the outcome of a run's rows: one of ``recorded``, ``lost`` and ``refused``."""

    def start_reserved(self, attempts: Iterable[Attempt]) -> None:
        """Start these attempts: the rows are durable. ``recorded`` follows. Any thread may call
        it.
        """

    def messages_sent(self, run: ActiveRun, messages: int) -> None:
        """A commit has found that so many messages were sent to a run that has waits."""

    def decided(self, run: ActiveRun, committed: Committed) -> None:
        """A commit with rows of the run has decided about rows of features."""

    def call_off(self, entry: RunEntry) -> None:
        """The rows are durable, but the run is to be paused or cancelled: the attempts prepared
        ahead must not begin.
        """

    def recorded(self, entry: RunEntry) -> None:
        """The rows are durable."""

    def lost(self, entry: RunEntry) -> None:
        """This runner no longer owns the run; nothing was written."""

    def refused(self, entry: RunEntry, error: StoreError) -> None:
        """The database refuses a value; nothing was written."""


class Beside(Protocol):
    """Rows of a feature that are written with an entry of a run."""

    @property
    def weight(self) -> int:
        """The approximate size in bytes."""

    def add_to(self, draft: Draft) -> None:
        """Add the rows to a batch."""

    def ended_waits(self, run: ActiveRun, attempts: Sequence[AttemptRow]) -> list[EndedWait]:
        """The waits that end with these rows and with these attempts."""


class RunEntry(Entry):
    """All rows count, or none. When they do, the ``ready`` tasks start and the ``end`` is
    published; or ``then`` is called instead; or, with ``park``, the run is given back. With
    ``exhausted`` it is paused, and the ``ready`` tasks wait until it is resumed. ``with_end`` are
    rows of features that count with the end; the rows of ``beside`` are written in any case. The
    attempts prepared ``ahead`` begin on the committing thread; ``flaw`` is the error of their
    start, if any. ``stop_request`` is the status that was requested for the run, Paused or
    Cancelled, as the commit found it: then nothing starts. ``messages`` is the number of messages
    that were sent to the run by then.
    """

    __slots__ = (
        "_replacements",
        "ahead",
        "attempts",
        "beside",
        "end",
        "exhausted",
        "flaw",
        "listener",
        "messages",
        "on_commit",
        "park",
        "ready",
        "run",
        "stop_request",
        "then",
        "weight",
        "with_end",
    )

    is_of_run: bool = True

    def __init__(
        self,
        listener: RunListener,
        run: ActiveRun,
        attempts: Sequence[AttemptRow],
        end: RunEnd | None,
        ready: Sequence[int] = (),
        ahead: Sequence[Attempt] = (),
        *,
        then: Callable[[], None] | None = None,
        park: Park | None = None,
        with_end: Rows = NO_ROWS,
        exhausted: Exhausted | None = None,
        beside: Sequence[Beside] = (),
    ) -> None:
        self.listener: RunListener = listener
        self.run: ActiveRun = run
        self.attempts: Sequence[AttemptRow] = attempts
        self.end: RunEnd | None = end
        self.ready: Sequence[int] = ready
        self.ahead: Sequence[Attempt] = ahead
        self.then: Callable[[], None] | None = then
        self.park: Park | None = park
        self.with_end: Rows = with_end
        self.exhausted: Exhausted | None = exhausted
        self.beside: Sequence[Beside] = beside
        self.stop_request: str | None = None
        self.messages: int = 0
        self._replacements = run.plan.contexts.replacements
        self.flaw: Exception | None = None
        self.on_commit: Callable[[Committed], None] | None = self._begin_ahead if ahead else None
        self.weight: int = 0
        for attempt in attempts:
            self.weight += attempt.weight
        if end is not None:
            self.weight += end.weight
        if with_end:
            self.weight += weight_of(with_end)
        for each in beside:
            self.weight += each.weight

    def add_to(self, draft: Draft) -> None:
        draft.fences[self.run.id] = self.run.epoch
        draft.attempts.extend(self.attempts)
        if self.end is not None:
            draft.ends.append(self.end)
            if self.with_end:
                draft.put_all(self.with_end)
        elif self.park is not None:
            draft.parks.append(self.park)
        elif self.exhausted is not None:
            draft.exhausted.append(self.exhausted)
        for each in self.beside:
            each.add_to(draft)

    def _begin_ahead(self, committed: Committed) -> None:
        """Start the attempts prepared ahead; once, even if a store should call it again."""
        if self.on_commit is None or self.run.id not in committed.current:
            return
        may_stop = committed.stop_requests or committed.replaced
        if may_stop and self._stop_request_in(committed) is not None:  # nothing more of it starts
            return
        self.on_commit = None
        try:
            self.listener.start_reserved(self.ahead)
        except Exception as error:  # the engine's loop ends the run
            log.exception("run %s cannot go on", self.run.id, extra={"run_id": self.run.id})
            self.flaw = error

    def settled(self, committed: Committed) -> None:
        if committed.decided and self.run.graph.has_limits:
            self.listener.decided(self.run, committed)
        if self.run.id not in committed.current:
            self.listener.lost(self)
            return
        if committed.messages:
            self.messages = committed.messages.get(self.run.id, 0)
            if self.run.waits is not None:
                self.listener.messages_sent(self.run, self.messages)
        if committed.stop_requests or committed.replaced:
            self.stop_request = self._stop_request_in(committed)
        if self.stop_request is not None:
            self.listener.call_off(self)
        elif self.on_commit is not None:  # the run must go on even if the store has not called it
            self.on_commit(committed)
        self.listener.recorded(self)

    def _stop_request_in(self, committed: Committed) -> str | None:
        """The status, Paused or Cancelled, that is requested for the run, as this commit found it.
        If keys were replaced of which the engine did not know when it made this entry, the run
        pauses until they are read; a run that is given back is read again anyway.
        """
        if (
            committed.stop_requests
            and (stop_request := committed.stop_requests.get(self.run.id)) is not None
        ):
            return stop_request
        if self.park is not None or not committed.replaced:
            return None
        is_new = committed.replaced.get(self.run.id, 0) > self._replacements
        return RunStatus.PAUSED if is_new else None

    def refused(self, error: StoreError) -> None:
        self.listener.refused(self, error)


class SharedEntry(RunEntry):
    """Rows of one run that count each by itself: they share an entry as they come within one turn
    of the journal. It takes no more rows once it is ``closed``, as it is large. ``taken`` is what
    the journal had counted when it was made: later it may have left the inbox.
    """

    __slots__ = ("_rows", "closed", "taken")

    weight: int

    def __init__(self, listener: RunListener, run: ActiveRun, row: AttemptRow, taken: int) -> None:
        self._rows: list[AttemptRow] = [row]
        self.taken: int = taken
        super().__init__(listener, run, self._rows, None)
        self.closed: bool = self.weight >= MOST_SHARED_BYTES

    def join(self, row: AttemptRow) -> int:
        """Write a row with the others. Returns its weight."""
        self._rows.append(row)
        self.weight += (weight := row.weight)
        self.closed = len(self._rows) >= MOST_SHARING or self.weight >= MOST_SHARED_BYTES
        return weight

    def apart(self) -> Sequence[Entry]:
        if len(self._rows) == 1:
            return ()
        return [SharedEntry(self.listener, self.run, row, self.taken) for row in self._rows]


def end_row(run: ActiveRun, over: RunOver, context: str | None, now: int) -> RunEnd:
    """The row of a run's end, which is built nowhere else: at ``now``, with this final context as
    JSON, or None if that is its input.
    """
    reason = over.reason
    return RunEnd(
        run.id,
        run.epoch,
        over.status.value,
        context,
        None if reason is None else reason.text,
        now,
        run.row.schedule_id,
        None if reason is None else str(reason.code),
        None if reason is None else reason.limit_seconds,
        encode(list(reason.tasks)) if reason is not None and reason.tasks else None,
        None
        if run.row.singleton_key is None
        else encode([run.row.workflow, run.row.singleton_key]),
    )
