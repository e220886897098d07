"""The queues from which this runner claims, and the queues of other living runners."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from cloaca_core.store.runner_rows import claims_from
from cloaca_core.values.payloads.json_values import encode

if TYPE_CHECKING:
    from cloaca_core.store.runner_rows import RunnerRow


class Served:
    """Belongs to the engine's loop. ``given`` names the queues, each with the number of runs that
    it may have here, or None for any; without it this runner serves all. ``names`` are the queues
    that have room, None for all. ``room`` returns for how many more runs of a queue with a number
    there is room.
    """

    def __init__(self, given: Mapping[str, int | None] | None) -> None:
        self.given: Mapping[str, int | None] | None = given
        self.names: Collection[str] | None = None
        self.room: Callable[[str], int] = self._number
        self._rooms: Collection[int] = ()
        self._others: Sequence[RunnerRow] = ()
        if given is not None:
            self.refresh()

    @property
    def text(self) -> str | None:
        """The queues as the row of the runner has them."""
        return None if self.given is None else encode(list(self.given))

    def has_room(self) -> bool:
        """Whether runs of any queue may be claimed now."""
        return self.names is None or bool(self.names)

    def serves(self, queue: str) -> bool:
        """Whether this runner serves a queue."""
        return self.given is None or queue in self.given

    def most(self, places: int) -> int:
        """Return how many runs a claim may take: as many as the fullest queue with room has room
        for, since all runs that it takes may be of that queue.
        """
        return min([places, *[room for room in self._rooms if room > 0]])

    def takes_any(self, queue: str) -> bool:
        """Whether any number of runs of this queue may be here."""
        return self.given is None or self.given.get(queue, 0) is None

    def free(self, queue: str, most: int) -> int:
        """How many of ``most`` runs of this queue may begin here now."""
        if self.takes_any(queue):
            return most
        return min(self.room(queue), most) if self.serves(queue) else 0

    def is_served(self, queue: str) -> bool:
        """Whether a living runner serves a queue, as far as is known here."""
        return self.serves(queue) or any(claims_from(each, queue) for each in self._others)

    def see(self, others: Iterable[RunnerRow]) -> None:
        """These are the other runners that live."""
        self._others = tuple(others)

    def refresh(self) -> None:
        """There may be room for runs of a queue, or none any more."""
        given = self.given or {}
        rooms = {name: self.room(name) for name, most in given.items() if most is not None}
        self._rooms = rooms.values()
        self.names = [name for name in given if rooms.get(name, 1) > 0]

    def _number(self, queue: str) -> int:
        return (self.given or {}).get(queue) or 0
