"""The items of a map that have not begun and wait for places of limits: those that need the same
wait as one, and each place that is given lets the next of them begin. Only data, and what follows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence, Set as AbstractSet
from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cloaca_core.features.maps.plan import ItemPlan
    from cloaca_core.values.limits.needs import Needs

MOST_ASKED: Final = 1_000
"""Groups of one map that are asked for at a time, beyond the items that may begin."""


class ItemGroup:
    """Items that need the same places, by their indexes. ``left`` counts those that have not begun,
    of which none comes before the place ``_at``.
    """

    __slots__ = ("_at", "indexes", "left", "needs")

    def __init__(self, needs: Needs, indexes: Sequence[int], left: int) -> None:
        self.needs: Needs = needs
        self.indexes: Sequence[int] = indexes
        self.left: int = left
        self._at = 0

    @property
    def first(self) -> int:
        """Its first item, by which it is known: to each owner of the run, whatever has begun."""
        return self.indexes[0]

    def begin(self, plan: ItemPlan) -> int:
        """The next item, which is open from now on."""
        while not plan.begin_item(index := self.indexes[self._at]):
            self._at += 1
        self.left -= 1
        return index

    def put_back(self, index: int) -> None:
        """An item of the group, which was open, is to begin anew."""
        self._at = min(self._at, bisect_left(self.indexes, index))
        self.left += 1


class LimitedItems:
    """The groups of one map: those that wait for places, and ``_idle`` ones, which are about to.
    Of those in ``_asked`` it is not known yet whether they have places. So many groups are asked
    for at a time as ``_step`` says. ``unbegun`` are the items that have not begun. The items that
    need no place are no group that waits. ``_group_of`` has the group of each item once an item was
    put back.
    """

    def __init__(self, groups: Mapping[Needs, Sequence[int]], unbegun: AbstractSet[int]) -> None:
        self._groups = {
            needs: ItemGroup(needs, indexes, sum(index in unbegun for index in indexes))
            for needs, indexes in groups.items()
        }
        self._free = self._groups.get(())
        waiting = [each for needs, each in self._groups.items() if needs and each.left]
        self._idle = dict.fromkeys(waiting)
        self._waiting: dict[ItemGroup, None] = {}
        self._asked: set[ItemGroup] = set()
        self._step = 0
        self._group_of: dict[int, ItemGroup] | None = None

    def of(self, needs: Needs) -> ItemGroup | None:
        """The group of items that need this and of which some have not begun."""
        group = self._groups.get(needs)
        return None if group is None or not group.left else group

    def begin_free(self, plan: ItemPlan, most: int) -> list[int]:
        """The next items that need no place, at most so many: they are open from now on."""
        if self._free is None or plan.stopped:
            return []
        return [self._free.begin(plan) for _ in range(min(most, self._free.left))]

    def ask(self, room: int) -> list[tuple[ItemGroup, int]]:
        """The groups that wait from now on, each with the number of its items that do. So many may
        begin, and no more groups are asked for: a place that is not used has counted for a rate.
        """
        self._step = room = room - len(self._asked)
        return self._ask(room, islice(self._idle, max(0, room)))

    def ask_again(self, room: int, firsts: Collection[int]) -> list[tuple[ItemGroup, int]]:
        """The same for groups that stand in line already, by the first items of these."""
        return self._ask(room, [each for each in self._idle if each.first in firsts])

    def denied(self, group: ItemGroup, room: int) -> list[tuple[ItemGroup, int]]:
        """A group has no place yet: others go before it. Each time that none has a place, twice as
        many are asked for, so that many keys without places cost few questions. All groups stand in
        line in the end if none has a place: only those that do hear of a place that becomes free.
        """
        self._asked.discard(group)
        if self._asked or room <= 0:
            return []
        self._step = max(room, min(MOST_ASKED, 2 * self._step))
        return self._ask(room, islice(self._idle, self._step))

    def _ask(self, room: int, groups: Iterable[ItemGroup]) -> list[tuple[ItemGroup, int]]:
        chosen = list(groups)
        for each in chosen:
            del self._idle[each]
        self._waiting |= dict.fromkeys(chosen)
        self._asked.update(chosen)
        share = max(1, room // max(1, len(chosen)))
        return [(each, min(each.left, share)) for each in chosen]

    @property
    def is_answered(self) -> bool:
        """Whether it is known of each group that was asked for if it has places."""
        return not self._asked

    def placed(self, group: ItemGroup) -> None:
        """A group has a place."""
        self._asked.discard(group)

    def rest(self, group: ItemGroup) -> None:
        """A group waits no longer: its places were given, or no more may begin."""
        self._waiting.pop(group, None)
        self._asked.discard(group)
        if group.left:
            self._idle[group] = None

    def end(self, group: ItemGroup) -> None:
        """A group that does not wait has begun with all its items."""
        self._idle.pop(group, None)

    def rest_all(self) -> list[ItemGroup]:
        """No group waits any longer. Returns those that did."""
        waiting = list(self._waiting)
        for each in waiting:
            self.rest(each)
        return waiting

    def put_back(self, index: int) -> None:
        """An item that was open is to begin anew."""
        if self._group_of is None:
            self._group_of = {at: each for each in self._groups.values() for at in each.indexes}
        if (group := self._group_of.get(index)) is None:
            return
        group.put_back(index)
        if group.needs and group not in self._waiting:
            self._idle[group] = None
