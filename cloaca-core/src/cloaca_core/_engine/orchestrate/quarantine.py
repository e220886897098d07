"""Decides which bodies of recovered runs may start now, to find one that kills its process.

Such a body is known by its durable start mark. So a body of a run that has lost a process before
starts only when its mark is durable, and only as many are marked as can really run: a body that
waits for a slot cannot have killed the process, and is not to be blamed. Bodies under which a
process died before are suspects: those that would take other bodies with them run one at a time.
Its owner marks and sends them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloaca_core._engine.execute.attempt import Attempt


class Quarantine:
    """``go`` is called with each attempt whose turn it is. ``slots`` tells how many bodies a place
    runs at once, ``shares_fate`` whether a body that takes its process down takes others with it.
    """

    def __init__(
        self,
        slots: Callable[[str], int],
        shares_fate: Callable[[Attempt], bool],
        go: Callable[[Attempt], None],
    ) -> None:
        self._go = go
        self._slots = slots
        self._shares_fate = shares_fate
        self._queues: dict[str, _Turnstile] = {}
        self._suspects = _Turnstile(1)
        self._turnstile_of: dict[Attempt, _Turnstile] = {}

    def add(self, attempt: Attempt) -> None:
        """An attempt of a recovered run is ready."""
        turnstile = self._turnstile_of[attempt] = self._place(attempt)
        turnstile.waiting[attempt] = None
        self._admit(turnstile)

    def over(self, attempt: Attempt) -> None:
        """An attempt has ended, was given up, or waits for others now. Unknown ones are ignored."""
        # Not by ``_place``: a suspect that has come further is none any more.
        if (turnstile := self._turnstile_of.pop(attempt, None)) is None:
            return
        turnstile.waiting.pop(attempt, None)
        if attempt in turnstile.inside:
            turnstile.inside.remove(attempt)
            self._admit(turnstile)

    def _place(self, attempt: Attempt) -> _Turnstile:
        if attempt.crashes and self._shares_fate(attempt):
            return self._suspects
        if attempt.place not in self._queues:
            self._queues[attempt.place] = _Turnstile(self._slots(attempt.place))
        return self._queues[attempt.place]

    def _admit(self, turnstile: _Turnstile) -> None:
        while turnstile.waiting and len(turnstile.inside) < turnstile.places:
            attempt, _ = turnstile.waiting.popitem(last=False)
            turnstile.inside.add(attempt)
            self._go(attempt)


class _Turnstile:
    """A queue before a few places."""

    def __init__(self, places: int) -> None:
        self.places = places
        self.waiting: OrderedDict[Attempt, None] = OrderedDict()
        self.inside: set[Attempt] = set()
