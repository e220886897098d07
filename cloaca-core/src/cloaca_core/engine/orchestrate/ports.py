"""What features add where runs are taken from step to step.

A run that uses none of them asks none of them. ``assembly`` fills in the ports, once, when the
orchestrator is made; features need it, so they are made after it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

from cloaca_core.store.batch import NO_ROWS, Rows

if TYPE_CHECKING:
    from cloaca_core.definition.handles.wait_calls import BodyCalls
    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.engine.record.run_entry import Beside
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.restore import Resume
    from cloaca_core.run.rows import RunEnd

Gate: TypeAlias = "Callable[[ActiveRun, int, Resume], Callable[[], None] | None]"
"""Decides whether a task that is ready may begin: None if it may. Otherwise returns a function: it
lets the task begin later, or decides what else becomes of it.
"""


class WaitPort(Protocol):
    """Ends the waits of runs. The kernel looks at ``ActiveRun.waits`` first: nothing is asked of a
    run that has none.
    """

    def check(self, run: ActiveRun) -> None:
        """Tasks of the run have begun: end waits that are over, and let its life decide."""

    def told(self, run: ActiveRun, messages: int) -> None:
        """So many messages were sent to the run."""

    def has_left(self, attempt: Attempt) -> None:
        """The body of an attempt has left in a wait."""

    def ended(self, run: ActiveRun, task: int) -> Sequence[Beside]:
        """The attempt of a task has ended; returns what is written with that."""

    def over(self, run: ActiveRun) -> Sequence[Beside]:
        """The end of the run is to be written; returns what is written with that."""

    def forget(self, run: ActiveRun) -> None:
        """The run is over, or is not ours any more."""


class CallPort(Protocol):
    """The calls of bodies that wait for an answer of a feature."""

    @property
    def calls(self) -> Container[Attempt]:
        """The attempts whose bodies wait for one."""

    def interrupt(self, attempt: Attempt) -> None:
        """End the waits of a body whose run is being cancelled."""

    def give_up(self, attempt: Attempt) -> None:
        """Answer the calls of an attempt that was given up or has ended."""


class _NoCalls:
    """No body makes calls."""

    calls: Container[Attempt] = ()

    def interrupt(self, attempt: Attempt) -> None:
        """There is nothing to end."""

    def give_up(self, attempt: Attempt) -> None:
        """There is nothing to answer."""


def _no_body_calls(attempt: Attempt) -> BodyCalls:
    raise NotImplementedError(f"{attempt}: this engine has no steps, waits and children")


def _nothing_follows(_: ActiveRun, __: RunEnd) -> Rows:
    return NO_ROWS


class Ports:
    """The ports of one engine, as they are without features. ``gates`` are asked in their order.
    ``body_calls`` makes what the handle of a body offers; ``follow_ups`` the rows of features that
    count with the end of a run whose workflow asks for some.
    """

    waits: WaitPort

    def __init__(self) -> None:
        self.gates: Sequence[Gate] = ()
        self.calls: CallPort = _NoCalls()
        self.body_calls: Callable[[Attempt], BodyCalls] = _no_body_calls
        self.follow_ups: Callable[[ActiveRun, RunEnd], Rows] = _nothing_follows
