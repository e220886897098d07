"""The places that attempts have, and those that are on their way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.features.limits.in_line import PlacesBackRow
from cloaca_core.features.limits.records import PlacesBack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.engine.record.run_entry import Beside
    from cloaca_core.features.limits.records import Grant, Unit
    from cloaca_core.run.active_run import ActiveRun


class HeldPlaces:
    """Belongs to the engine's loop. ``_on_way`` are the places that a record gives back which is
    not durable yet; ``give_back`` gives places back without a record.
    """

    def __init__(self, give_back: Callable[[Grant], None]) -> None:
        self._give_back = give_back
        self._held: dict[Attempt, Grant] = {}
        self._on_way: dict[ActiveRun, dict[tuple[str, int], Grant]] = {}

    def __contains__(self, attempt: Attempt) -> bool:
        return attempt in self._held

    def put(self, attempt: Attempt, grant: Grant) -> None:
        """An attempt has these places."""
        self._held[attempt] = grant

    def units(self) -> set[Unit]:
        """The units whose attempts have places."""
        return {(each.run_id, each.task_id, each.item) for each in self._held.values()}

    def known(self) -> set[tuple[str, int]]:
        """The places of attempts and those on their way back, by name and number."""
        held = {(each.name, each.number) for each in self._held.values()}
        return held.union(*self._on_way.values())

    def ended(self, attempt: Attempt) -> Sequence[Beside]:
        """What the record of an attempt's end gives back."""
        if (grant := self._held.pop(attempt, None)) is None:
            return ()
        return self.goes(attempt.owner, grant)

    def goes(self, run: ActiveRun, grant: Grant) -> Sequence[Beside]:
        """A record of this run gives places back."""
        self._on_way.setdefault(run, {})[grant.name, grant.number] = grant
        return (PlacesBackRow(PlacesBack(run.id, grant)),)

    def recorded(self, run: ActiveRun, beside: Iterable[Beside]) -> None:
        """See ``LimitPort``."""
        if (on_way := self._on_way.get(run)) is None:
            return
        for each in beside:
            if isinstance(each, PlacesBackRow):
                on_way.pop((each.row.grant.name, each.row.grant.number), None)
        if not on_way:
            del self._on_way[run]

    def give_up(self, attempt: Attempt) -> None:
        """An attempt ends without a record."""
        if (grant := self._held.pop(attempt, None)) is not None:
            self._give_back(grant)

    def abandon(self, run: ActiveRun) -> None:
        """See ``LimitPort``."""
        for grant in self._on_way.pop(run, {}).values():
            self._give_back(grant)
