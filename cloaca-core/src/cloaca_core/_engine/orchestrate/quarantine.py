"""Decides which bodies may start now, so that a body that kills its process is found.

Its durable start mark names such a body. So a body of a run whose process died before starts only
when its mark is durable, and only as many bodies are marked as can really run: a body that waits
for a slot cannot have killed the process, and is not to be blamed. After two deaths of its process
a body is a suspect: it starts when no other body runs in this process, and no other body begins
until the suspect has ended or has come further. Bodies on executors run beside it. After an
executor has broken, the bodies that it ran start again one at a time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias

from cloaca_core._engine.execute.work import HERE
from cloaca_core._engine.plan.suspicion import is_suspect

if TYPE_CHECKING:
    from cloaca_core._engine.execute.attempt import Attempt

Go: TypeAlias = Callable[[], None]
"""Lets an attempt start or go on; it is called once, when its turn has come."""


class Quarantine:
    """Belongs to the engine's loop. ``closed`` is true while no further body may begin in this
    process: a suspect runs alone, or waits until the bodies that run have ended.

    ``slots`` tells how many bodies a place runs at once, ``shares_fate`` whether a body that takes
    its process down takes others with it. ``under_way`` lists the attempts whose bodies run or may
    begin at any moment, and those that wait here.
    """

    def __init__(
        self,
        slots: Callable[[str], int],
        shares_fate: Callable[[Attempt], bool],
        under_way: Callable[[], Iterable[Attempt]],
    ) -> None:
        self._slots = slots
        self._shares_fate = shares_fate
        self._under_way = under_way
        self._queues: dict[str, _Turnstile] = {}
        self._broken = _Turnstile(1)
        self._turnstile_of: dict[Attempt, _Turnstile] = {}
        self.closed: bool = False
        self._suspects: OrderedDict[Attempt, Go] = OrderedDict()
        self._held: OrderedDict[Attempt, Go] = OrderedDict()
        self._alone: Attempt | None = None
        self._before: set[Attempt] = set()

    @property
    def waiting(self) -> int:
        """How many attempts wait here."""
        turnstiles = [self._broken, *self._queues.values()]
        queued = sum([len(each.waiting) for each in turnstiles])
        return queued + len(self._suspects) + len(self._held)

    # -- ask ---------------------------------------------------------------------------------

    def add(self, attempt: Attempt, go: Go) -> None:
        """An attempt of a recovered run is ready, or one that lost the worker of its executor."""
        if _is_suspect(attempt):
            self._line_up(attempt, go)
            return
        turnstile = self._turnstile_of[attempt] = self._place(attempt)
        turnstile.waiting[attempt] = go
        self._admit(turnstile)

    def hold(self, attempt: Attempt, go: Go) -> None:
        """An attempt is ready to begin in this process, which is closed."""
        self._held[attempt] = go

    def come_back(self, attempt: Attempt, go: Go) -> None:
        """A body that has waited for others is ready to go on."""
        if attempt is self._alone or attempt in self._before:  # it has not given way yet
            go()
        elif _is_suspect(attempt):
            self._line_up(attempt, go)
        elif self.closed and attempt.place in HERE:
            self._held[attempt] = go
        else:
            go()

    # -- give way ----------------------------------------------------------------------------

    def over(self, attempt: Attempt) -> None:
        """An attempt has ended, was given up, or waits for others now. Unknown ones are ignored."""
        turnstile = self._turnstile_of.pop(attempt, None)
        if turnstile is not None:
            turnstile.waiting.pop(attempt, None)
            turnstile.inside.discard(attempt)
        if self.closed:
            self._suspects.pop(attempt, None)
            self._held.pop(attempt, None)
            self._before.discard(attempt)
            if attempt is self._alone:
                self._alone = None
            self._next()
        if turnstile is not None:
            self._admit(turnstile)

    def cleared(self, attempt: Attempt) -> None:
        """An attempt has come further than where processes died: others may begin beside it. The
        next suspect waits for its end.
        """
        if attempt is self._alone:
            self._alone = None
            self._before.add(attempt)
            self._next()

    # -- suspects ----------------------------------------------------------------------------

    def _line_up(self, attempt: Attempt, go: Go) -> None:
        self._suspects[attempt] = go
        if not self.closed:
            self.closed = True
            self._before = set(filter(self._may_run, self._under_way()))
        self._next()

    def _may_run(self, attempt: Attempt) -> bool:
        """Whether an attempt that is under way is in this process, and does not wait here."""
        turnstile = self._turnstile_of.get(attempt)
        waits = turnstile is not None and attempt in turnstile.waiting
        return attempt.place in HERE and not waits and attempt not in self._suspects

    def _next(self) -> None:
        """Let the next suspect run alone, if nothing else runs; open if there is none."""
        if self._alone is not None:
            return
        if not self._suspects:
            self._open()
        elif not self._before:
            self._alone, go = self._suspects.popitem(last=False)
            go()

    def _open(self) -> None:
        self.closed = False
        self._before.clear()
        while self._held and not self.closed:
            _, go = self._held.popitem(last=False)
            go()
        for turnstile in list(self._queues.values()):
            self._admit(turnstile)

    # -- turnstiles --------------------------------------------------------------------------

    def _place(self, attempt: Attempt) -> _Turnstile:
        if attempt.place not in HERE and attempt.crashes and self._shares_fate(attempt):
            return self._broken
        if attempt.place not in self._queues:
            slots = self._slots(attempt.place)
            self._queues[attempt.place] = _Turnstile(slots, is_here=attempt.place in HERE)
        return self._queues[attempt.place]

    def _admit(self, turnstile: _Turnstile) -> None:
        while turnstile.may_admit() and not (self.closed and turnstile.is_here):
            attempt, go = turnstile.waiting.popitem(last=False)
            turnstile.inside.add(attempt)
            go()


class _Turnstile:
    """A queue before a few places."""

    def __init__(self, places: int, *, is_here: bool = False) -> None:
        self.places = places
        self.is_here = is_here
        self.waiting: OrderedDict[Attempt, Go] = OrderedDict()
        self.inside: set[Attempt] = set()

    def may_admit(self) -> bool:
        """Whether an attempt waits, and a place is free."""
        return bool(self.waiting) and len(self.inside) < self.places


def _is_suspect(attempt: Attempt) -> bool:
    return attempt.place in HERE and is_suspect(attempt.crashes)
