"""What the parts of an engine tell one another.

A part publishes what may have become true, and does not know which parts listen. A part that acts
on it subscribes in its constructor, as a rule with the function that wakes its loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVarTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.rows import RunEnd

Ts = TypeVarTuple("Ts")


class Subject(Generic[*Ts]):
    """Belongs to the engine's loop. Listeners are called at once, in the order in which they have
    subscribed; an error of one is the publisher's, and keeps the news from the next ones.
    """

    def __init__(self) -> None:
        self._listeners: list[Callable[[*Ts], None]] = []

    def subscribe(self, listener: Callable[[*Ts], None]) -> None:
        """Call this listener each time from now on."""
        self._listeners.append(listener)

    def publish(self, *news: *Ts) -> None:
        """Tell all listeners."""
        for each in self._listeners:
            each(*news)


class Subjects:
    """All of one engine."""

    def __init__(self) -> None:
        self.claimable: Subject[()] = Subject()
        """Runs may have become claimable, for this runner or for one that is not there."""
        self.claimable_here: Subject[()] = Subject()
        """Runs may have become claimable that this runner can claim: no other part need look."""
        self.ended: Subject[ActiveRun, RunEnd | None] = Subject()
        """A run that this runner owns has ended. Without an end: only the table knows how."""
        self.ended_unseen: Subject[()] = Subject()
        """Runs for which callers here wait may have ended in the table alone."""
        self.asked: Subject[()] = Subject()
        """A run that this runner owns may have a new wish, or a run may come due sooner."""
        self.strangers: Subject[()] = Subject()
        """This runner may own runs of which it does not know."""
        self.left: Subject[()] = Subject()
        """Runs wait for a runner that has their tasks."""
        self.schedules: Subject[()] = Subject()
        """A schedule may be due sooner, be gone, or name a workflow that no runner has."""
        self.triggers: Subject[()] = Subject()
        """A trigger was switched."""
        self.definitions: Subject[()] = Subject()
        """The program has registered something."""
        self.anything: Subject[()] = Subject()
        """Anything but runs may have changed, by another process: runners, schedules, triggers."""
        self.shown: Subject[()] = Subject()
        """What people look at may have changed, and nothing that a part acts on."""
