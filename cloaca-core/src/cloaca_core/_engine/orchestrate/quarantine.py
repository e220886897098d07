"""Which bodies of recovered runs may start now, so that a killer is found and few others blamed.

A body that kills its process is known by its durable start mark. So a body of a run that has lost
a process before starts only when its mark is durable, and only as many are marked as can really
run: whatever waits for a slot cannot have killed anything. Those under which a process died before
are suspects and run one at a time. Decides; marking and sending is its owner's.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloaca_core._engine.execute.attempt import Job


class Caution:
    """``go`` is called with each job whose turn it is. ``slots`` are those of sync and of async
    bodies.
    """

    def __init__(self, slots: tuple[int, int], go: Callable[[Job], None]) -> None:
        self._go = go
        self._queues = [_Turnstile(slots[0]), _Turnstile(slots[1])]
        self._suspects = _Turnstile(1)

    def add(self, job: Job) -> None:
        """A job of a recovered run is ready."""
        turnstile = self._place(job)
        turnstile.waiting[job] = None
        self._admit(turnstile)

    def over(self, job: Job) -> None:
        """A job has ended, was given up, or waits for others now. Any other job is ignored."""
        turnstile = self._place(job)
        turnstile.waiting.pop(job, None)
        if job in turnstile.inside:
            turnstile.inside.remove(job)
            self._admit(turnstile)

    def _place(self, job: Job) -> _Turnstile:
        return self._suspects if job.crashes else self._queues[job.is_async]

    def _admit(self, turnstile: _Turnstile) -> None:
        while turnstile.waiting and len(turnstile.inside) < turnstile.places:
            job, _ = turnstile.waiting.popitem(last=False)
            turnstile.inside.add(job)
            self._go(job)


class _Turnstile:
    """A queue before a few places."""

    def __init__(self, places: int) -> None:
        self.places = places
        self.waiting: OrderedDict[Job, None] = OrderedDict()
        self.inside: set[Job] = set()
