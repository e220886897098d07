"""What waits ask of the kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVarTuple

if TYPE_CHECKING:
    from cloaca_core.features.waits.records import ClosedWait, WaitTimeout
    from cloaca_core.features.waits.wait_rows import WaitRows
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.planner import Step
    from cloaca_core.run.rows import AttemptRow

Ts = TypeVarTuple("Ts")


class Guarded(Protocol):
    """Takes a step of a run; an error in the engine ends the run."""

    def __call__(self, run: ActiveRun, step: Callable[[*Ts], None], *args: *Ts) -> None:
        """Take it with these arguments."""


class KernelPort(Protocol):
    """The orchestrator implements it."""

    def follow(
        self,
        run: ActiveRun,
        step: Step,
        attempts: list[AttemptRow],
        closed: Sequence[ClosedWait] = (),
    ) -> None:
        """Record the rows of a fact together with its consequences, then act on them."""

    def fail(
        self,
        run: ActiveRun,
        task: int,
        row: AttemptRow,
        error: str,
        closed: Sequence[ClosedWait] = (),
    ) -> None:
        """A task has failed for good."""

    def note(
        self,
        run: ActiveRun,
        attempts: Sequence[AttemptRow],
        waits: WaitRows | None,
        then: Callable[[], None],
    ) -> None:
        """Have rows of a run written that cause no step by themselves, and call ``then`` when they
        are durable.
        """

    def time_out(
        self, run: ActiveRun, timeout: WaitTimeout, decided: Callable[[bool], None]
    ) -> None:
        """Have it decided whether the time of a wait is over, and call ``decided`` with that."""

    def begin(self, run: ActiveRun, tasks: Sequence[int]) -> None:
        """Start these tasks, and let the run go if nothing of it can go on for now."""

    def look(self, run: ActiveRun) -> None:
        """Let its life decide whether a run that is steered or waits stays here."""

    def guarded(self, run: ActiveRun, step: Callable[[*Ts], None], *args: *Ts) -> None:
        """Take a step of a run; an error in the engine ends the run."""
