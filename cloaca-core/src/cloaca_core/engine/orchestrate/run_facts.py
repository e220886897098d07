"""What the parts below the orchestrator tell it of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from cloaca_core.features.waits.kernel_port import KernelPort

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.engine.execute.outcome import Outcome
    from cloaca_core.features.steps.memos import BodyCall
    from cloaca_core.features.waits.asked_wait import AskedWait
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.planner import RunOver
    from cloaca_core.run.restore import Resume
    from cloaca_core.run.rows import AttemptRow


class RunFacts(KernelPort, Protocol):
    """The orchestrator decides what follows."""

    def concluded(self, attempt: Attempt, outcome: Outcome) -> None:
        """The attempt has ended with this outcome."""

    def ended(self, run: ActiveRun, over: RunOver, attempts: list[AttemptRow]) -> None:
        """The run is over, with these last rows."""

    def decide_again(self, run: ActiveRun, tasks: Sequence[int]) -> None:
        """Keys were replaced since these tasks were ready: decide anew whether they start."""

    def killed_too_often(self, run: ActiveRun, task: int, resume: Resume, blamed: int) -> None:
        """Too many processes have died in this attempt for it to be started again; so many of those
        deaths count against it.
        """

    def wait(self, call: BodyCall, asked: AskedWait) -> None:
        """A body waits for an instant or a message, without its slot."""

    def defer(self, call: BodyCall, seconds: float) -> None:
        """A body waits for so many seconds, without its slot."""

    def withdraw(self, call: BodyCall) -> None:
        """A body has cut its own wait off."""
