"""The facts about runs that the orchestrator receives from the parts below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVarTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.engine.execute.outcome import Outcome
    from cloaca_core.engine.record.run_entry import Beside
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.merging.ruled_keys import Unmerged
    from cloaca_core.run.planner import RunOver
    from cloaca_core.run.restore import Resume
    from cloaca_core.run.rows import AttemptRow

Ts = TypeVarTuple("Ts")


class Guarded(Protocol):
    """Takes a step of a run; an error in the engine ends the run."""

    def __call__(self, run: ActiveRun, step: Callable[[*Ts], None], *args: *Ts) -> None:
        """Take it with these arguments."""


class RunFacts(Protocol):
    """Receives facts about runs, and decides what follows."""

    def guarded(self, run: ActiveRun, step: Callable[[*Ts], None], *args: *Ts) -> None:
        """Take a step of a run; an error in the engine ends the run."""

    def concluded(self, attempt: Attempt, outcome: Outcome) -> None:
        """The attempt has ended with this outcome."""

    def ended(
        self,
        run: ActiveRun,
        over: RunOver,
        attempts: list[AttemptRow],
        beside: Sequence[Beside] = (),
    ) -> None:
        """The run is over. ``attempts`` are its last rows, written with those of ``beside``."""

    def decide_again(self, run: ActiveRun, tasks: Sequence[int]) -> None:
        """Keys were replaced since these tasks became ready: decide again whether they start."""

    def cannot_merge(self, run: ActiveRun, task: int, resume: Resume, met: Unmerged) -> None:
        """Branches have met at a task with values that a rule of the workflow cannot merge."""

    def killed_too_often(self, run: ActiveRun, task: int, resume: Resume, blamed: int) -> None:
        """Too many processes have died in this attempt to start it again. ``blamed`` is the number
        of deaths that count against it.
        """
