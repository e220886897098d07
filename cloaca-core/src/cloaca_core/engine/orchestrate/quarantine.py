"""Decides which bodies may start now, so that a body that kills its process is found.

A durable start mark names a body that may have killed its process. So a body of a run whose process
died before starts only when its mark is durable. Only as many bodies are marked as have a slot: a
body that waits for a slot cannot have killed the process, and is not blamed.

After two deaths of its process a body is a suspect. It starts when no other body runs in this
process, and no other body begins until the suspect has ended or has come further than before. The
same holds on an executor that has broken twice with all its bodies. The process and each executor
outside of it are failure domains of their own.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from cloaca_core.engine.execute.work import ENGINE_PROCESS, HERE
from cloaca_core.engine.orchestrate.isolation_queue import Go, IsolationQueue
from cloaca_core.run.suspicion import is_suspect

if TYPE_CHECKING:
    from cloaca_core.engine.execute.attempt import Attempt


class Quarantine:
    """Belongs to the engine's loop. ``closed`` has the failure domains in which no further body may
    begin. It is empty while there is no suspect.

    ``in_use`` is set once an attempt has come here. ``slots`` returns how many bodies a place runs
    at once. ``under_way`` lists the attempts whose bodies run or may begin at any moment, and the
    attempts that wait here.
    """

    def __init__(
        self, slots: Callable[[str], int], under_way: Callable[[], Iterable[Attempt]]
    ) -> None:
        self._slots = slots
        self._under_way = under_way
        self._queues: dict[str, _Turnstile] = {}
        self._turnstile_of: dict[Attempt, _Turnstile] = {}
        self._isolation_queues: dict[str, IsolationQueue] = {}
        self.closed: set[str] = set()
        self.in_use: bool = False

    @property
    def waiting(self) -> int:
        """The number of attempts that wait here."""
        queued = sum([len(each.waiting) for each in self._queues.values()])
        return queued + sum([each.waiting for each in self._isolation_queues.values()])

    def closes(self, attempt: Attempt) -> bool:
        """Whether no further body may begin in the failure domain of this attempt."""
        return attempt.domain in self.closed

    # -- ask ---------------------------------------------------------------------------------

    def add(self, attempt: Attempt, go: Go) -> None:
        """An attempt of a recovered run, or a suspect, is ready."""
        if is_to_run_alone(attempt):
            self._isolation_queue(attempt).line_up(attempt, go)
            return
        turnstile = self._turnstile_of[attempt] = self._place(attempt)
        turnstile.waiting[attempt] = go
        self._admit(turnstile)

    def hold(self, attempt: Attempt, go: Go) -> None:
        """An attempt is ready in a failure domain that is closed."""
        self._isolation_queue(attempt).hold(attempt, go)

    def come_back(self, attempt: Attempt, go: Go) -> None:
        """A body that has waited for another run is ready to continue. Bodies on executors never
        wait for runs: of their attempts only callbacks come here, which run in this process.
        """
        queue = self._isolation_queue(attempt)
        if attempt.place not in HERE or queue.has_begun(attempt):  # it has not given way yet
            go()
        elif is_to_run_alone(attempt):
            queue.line_up(attempt, go)
        elif ENGINE_PROCESS in self.closed:
            queue.hold(attempt, go)
        else:
            go()

    # -- give way ----------------------------------------------------------------------------

    def over(self, attempt: Attempt) -> None:
        """An attempt has ended, was given up, or waits for another run. Unknown attempts are
        ignored.
        """
        turnstile = self._turnstile_of.pop(attempt, None)
        if turnstile is not None:
            turnstile.waiting.pop(attempt, None)
            turnstile.inside.discard(attempt)
        if self.closed and self.closes(attempt):
            self._isolation_queue(attempt).over(attempt)
        if turnstile is not None:
            self._admit(turnstile)

    def cleared(self, attempt: Attempt) -> None:
        """An attempt has come further than where processes died: others may begin beside it. The
        next suspect waits for its end.
        """
        self._isolation_queue(attempt).cleared(attempt)

    # -- failure domains ---------------------------------------------------------------------

    def _isolation_queue(self, attempt: Attempt) -> IsolationQueue:
        name, self.in_use = attempt.domain, True
        if name not in self._isolation_queues:
            under_way, opened = partial(self._running_in, name), partial(self._admit_all, name)
            self._isolation_queues[name] = IsolationQueue(name, self.closed, under_way, opened)
        return self._isolation_queues[name]

    def _running_in(self, domain: str) -> Iterator[Attempt]:
        """The attempts that are under way in a failure domain, without those that wait here."""
        for attempt in self._under_way():
            if attempt.domain == domain and not self._is_waiting(attempt):
                yield attempt

    def _is_waiting(self, attempt: Attempt) -> bool:
        turnstile = self._turnstile_of.get(attempt)
        waits = turnstile is not None and attempt in turnstile.waiting
        return waits or self._isolation_queue(attempt).is_waiting(attempt)

    # -- turnstiles --------------------------------------------------------------------------

    def _place(self, attempt: Attempt) -> _Turnstile:
        self.in_use = True
        if attempt.place not in self._queues:
            slots = self._slots(attempt.place)
            self._queues[attempt.place] = _Turnstile(attempt.domain, slots)
        return self._queues[attempt.place]

    def _admit(self, turnstile: _Turnstile) -> None:
        while turnstile.may_admit() and turnstile.domain not in self.closed:
            attempt, go = turnstile.waiting.popitem(last=False)
            turnstile.inside.add(attempt)
            go()

    def _admit_all(self, domain: str) -> None:
        for turnstile in list(self._queues.values()):
            if turnstile.domain == domain:
                self._admit(turnstile)


class _Turnstile:
    """A queue in front of the slots of a place."""

    def __init__(self, domain: str, slots: int) -> None:
        self.domain = domain
        self.slots = slots
        self.waiting: OrderedDict[Attempt, Go] = OrderedDict()
        self.inside: set[Attempt] = set()

    def may_admit(self) -> bool:
        """Whether an attempt waits, and a slot is free."""
        return bool(self.waiting) and len(self.inside) < self.slots


def is_to_run_alone(attempt: Attempt) -> bool:
    """Whether an attempt is a suspect in a process or pool that other bodies share."""
    return is_suspect(attempt.crashes) and (attempt.shared or attempt.domain == ENGINE_PROCESS)
