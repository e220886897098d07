"""The side of an executor that attempts know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from concurrent.futures import Future

    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.engine.execute.outcome import Outcome
    from cloaca_core.features.executors.kinds import OnStart
    from cloaca_core.features.executors.remote.answer import Answer
    from cloaca_core.features.executors.remote.cancel_files import CancelFiles
    from cloaca_core.features.executors.remote.line_socket import LineSocket


class Carrier(Protocol):
    """Brings bodies to one executor, and tells what comes back. Any thread may call it."""

    @property
    def place(self) -> str:
        """The place of work that runs there."""

    @property
    def domain(self) -> str:
        """The failure domain of bodies there: the engine's process if the executor runs in it."""

    @property
    def cancel_files(self) -> CancelFiles:
        """The files that tell bodies to end."""

    def line_socket(self) -> LineSocket | None:
        """Brings lines of bodies on this host as they are logged; None where that cannot be."""

    def runs_next(self) -> bool:
        """Whether a body that is handed over now runs at once, as far as that can be known."""

    def submit(self, attempt: Attempt, on_start: OnStart) -> Future[Answer]:
        """Hand a body over. Where it cannot be known when it begins, it does now."""

    def interrupt(self, call: Future[Answer]) -> None:
        """Have the executor tell a call to end, if it can."""

    def cancel(self, call: Future[Answer]) -> None:
        """Have the executor end a call, if it can."""

    def frees_worker(self, call: Future[Answer]) -> bool:
        """Whether the body of a call has returned, on a worker whose next call may be submitted
        from this callback. If it raised, user code may have to judge that first.
        """

    def not_sent(self, attempt: Attempt, error: BaseException) -> Outcome:
        """The outcome of an attempt that ``submit`` refused."""

    def outcome(
        self, attempt: Attempt, future: Future[Answer], *, has_begun: bool = True
    ) -> Outcome:
        """The outcome of an attempt whose call is done. A body that is not known to have begun is
        not to blame for the end of its worker.
        """
