"""Decides which bodies may start now, so that a body that kills its process is found.

Its durable start mark names such a body. So a body of a run whose process died before starts only
when its mark is durable, and only as many bodies are marked as can really run: a body that waits
for a slot cannot have killed the process, and is not to be blamed. After two deaths of its process
a body is a suspect: it starts when no other body runs in this process, and no other body begins
until the suspect has ended or has come further. The same holds on an executor that has broken with
all its bodies twice: the process, and each executor outside of it, is a ward of its own.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from cloaca_core.engine.execute.work import HERE, OURS
from cloaca_core.engine.orchestrate.ward import Go, Ward
from cloaca_core.run.suspicion import is_suspect

if TYPE_CHECKING:
    from cloaca_core.engine.execute.attempt import Attempt


class Quarantine:
    """Belongs to the engine's loop. ``closed`` has the wards in which no further body may begin; it
    is empty as long as there is no suspect.

    ``in_use`` is set once an attempt has come here. ``slots`` tells how many bodies a place runs at
    once. ``under_way`` lists the attempts whose bodies run or may begin at any moment, and those
    that wait here.
    """

    def __init__(
        self, slots: Callable[[str], int], under_way: Callable[[], Iterable[Attempt]]
    ) -> None:
        self._slots = slots
        self._under_way = under_way
        self._queues: dict[str, _Turnstile] = {}
        self._turnstile_of: dict[Attempt, _Turnstile] = {}
        self._wards: dict[str, Ward] = {}
        self.closed: set[str] = set()
        self.in_use: bool = False

    @property
    def waiting(self) -> int:
        """How many attempts wait here."""
        queued = sum([len(each.waiting) for each in self._queues.values()])
        return queued + sum([each.waiting for each in self._wards.values()])

    def closes(self, attempt: Attempt) -> bool:
        """Whether no further body may begin in the ward of this attempt."""
        return attempt.ward in self.closed

    # -- ask ---------------------------------------------------------------------------------

    def add(self, attempt: Attempt, go: Go) -> None:
        """An attempt of a recovered run is ready, or a suspect."""
        if is_to_run_alone(attempt):
            self._ward(attempt).line_up(attempt, go)
            return
        turnstile = self._turnstile_of[attempt] = self._place(attempt)
        turnstile.waiting[attempt] = go
        self._admit(turnstile)

    def hold(self, attempt: Attempt, go: Go) -> None:
        """An attempt is ready to begin in a place that is closed."""
        self._ward(attempt).hold(attempt, go)

    def come_back(self, attempt: Attempt, go: Go) -> None:
        """A body that has waited for others is ready to go on. Bodies on executors wait for none:
        of their attempts only callbacks come here, which run in this process.
        """
        ward = self._ward(attempt)
        if attempt.place not in HERE or ward.has_begun(attempt):  # it has not given way yet
            go()
        elif is_to_run_alone(attempt):
            ward.line_up(attempt, go)
        elif OURS in self.closed:
            ward.hold(attempt, go)
        else:
            go()

    # -- give way ----------------------------------------------------------------------------

    def over(self, attempt: Attempt) -> None:
        """An attempt has ended, was given up, or waits for others now. Unknown ones are ignored."""
        turnstile = self._turnstile_of.pop(attempt, None)
        if turnstile is not None:
            turnstile.waiting.pop(attempt, None)
            turnstile.inside.discard(attempt)
        if self.closed and self.closes(attempt):
            self._ward(attempt).over(attempt)
        if turnstile is not None:
            self._admit(turnstile)

    def cleared(self, attempt: Attempt) -> None:
        """An attempt has come further than where processes died: others may begin beside it. The
        next suspect waits for its end.
        """
        self._ward(attempt).cleared(attempt)

    # -- wards -------------------------------------------------------------------------------

    def _ward(self, attempt: Attempt) -> Ward:
        name, self.in_use = attempt.ward, True
        if name not in self._wards:
            under_way, opened = partial(self._running_in, name), partial(self._admit_all, name)
            self._wards[name] = Ward(name, self.closed, under_way, opened)
        return self._wards[name]

    def _running_in(self, ward: str) -> Iterator[Attempt]:
        """The attempts that are under way in a ward, and do not wait here."""
        for attempt in self._under_way():
            if attempt.ward == ward and not self._is_waiting(attempt):
                yield attempt

    def _is_waiting(self, attempt: Attempt) -> bool:
        turnstile = self._turnstile_of.get(attempt)
        waits = turnstile is not None and attempt in turnstile.waiting
        return waits or self._ward(attempt).is_waiting(attempt)

    # -- turnstiles --------------------------------------------------------------------------

    def _place(self, attempt: Attempt) -> _Turnstile:
        self.in_use = True
        if attempt.place not in self._queues:
            slots = self._slots(attempt.place)
            self._queues[attempt.place] = _Turnstile(attempt.ward, slots)
        return self._queues[attempt.place]

    def _admit(self, turnstile: _Turnstile) -> None:
        while turnstile.may_admit() and turnstile.ward not in self.closed:
            attempt, go = turnstile.waiting.popitem(last=False)
            turnstile.inside.add(attempt)
            go()

    def _admit_all(self, ward: str) -> None:
        for turnstile in list(self._queues.values()):
            if turnstile.ward == ward:
                self._admit(turnstile)


class _Turnstile:
    """A queue before the slots of a place."""

    def __init__(self, ward: str, slots: int) -> None:
        self.ward = ward
        self.slots = slots
        self.waiting: OrderedDict[Attempt, Go] = OrderedDict()
        self.inside: set[Attempt] = set()

    def may_admit(self) -> bool:
        """Whether an attempt waits, and a slot is free."""
        return bool(self.waiting) and len(self.inside) < self.slots


def is_to_run_alone(attempt: Attempt) -> bool:
    """Whether an attempt is a suspect, in a process or pool that bodies share."""
    return is_suspect(attempt.crashes) and (attempt.shared or attempt.ward == OURS)
