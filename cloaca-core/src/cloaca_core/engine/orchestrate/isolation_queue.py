"""Lets the suspects of one failure domain run alone, one after another.

A failure domain is a process or pool whose bodies die together. A suspect starts when all bodies
that ran before it have ended. Bodies that come meanwhile are held until no suspect is left.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from cloaca_core.engine.execute.attempt import Attempt

Go: TypeAlias = Callable[[], None]
"""Starts or resumes an attempt. Called once, when its turn has come."""


class IsolationQueue:
    """Belongs to the engine's loop. ``closed`` contains the ``name`` of this domain while no
    further body may begin in it: a suspect runs alone, or waits until the running bodies have
    ended.

    ``under_way`` lists the attempts of this domain whose bodies run or may begin at any moment.
    ``opened`` is called when no suspect is left.
    """

    def __init__(
        self,
        name: str,
        closed: set[str],
        under_way: Callable[[], Iterable[Attempt]],
        opened: Callable[[], None],
    ) -> None:
        self._name = name
        self._closed = closed
        self._under_way = under_way
        self._opened = opened
        self._suspects: OrderedDict[Attempt, Go] = OrderedDict()
        self._held: OrderedDict[Attempt, Go] = OrderedDict()
        self._alone: Attempt | None = None
        self._before: set[Attempt] = set()

    @property
    def waiting(self) -> int:
        """The number of attempts that wait here."""
        return len(self._suspects) + len(self._held)

    def has_begun(self, attempt: Attempt) -> bool:
        """Whether an attempt runs alone, or must end before the next suspect begins."""
        return attempt is self._alone or attempt in self._before

    def is_waiting(self, attempt: Attempt) -> bool:
        """Whether an attempt is a suspect whose turn has not come."""
        return attempt in self._suspects

    def line_up(self, attempt: Attempt, go: Go) -> None:
        """A suspect is ready: start it when it can run alone."""
        self._suspects[attempt] = go
        if self._name not in self._closed:
            self._closed.add(self._name)
            self._before = set(self._under_way())
        self._next()

    def hold(self, attempt: Attempt, go: Go) -> None:
        """An attempt is ready while the domain is closed: start it when no suspect is left."""
        self._held[attempt] = go

    def over(self, attempt: Attempt) -> None:
        """An attempt has ended, was given up, or waits for another run. Unknown attempts are
        ignored.
        """
        self._suspects.pop(attempt, None)
        self._held.pop(attempt, None)
        self._before.discard(attempt)
        if attempt is self._alone:
            self._end_alone(attempt)
        self._next()

    def cleared(self, attempt: Attempt) -> None:
        """A suspect is none any more: others may begin beside it. The next waits for its end."""
        if attempt is self._alone:
            self._end_alone(attempt)
            self._before.add(attempt)
            self._next()

    def _end_alone(self, attempt: Attempt) -> None:
        self._alone = None
        attempt.alone = False

    def _next(self) -> None:
        """Let the next suspect run alone, if nothing else runs; open if there is none."""
        if self._alone is not None:
            return
        if not self._suspects:
            self._open()
        elif not self._before:
            attempt, go = self._suspects.popitem(last=False)
            self._alone, attempt.alone = attempt, True
            go()

    def _open(self) -> None:
        self._closed.discard(self._name)
        self._before.clear()
        while self._held and self._name not in self._closed:
            _, go = self._held.popitem(last=False)
            go()
        self._opened()
