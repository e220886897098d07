"""Notifications between the parts of an engine.

A part publishes that something may have become true, and does not know which parts listen. A part
that acts on it subscribes in its constructor, as a rule with the function that wakes its loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVarTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.rows import RunEnd, RunRow

Ts = TypeVarTuple("Ts")


class Subject(Generic[*Ts]):
    """Belongs to the engine's loop. Listeners are called at once, in the order in which they
    subscribed. An error of a listener is raised to the publisher, and the listeners after it are
    not called.
    """

    def __init__(self) -> None:
        self._listeners: list[Callable[[*Ts], None]] = []

    def subscribe(self, listener: Callable[[*Ts], None]) -> None:
        """Call this listener each time from now on."""
        self._listeners.append(listener)

    def publish(self, *news: *Ts) -> None:
        """Call all listeners."""
        for each in self._listeners:
            each(*news)


class Subjects:
    """All subjects of one engine."""

    def __init__(self) -> None:
        self.claimable: Subject[()] = Subject()
        """Runs may have become claimable, for this runner or for a runner that is absent."""
        self.claimable_here: Subject[()] = Subject()
        """Runs may have become claimable that this runner can claim. No other part needs to
        look.
        """
        self.moved_away: Subject[()] = Subject()
        """A run has moved from here to a queue that this runner does not serve."""
        self.ended: Subject[ActiveRun, RunEnd | None] = Subject()
        """A run that this runner owns has ended. Without an end, only the table knows how."""
        self.child_ended: Subject[RunRow] = Subject()
        """A run has ended here whose parent may wait for that. Completion has published it."""
        self.ended_elsewhere: Subject[()] = Subject()
        """Runs for which callers here wait may have ended in the table, unknown to this engine."""
        self.steered: Subject[()] = Subject()
        """A run that this runner owns may have a new request to pause or cancel, or a run may come
        due sooner.
        """
        self.orphans_suspected: Subject[()] = Subject()
        """This runner may own runs of which it does not know."""
        self.unserved: Subject[()] = Subject()
        """Runs wait for a runner that has their tasks."""
        self.schedules: Subject[()] = Subject()
        """A schedule may be due sooner, be deleted, or name a workflow that no runner has."""
        self.triggers: Subject[()] = Subject()
        """A trigger was switched on or off."""
        self.limits: Subject[()] = Subject()
        """The settings of a limit have changed here."""
        self.definitions: Subject[()] = Subject()
        """The program has registered a workflow, or another definition."""
        self.anything: Subject[()] = Subject()
        """Another process may have changed anything but runs: runners, schedules, triggers."""
        self.display_changed: Subject[()] = Subject()
        """Something that people look at may have changed, but nothing that a part acts on."""
