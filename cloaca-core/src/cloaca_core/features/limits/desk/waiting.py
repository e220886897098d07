"""What the desk knows of those that wait for places."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cloaca_core.features.limits.records import Grant, Need, Unit, Waiter
    from cloaca_core.run.active_run import ActiveRun


class Waiting(Protocol):
    """The waiters of this runner."""

    def waiter(self, unit: Unit) -> Waiter | None:
        """The waiter of this unit; None if it does not wait any more."""

    def names(self) -> Collection[str]:
        """The limits of which waiters need places; none if nothing waits."""

    def accept(self, grant: Grant) -> None:
        """A waiter has got its places."""

    def deny(self, units: Collection[Unit]) -> None:
        """These units have asked, and wait in line from now on."""

    @property
    def above(self) -> Callable[[Mapping[ActiveRun, Collection[Need]]], None]:
        """Takes the places of the runs above these runs."""

    def known(self) -> Collection[tuple[str, int]]:
        """The places that bodies have, or that are on their way back, by name and number."""

    def are_coming(self, grant: Grant) -> bool:
        """Whether places are those of a claimed run, and no unit of it has taken them yet."""
