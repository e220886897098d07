"""What the journal's answer to a record means for its run.

The one part of a run's way that another thread may go: what was got ready begins where the commit
is seen through. What the run comes to is said on the engine's loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cloaca_core._engine.record.journal import Record
from cloaca_core.logs import SafeLogger

if TYPE_CHECKING:
    from cloaca_core._engine.execute.attempt import Attempt
    from cloaca_core._engine.orchestrate.orchestrator import Orchestrator
    from cloaca_core._engine.plan.active_run import ActiveRun
    from cloaca_core.errors import StoreDataError
    from cloaca_core.records.rows import AttemptRow, RunEnd

log = SafeLogger("cloaca.engine")


class RunEntry(Record):
    """Rows of a run. When they are durable its ``ready`` tasks start and its end is told, or
    ``then`` is called in the place of that; the attempts that were got ready ``ahead`` begin
    before.
    """

    __slots__ = ("_ahead", "_flaw", "_has_landed", "_orchestrator", "_ready", "_run", "_then")

    def __init__(
        self,
        orchestrator: Orchestrator,
        run: ActiveRun,
        attempts: list[AttemptRow],
        end: RunEnd | None,
        ready: Sequence[int] = (),
        ahead: Sequence[Attempt] = (),
        *,
        then: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(run.id, run.epoch, attempts, end)
        self._ahead = ahead
        self._orchestrator = orchestrator
        self._flaw: Exception | None = None
        self._has_landed = False
        self._ready = ready
        self._run = run
        self._then = then

    @property
    def is_awaited(self) -> bool:
        """Whether anything was got ready."""
        return bool(self._ahead)

    def landed(self) -> None:
        """Let begin what was got ready; once, even if a store should say it again."""
        if self._has_landed:
            return
        self._has_landed = True
        try:
            self._orchestrator.let_go(self._ahead)
        except Exception as error:  # what the run comes to is for the loop to say
            log.exception("run %s cannot go on", self.run_id, extra={"run_id": self.run_id})
            self._flaw = error

    def recorded(self) -> None:
        """Act on it."""
        if self._ahead:
            self.landed()  # a store that has not said so must not keep the run from going on
            self._orchestrator.journal.mark_soon()
        self._orchestrator.guarded(self._run, self._go_on)
        if self._flaw is not None:
            self._orchestrator.broken(self._run, self._flaw)

    def _go_on(self) -> None:
        if self._then is not None:
            self._then()
        else:
            self._orchestrator.act(self._run, self._ready, self.end)

    def lost(self) -> None:
        """The run belongs to somebody else."""
        self._orchestrator.drop(self._run)

    def refused(self, error: StoreDataError) -> None:
        """The run cannot go on as planned."""
        self._orchestrator.call_off(self._ahead)
        orchestrator, run = self._orchestrator, self._run
        orchestrator.guarded(run, orchestrator.unstorable, run, self, error)
