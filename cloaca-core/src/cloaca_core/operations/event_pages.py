"""Lists the events of a run with the events of the items of its maps, by pages."""

from __future__ import annotations

import json
from bisect import bisect_left
from heapq import nsmallest
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from cloaca_core.engine.calls.arguments import checked_limit
from cloaca_core.engine.calls.call import unchanged
from cloaca_core.errors import ConfigError, TaskNotFoundError
from cloaca_core.features.maps.item_reader import AT_ONCE
from cloaca_core.features.maps.names import ItemNames
from cloaca_core.values.arguments import flag, refuse_other_types
from cloaca_core.values.times.instants import read_instant
from cloaca_core.views.history import RunEvent, attempt_events, moments_of, runner_of
from cloaca_core.views.run_past import history_of
from cloaca_core.views.task_results import settled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloaca_core.assembly.caller import Caller
    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.engine.calls.call import Call
    from cloaca_core.features.maps.records import ItemMark, MapRow
    from cloaca_core.values.times.instants import Instant
    from cloaca_core.views.run_past import History

_Place: TypeAlias = "tuple[int, ...]"
"""Where an event stands: its instant, then whether it is of the run or of an item, then which. At
one instant the events of items come before the ends of tasks and after all else.
"""
_BEFORE, _ITEM, _END, _LAST = range(4)
_ENDS: Final = ("ended", "task_completed", "task_failed", "task_skipped", "task_cancelled")
_ROWS_AT_ONCE: Final = 100
"""Rows of items that one statement reads with their results."""


class EventPage(NamedTuple):
    """The events of a run and of the items of its maps, in the order of time: the ``limit`` first
    after an event.
    """

    run_id: str
    items: bool
    after: RunEvent | None = None
    limit: int = 1000

    def call(self, caller: Caller) -> Call[list[RunEvent]]:
        """See ``Operation``."""
        if not flag("items", self.items):
            raise ConfigError("after is for items=True: all events come at once", field="after")
        refuse_other_types("after", self.after, RunEvent | None, "a RunEvent or None")
        most = checked_limit(self.limit)
        return caller.look(lambda engine: _page(engine, self.run_id, self.after, most), unchanged)


async def _page(engine: Looks, run_id: str, after: RunEvent | None, limit: int) -> list[RunEvent]:
    history = await history_of(engine, run_id)
    maps = await engine.store.maps([run_id])
    own = _own(history)
    start: _Place = () if after is None else _place(after, own, maps)
    found = nsmallest(limit, [place for place in own if place > start])
    for number, each in enumerate(maps):
        for first in range(0, each.items, AT_ONCE):
            marks = await engine.store.item_marks(*each.key, first, first + AT_ONCE)
            places = [place for mark in marks for place in _places(history, number, mark)]
            found = nsmallest(limit, [*found, *[place for place in places if place > start]])
    of_items = await _of_items(engine, history, maps, found)
    return [own[place] if place in own else of_items[place] for place in found]


def _own(history: History) -> dict[_Place, RunEvent]:
    """The events of the run and its tasks, by their places, in order."""
    return {
        (at, _END if event.kind in _ENDS else _BEFORE, number): event
        for number, (at, event) in enumerate(moments_of(history))
    }


def _place(event: RunEvent, own: dict[_Place, RunEvent], maps: Sequence[MapRow]) -> _Place:
    """Where an event stands that was read before."""
    at = read_instant("after", event.at)
    for place, each in own.items():
        if each == event:
            return place
    try:
        item = None if event.task_id is None else ItemNames(maps).find(event.task_id)
    except TaskNotFoundError:  # the map was opened anew since, with other items
        item = None
    if item is None or item.item is None or event.attempt is None:
        return (at, _LAST)
    number = next(place for place, each in enumerate(maps) if each.task_id == item.task)
    return (at, _ITEM, number, item.item, event.attempt, int(event.kind != "task_started"))


def _places(history: History, number: int, mark: ItemMark) -> Iterator[_Place]:
    """Where the start and the end of an attempt of an item stand."""
    begin = history.row.created_at  # a fork has attempts that are older than itself
    times = (mark.started_at, _end(history, mark.started_at, mark.ended_at))
    for is_end, at in enumerate(times):
        if at is not None:
            yield (max(at, begin), _ITEM, number, mark.item, mark.attempt, is_end)


def _end(history: History, began: Instant | None, ended: Instant | None) -> Instant | None:
    """When an attempt ended. An attempt that was cut off ended with its round."""
    if ended is not None or began is None:
        return ended
    ends = sorted(each.ended_at for each in history.rounds)
    place = bisect_left(ends, began)
    return ends[place] if place < len(ends) else history.row.ended_at


async def _of_items(
    engine: Looks, history: History, maps: Sequence[MapRow], places: Sequence[_Place]
) -> dict[_Place, RunEvent]:
    """The events of items at these places."""
    found: dict[_Place, RunEvent] = {}
    for number, each in enumerate(maps):
        of_map = {place[3] for place in places if place[1:3] == (_ITEM, number)}
        labels = None if each.labels is None or not of_map else json.loads(each.labels)
        wanted = sorted(of_map)
        for first in range(0, len(wanted), _ROWS_AT_ONCE):
            indexes = wanted[first : first + _ROWS_AT_ONCE]
            rows = await engine.store.chosen_items(*each.key, indexes)
            names = {name.number: name for name in await engine.reader.names(rows)}
            for row in rows:
                label = row.item if labels is None else labels[row.item]
                done = settled(row, _end(history, row.started_at, row.ended_at))
                done = done._replace(task_id=f"{each.task_id}[{label}]")
                for at, event in attempt_events(done, runner_of(names, row)):
                    shown_at = max(at, history.row.created_at)
                    is_end = int(event.kind != "task_started")
                    found[shown_at, _ITEM, number, row.item, row.attempt, is_end] = event
    return found
