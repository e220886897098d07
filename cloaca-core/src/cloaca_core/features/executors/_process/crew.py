"""Which call runs on which worker, which workers there are, and which are on their way out.

Calls wait in one queue. A worker that becomes idle takes the first; one is started when calls wait
and there are fewer than ``size``. So a worker that is lost is replaced when a call needs it. One
that cannot be started fails the first call that waits: there are never more attempts than calls.

All choices are made under one lock. The members are called outside of it, since they call back.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from cloaca_core.errors import WorkerLost
from cloaca_core.features.executors._process.call import Call, Phase, pack
from cloaca_core.features.executors._process.member import START_SECONDS, Lost, Member, exit_of
from cloaca_core.features.executors._process.worker import Raised, Returned

if TYPE_CHECKING:
    from cloaca_core.features.executors.kinds import Begun


class Crew:
    """At most ``size`` worker processes, and the calls that wait for one."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._owner = os.getpid()
        exit_of(self._owner)  # now, since a first call may come when the interpreter exits
        self._closed = False
        self._queue: deque[Call[Any]] = deque()
        self._starting: set[Member] = set()
        self._idle: list[Member] = []
        self._busy: set[Member] = set()
        self._leaving: set[Member] = set()
        weakref.finalize(self, _dismiss, self._idle, self._owner).atexit = False
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)

    def submit(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[Call[Any], Member | None]:
        """Accept a call; beside it the worker that is started for it, if one is.

        A call that cannot be pickled fails at once. Raises ``RuntimeError`` after ``close``.
        """
        try:
            call = Call[Any](pack(function, args, kwargs), self._give_up, self._tell, self._watch)
        except Exception as error:  # noqa: BLE001 - pickling calls code of the user
            return _failed(error, self._give_up), None
        with self._lock:
            if self._closed:
                raise RuntimeError("this executor has been shut down and takes no more calls")
            self._queue.append(call)
        return call, self._work_off()

    def close(self, *, cancel_queued: bool) -> None:
        """Take no more calls, and let each worker end once no call waits."""
        dropped: list[Call[Any]] = []
        with self._lock:
            self._closed = True
            if cancel_queued:
                dropped += self._queue
                self._queue.clear()
            for call in dropped:
                call.decide(Phase.CANCELLED)
        for call in dropped:
            call.end_cancelled()
        self._work_off()

    def wait(self) -> None:
        """Wait until no call and no worker remains, after ``close``."""
        with self._changed:
            self._changed.wait_for(self._is_empty)

    def _is_empty(self) -> bool:
        return not (self._queue or self._starting or self._idle or self._busy or self._leaving)

    # -- calls meet workers --------------------------------------------------------------------

    def _work_off(self) -> Member | None:
        """Do what the state asks for; return the worker that this has started, if any.

        Each change asks for one start at most: a call more, or a worker less.
        """
        while True:
            with self._lock:
                given = self._give_out()
                new = self._missing()
                dismissed = self._dismissed()
            for member, call in given:
                self._run(member, call)
            for member in dismissed:
                self._see_off(member)
            if new is None or self._start(new):
                return new

    def _give_out(self) -> list[tuple[Member, Call[Any]]]:
        given = []
        while self._idle and self._queue:
            member, call = self._idle.pop(), self._queue.popleft()
            self._busy.add(member)
            call.begin(member)
            given.append((member, call))
        return given

    def _missing(self) -> Member | None:
        """A worker to start, if calls wait for which none is being started."""
        count = len(self._starting) + len(self._idle) + len(self._busy)
        if len(self._queue) <= len(self._starting) or count >= self._size:
            return None
        member = Member()
        self._starting.add(member)
        return member

    def _dismissed(self) -> list[Member]:
        """The idle workers, once no call can come for them."""
        if not self._closed or self._queue:
            return []
        dismissed = self._idle[:]
        self._idle.clear()
        self._leaving.update(dismissed)
        return dismissed

    # -- a worker starts -----------------------------------------------------------------------

    def _start(self, member: Member) -> bool:
        try:
            member.start(partial(self._started, member))
        except (OSError, RuntimeError) as error:
            self._not_started(member, f"no worker process can be started: {error}", None)
            return False
        return True

    def _started(self, member: Member, answer: Returned | Raised | Lost) -> None:
        if isinstance(answer, Lost):
            self._not_started(member, _no_start(answer.exit_code), answer.exit_code)
        else:
            with self._lock:
                self._starting.remove(member)
                self._idle.append(member)
        self._work_off()
        member.up.set()

    def _not_started(self, member: Member, message: str, exit_code: int | None) -> None:
        """Fail the first call that waits, if any."""
        call = None
        with self._lock:
            self._starting.remove(member)
            self._leaving.add(member)
            if self._queue:
                call = self._queue.popleft()
                call.decide(Phase.ENDED)
        self._see_off(member)
        if call is not None:
            call.set_exception(WorkerLost(message, exit_code=exit_code))

    # -- a call runs ---------------------------------------------------------------------------

    def _run(self, member: Member, call: Call[Any]) -> None:
        try:
            member.submit(call.packed, partial(self._answered, member, call))
        except BrokenExecutor:
            self._died_idle(member, call)
            return
        if (begun := call.begun) is not None:  # else it may have ended already
            begun(0.0)

    def _died_idle(self, member: Member, call: Call[Any]) -> None:
        """Let the call wait again: no worker has seen it."""
        with self._lock:
            parted = self._part_from(member)
            if call.runs_on(member):
                call.return_to_queue()
                self._queue.appendleft(call)
        if parted:
            self._see_off(member)
        self._work_off()

    def _answered(self, member: Member, call: Call[Any], answer: Returned | Raised | Lost) -> None:
        if isinstance(answer, Lost):
            self._lost(member, call, answer.exit_code)
            return
        with self._lock:
            decided = call.runs_on(member)
            if decided:
                call.decide(Phase.ENDED)
                self._busy.remove(member)
                self._idle.append(member)
        self._work_off()
        if decided:
            call.end_with(answer)

    def _lost(self, member: Member, call: Call[Any], exit_code: int | None) -> None:
        with self._lock:
            parted = self._part_from(member)
            decided = call.runs_on(member)
            if decided:
                call.decide(Phase.ENDED)
        if parted:
            self._see_off(member)
        if decided:
            message = f"the worker process {_how(exit_code)} while it ran this call"
            call.set_exception(WorkerLost(message, exit_code=exit_code))
        self._work_off()

    def _give_up(self, call: Call[Any]) -> bool:
        """Cancel a call; its worker belongs to no other call from the choice to its death.

        Not in a forked process: the call is the parent's, and the lock may be for ever.
        """
        if os.getpid() != self._owner:
            return False
        with self._lock:
            if call.phase in {Phase.ENDED, Phase.CANCELLED}:
                return call.phase is Phase.CANCELLED
            member = call.member
            if member is None:
                self._queue.remove(call)
            else:
                self._part_from(member)
            call.decide(Phase.CANCELLED)
        if member is not None:
            member.kill()
            self._see_off(member)
        call.end_cancelled()
        self._work_off()
        return True

    def _tell(self, call: Call[Any]) -> None:
        """Interrupt the worker of a call. Under the lock: so the worker has no other call yet."""
        if os.getpid() != self._owner:
            return
        with self._lock:
            if call.phase is Phase.RUNNING and call.member is not None:
                call.member.interrupt()

    def _watch(self, call: Call[Any], begun: Begun) -> None:
        if os.getpid() != self._owner:
            return
        with self._lock:
            runs = call.running()
            if runs or call.phase is Phase.QUEUED:  # else it would keep what is told
                call.begun = begun
        if runs:
            begun(0.0)

    # -- a worker leaves -----------------------------------------------------------------------

    def _part_from(self, member: Member) -> bool:
        """Remove a worker from the workers that run calls. False if it was not one of them any
        more.
        """
        if member not in self._busy:
            return False
        self._busy.remove(member)
        self._leaving.add(member)
        return True

    def _see_off(self, member: Member) -> None:
        """Let a worker end that runs no call. The thread that reads from it tells of the end."""
        member.end(partial(self._left, member))

    def _left(self, member: Member) -> None:
        with self._changed:
            self._leaving.remove(member)
            self._changed.notify_all()


def _dismiss(idle: list[Member], owner: int) -> None:
    """Let the workers of a crew end that is no more used. Those of a forked process are its
    parent's.
    """
    if os.getpid() == owner:
        for member in idle:
            member.dismiss()


def _failed(error: Exception, give_up: Callable[[Call[Any]], bool]) -> Call[Any]:
    call = Call[Any](b"", give_up)
    call.decide(Phase.ENDED)
    call.set_exception(error)
    return call


def _how(exit_code: int | None) -> str:
    if exit_code is None:
        return "died"
    return f"died (signal {-exit_code})" if exit_code < 0 else f"ended (exit code {exit_code})"


def _no_start(exit_code: int | None) -> str:
    return (
        f"the worker process {_how(exit_code)} while it started; if it wrote a traceback, that is "
        "on stderr. A worker imports the program's main module, which must start its work under "
        f'`if __name__ == "__main__":`, and may take {START_SECONDS:.0f} s for it'
    )
