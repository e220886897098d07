"""The future of one call, and the phases that it passes through.

The base class refuses to cancel a running call, so a ``Call`` stays pending there until it ends.
Its phase says whether it waits or runs. The executor changes the phase under its lock: that decides
whether the answer or the cancel of a call came first.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from cloaca_core.features.executors._process.worker import Raised, Returned

if TYPE_CHECKING:
    from cloaca_core.features.executors._process.member import Member
    from cloaca_core.features.executors.kinds import Begun

_T = TypeVar("_T")


class Phase(Enum):
    """Where a call is: with the executor, with a worker, or over."""

    QUEUED = auto()
    RUNNING = auto()
    ENDED = auto()
    CANCELLED = auto()


class WorkerTraceback(Exception):  # noqa: N818 - no error, but the cause that an error shows
    """Shows the traceback of the worker process, as the ``__cause__`` of the error itself."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


class Call(Future[_T]):
    """A call that an executor has accepted.

    ``packed`` is the pickled function with its arguments; ``member`` has the call while it runs.
    ``give_up`` is the executor's part of ``cancel``, ``interrupt`` calls ``tell``, ``when_begun``
    calls ``watch``. ``begun`` is called when a worker has received the call.
    """

    def __init__(
        self,
        packed: bytes,
        give_up: Callable[[Call[Any]], bool],
        tell: Callable[[Call[Any]], None] = lambda _: None,
        watch: Callable[[Call[Any], Begun], None] = lambda *_: None,
    ) -> None:
        super().__init__()
        self.packed = packed
        self.phase = Phase.QUEUED
        self.member: Member | None = None
        self.begun: Begun | None = None
        self._give_up: Callable[[Call[Any]], bool] | None = give_up
        self._tell: Callable[[Call[Any]], None] | None = tell
        self._watch: Callable[[Call[Any], Begun], None] | None = watch

    def cancel(self) -> bool:
        """Cancel the call, whether it waits or runs; False if it has ended.

        The process of a running call is ended by SIGKILL. If the call ends at this moment, the
        first counts: either its answer is kept and this returns False, or it is dropped.
        """
        give_up = self._give_up
        return give_up(self) if give_up is not None else self.phase is Phase.CANCELLED

    def interrupt(self) -> None:
        """Tell a running call to end: ``BodyCancelled`` is raised in it, by SIGUSR1. It may clean
        up and return. Without effect on a call that does not run.
        """
        if (tell := self._tell) is not None:
            tell(self)

    def when_begun(self, begun: Begun) -> None:
        """Call ``begun`` when a worker gets the call, or at once if one has it. It may be called
        twice for that.
        """
        if (watch := self._watch) is not None:
            watch(self, begun)

    def running(self) -> bool:
        """Whether a worker has the call."""
        return self.phase is Phase.RUNNING

    # -- for the executor, under its lock ------------------------------------------------------

    def begin(self, member: Member) -> None:
        """Note that ``member`` is to run the call."""
        self.phase, self.member = Phase.RUNNING, member

    def return_to_queue(self) -> None:
        """Note that the call waits again: the worker had died before it got the call."""
        self.phase, self.member = Phase.QUEUED, None

    def runs_on(self, member: Member) -> bool:
        """Whether the call runs on ``member`` and has neither ended nor been cancelled."""
        return self.phase is Phase.RUNNING and self.member is member

    def decide(self, phase: Literal[Phase.ENDED, Phase.CANCELLED]) -> None:
        """Record how the call ends. Drops the reference to the executor: a future may be kept for
        long.
        """
        self.phase, self.member, self.packed = phase, None, b""
        self._give_up = self._tell = self._watch = self.begun = None

    # -- for the executor, outside of its lock: these wake threads and call callbacks ----------

    def end_cancelled(self) -> None:
        """Tell all that wait for the call that it is cancelled."""
        super().cancel()
        self.set_running_or_notify_cancel()

    def end_with(self, answer: Returned | Raised) -> None:
        """Set the result or the exception that the worker sent."""
        try:
            value = pickle.loads(answer.packed)  # noqa: S301 - written by a process of our own
        except Exception as error:  # noqa: BLE001 - a class of the user may raise anything here
            error.add_note("cloaca: this process cannot unpickle the answer of the call")
            self.set_exception(error)
            return
        if isinstance(answer, Raised):
            value.__cause__ = WorkerTraceback(answer.traceback)
            self.set_exception(value)
        else:
            self.set_result(value)


def pack(
    function: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object]
) -> bytes:
    """Pickle a call; raises what the pickling of its parts raises."""
    return pickle.dumps((function, args, kwargs), pickle.HIGHEST_PROTOCOL)
