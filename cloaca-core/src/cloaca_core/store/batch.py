"""A batch of the journal, its result, and the work that waits for a runner."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from cloaca_core.features.follow_ups.records import NewFollowUp
from cloaca_core.features.schedules.records import Cancellation, Firing, NewTick
from cloaca_core.features.steps.records import MemoRow
from cloaca_core.features.task_logs.records import LogChunk, OldChunk, ProgressRow
from cloaca_core.features.triggers.records import NewEvent, TriggerRow
from cloaca_core.features.waits.records import ClosedWait, NewMessage, WaitRow, WaitTimeout
from cloaca_core.run.rows import AttemptRow, Exhausted, NewRun, Park, RunEnd, WaitingRow


class Waiting(NamedTuple):
    """Waiting work by workflow, and the number of other live runners."""

    rows: list[WaitingRow]
    other_runners: int


class Batch(NamedTuple):
    """The records of one journal transaction, all of one runner.

    ``fences`` maps each run of ``attempts``, ``ends``, ``parks``, ``exhausted``, ``memos``,
    ``waits``, ``timeouts``, ``closed``, ``lines``, ``old_lines`` and ``progress`` to the epoch of
    their owner; runs of ``new_runs`` are not in it. ``messages`` are sent to runs of ``new_runs``,
    at most one to each. ``firings`` has one entry for each schedule of ``cancellations`` and of
    ``ticks`` with a generation; ``turns`` has the triggers whose polls found the ``events``.
    ``follow_ups`` are of runs of ``ends``.
    """

    runner_id: str
    new_runs: list[NewRun]
    attempts: list[AttemptRow]
    ends: list[RunEnd]
    fences: dict[str, int]
    firings: Sequence[Firing] = ()
    ticks: Sequence[NewTick] = ()
    cancellations: Sequence[Cancellation] = ()
    events: Sequence[NewEvent] = ()
    turns: Sequence[TriggerRow] = ()
    parks: Sequence[Park] = ()
    follow_ups: Sequence[NewFollowUp] = ()
    exhausted: Sequence[Exhausted] = ()
    memos: Sequence[MemoRow] = ()
    waits: Sequence[WaitRow] = ()
    timeouts: Sequence[WaitTimeout] = ()
    closed: Sequence[ClosedWait] = ()
    messages: Sequence[NewMessage] = ()
    lines: Sequence[LogChunk] = ()
    old_lines: Sequence[OldChunk] = ()
    progress: Sequence[ProgressRow] = ()


class Committed(NamedTuple):
    """The result of writing a batch.

    ``owned``: ids of ``new_runs`` that were sent with this runner as owner and are its own (epoch
    1). A run sent without an owner, and claimed before it was sent again, is reported by the claim.
    ``existing``: for a new run whose (workflow, idempotency_key) was taken, the id of the run that
    has it. ``current``: the runs of ``fences`` that this runner still owns under that epoch;
    nothing was recorded for the others. ``held``: ids of new runs that were not written, because
    another open transaction may be writing a run with their key. ``wishes``: of the runs in
    ``current`` those that are to be Cancelled or Paused, with that state. The records of such a run
    count, but it starts nothing more; an end of one that is to be cancelled was written as
    Cancelled. ``replaced``: of the runs in ``current`` those whose keys were replaced, and how
    often. ``messages``: of the runs in ``current`` those that messages were sent to, and how many
    had a number by then. ``timed_out``: of ``timeouts`` those of which it is decided now, or was,
    that their time is over. ``orphans``: new runs that were not written, since the tree of their
    parent was pruned. ``refused``: new runs whose parent is being cancelled, or was; they were not
    written either, or by an earlier call, and are cancelled as its children.
    """

    owned: frozenset[str]
    existing: dict[str, str]
    current: frozenset[str]
    held: frozenset[str] = frozenset()
    wishes: Mapping[str, str] = MappingProxyType({})
    replaced: Mapping[str, int] = MappingProxyType({})
    orphans: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    messages: Mapping[str, int] = MappingProxyType({})
    timed_out: frozenset[WaitTimeout] = frozenset()
