"""The items of a run's maps, as far as its life depends on them. A feature begins and ends them."""

from __future__ import annotations

from collections.abc import Collection, MutableMapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cloaca_core.run.rows import AttemptRow


class OpenItems(Protocol):
    """The open maps of one run."""

    def opened(self) -> set[int]:
        """The maps that have begun and not ended, by task."""

    def units(self, ready: Collection[int]) -> set[int]:
        """These ready tasks, with the open items of each map in its place. One of which more items
        are about to begin counts itself, too.
        """

    def held(self, units: Collection[int]) -> None:
        """These items were taken back before their bodies began: the run is not to go on."""

    def forget(self, latest: MutableMapping[int, AttemptRow]) -> None:
        """The run is over, or not ours any more: its ``latest`` rows are those of its tasks."""
