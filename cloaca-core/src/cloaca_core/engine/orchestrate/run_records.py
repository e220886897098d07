"""Writes rows of runs: makes the entries of the journal, and the row of each end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cloaca_core.engine.record.run_entry import RunEntry, SharedEntry, end_row
from cloaca_core.engine.runtime import failpoints
from cloaca_core.run.planner import RunOver
from cloaca_core.run.reasons import Reason
from cloaca_core.store.batch import NO_ROWS
from cloaca_core.values.payloads.json_values import encode
from cloaca_core.values.states import ReasonCode, RunStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.engine.orchestrate.ports import Ports
    from cloaca_core.engine.record.journal import Journal
    from cloaca_core.engine.record.run_entry import Beside, RunListener
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.rows import AttemptRow, Exhausted, Park, RunEnd
    from cloaca_core.values.times.clock import Clock


class RunRecords:
    """Belongs to the engine's loop. ``listener`` receives the outcome of each entry; the
    orchestrator sets it once.
    """

    listener: RunListener

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        config: DefaultRunnerConfig,
        ports: Ports,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._max_context_bytes = config.max_context_bytes
        self._ports = ports

    # -- progress ----------------------------------------------------------------------------

    def write(
        self,
        run: ActiveRun,
        attempts: Sequence[AttemptRow],
        ready: Sequence[int] = (),
        ahead: Sequence[Attempt] = (),
        *,
        beside: Sequence[Beside] = (),
        exhausted: Exhausted | None = None,
    ) -> None:
        """Write rows. The ``ready`` tasks start once they are durable; the attempts prepared
        ``ahead`` start on the committing thread. ``exhausted`` pauses the run.
        """
        self._journal.add(
            RunEntry(
                self.listener,
                run,
                attempts,
                None,
                ready,
                ahead,
                exhausted=exhausted,
                beside=beside,
            )
        )

    def share(self, run: ActiveRun, row: AttemptRow, entry: SharedEntry | None) -> SharedEntry:
        """Write a row that causes no step by itself, with the rows of ``entry`` if that waits for
        its commit; otherwise with later rows. Returns their entry.
        """
        if entry is None or not self._journal.join(entry, row):
            entry = SharedEntry(self.listener, run, row, self._journal.taken)
            self._journal.add(entry)
        return entry

    def note(
        self,
        run: ActiveRun,
        attempts: Sequence[AttemptRow],
        beside: Sequence[Beside],
        then: Callable[[], None],
    ) -> None:
        """Write rows of a run that cause no step by themselves, and call ``then`` when they are
        durable.
        """
        self._journal.add(RunEntry(self.listener, run, attempts, None, then=then, beside=beside))

    def mark(
        self,
        attempt: Attempt,
        row: AttemptRow,
        then: Callable[[], None],
        beside: Sequence[Beside] = (),
    ) -> None:
        """Write the state of a body, and call ``then`` when it is durable."""
        self._journal.add(
            RunEntry(self.listener, attempt.owner, [row], None, then=then, beside=beside)
        )

    def add(self, entry: RunEntry) -> None:
        """Write an entry of a feature, which calls ``listener``."""
        self._journal.add(entry)

    def park(
        self,
        run: ActiveRun,
        park: Park,
        attempts: Sequence[AttemptRow] = (),
        beside: Sequence[Beside] = (),
    ) -> None:
        """Write that a run is given back, with the rows that have led to that."""
        self._journal.add(RunEntry(self.listener, run, attempts, None, park=park, beside=beside))

    # -- ends --------------------------------------------------------------------------------

    def end(
        self,
        run: ActiveRun,
        over: RunOver,
        context: str | None,
        attempts: Sequence[AttemptRow],
        beside: Sequence[Beside] = (),
    ) -> None:
        """Write the end of a run with this final context; see ``final_context``."""
        if failpoints.watches:
            failpoints.hit("run.before_end")
        if (too_large := self._too_large(run, context)) is not None:
            if (first := over.reason) is not None:
                too_large = replace(first, text=f"{first.text}; {too_large.text}")
            over, context = RunOver(RunStatus.FAILED, too_large), "{}"
        self._write_end(run, attempts, end_row(run, over, context, self._clock.wall()), beside)

    def end_cancelled(
        self,
        run: ActiveRun,
        reason: Reason,
        attempts: Sequence[AttemptRow],
        beside: Sequence[Beside],
    ) -> None:
        """Write the end of a cancelled run; its final context is its input."""
        over = RunOver(RunStatus.CANCELLED, reason)
        self._write_end(run, attempts, end_row(run, over, None, self._clock.wall()), beside)

    def end_bare(self, run: ActiveRun, reason: Reason) -> None:
        """Write the end of a run without its context, which may be the value that the database
        refused.
        """
        over = RunOver(RunStatus.FAILED, reason)
        self._write_end(run, [], end_row(run, over, "{}", self._clock.wall()))

    def _write_end(
        self,
        run: ActiveRun,
        attempts: Sequence[AttemptRow],
        end: RunEnd,
        beside: Sequence[Beside] = (),
    ) -> None:
        """Write an end; it closes all waits of the run."""
        with_end = NO_ROWS
        if run.graph.when_ended or run.row.child_kind is not None or run.awaits_children:
            with_end = self._ports.with_end(run, end)
        if run.waits is not None:
            beside = [*beside, *self._ports.waits.over(run)]
        if run.graph.limits:
            beside = [*beside, *self._ports.limits.over(run)]
        self._journal.add(
            RunEntry(self.listener, run, attempts, end, with_end=with_end, beside=beside)
        )

    def _too_large(self, run: ActiveRun, context: str | None) -> Reason | None:
        """The reason if the final context is too large: several tasks together may exceed the
        limit.
        """
        most, handed_on = self._max_context_bytes, context or run.row.input
        if run.size_bound <= most or (size := len(handed_on.encode())) <= most:
            return None
        text = f"the final context is {size} bytes long; max_context_bytes is {most}"
        return Reason(ReasonCode.CONTEXT_TOO_LARGE, text)


def final_context(run: ActiveRun) -> str | None:
    """The context with which a run ends, as JSON; None if it is equal to its input."""
    contexts = run.plan.contexts
    final = contexts.final()
    return None if final is contexts.input and not run.has_defaults else encode(final)


def merged_end(run: ActiveRun, over: RunOver) -> RunOver:
    """The end of a run that has completed, or that it failed: a rule of its workflow cannot merge
    the contexts of its last tasks.
    """
    met = run.plan.contexts.unmerged_at_end()
    if met is None:
        return over
    return RunOver(RunStatus.FAILED, Reason(ReasonCode.MERGE, f"final context: {met.text}"))
