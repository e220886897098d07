"""Which tasks of a run are listed, and in which order: by state, by a part of the name, sorted.

Pure. All of a choice is in the address, so that it can be shared and works without a script.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from cloaca_tools.ui.words.texts import STATES
from cloaca_tools.views.run.item_states import FIRST

if TYPE_CHECKING:
    from cloaca_tools.views import Bar, TaskNode

SORTS: Final = ("task", "state", "attempts", "queued", "ran")
"""Columns by which tasks can be sorted; ``-ran`` is the longest first."""
_Key: TypeAlias = tuple[float, str]
"""A number, or a text; those of a column are alike."""


@dataclass(frozen=True, slots=True)
class Choice:
    """``only`` are states as classes name them (``failed``), ``find`` is a part of a name in any
    case, ``sort`` a column, with ``-`` before it the greatest first; empty ones choose nothing.
    ``opened`` are the fan-outs that are not folded, by their keys.
    """

    only: tuple[str, ...] = ()
    find: str = ""
    sort: str = ""
    opened: tuple[str, ...] = ()

    @property
    def narrows(self) -> bool:
        """Whether tasks may be left out."""
        return bool(self.only or self.find)

    def toggled(self, state: str) -> Choice:
        """The choice with a state more, or without it."""
        left = tuple([each for each in self.only if each != state])
        return replace(self, only=left if state in self.only else (*self.only, state))

    def unfolded(self, key: str) -> Choice:
        """The choice with a fan-out more that is not folded, or without it."""
        left = tuple([each for each in self.opened if each != key])
        return replace(self, opened=left if key in self.opened else (*self.opened, key))

    def sorted_by(self, column: str) -> Choice:
        """The choice in the order of a column; asked again, the other way round, then in none."""
        following = {column: f"-{column}", f"-{column}": ""}
        return replace(self, sort=following.get(self.sort, column))

    def direction(self, column: str) -> str:
        """How a column is sorted, as ``aria-sort`` says it."""
        return {column: "ascending", f"-{column}": "descending"}.get(self.sort, "none")


def choice_of(only: str, find: str, sort: str, opened: Sequence[str] = ()) -> Choice:
    """The choice of an address; what it names and is not there is left aside."""
    known = set(STATES.values())
    states = [each for each in only.split(",") if each in known]
    return Choice(
        only=tuple(dict.fromkeys(states)),
        find=find.strip(),
        sort=sort if sort.removeprefix("-") in SORTS else "",
        opened=tuple(dict.fromkeys(opened)),
    )


def counts(tasks: Sequence[TaskNode]) -> Mapping[str, int]:
    """How many tasks are in each state, first the states that matter most."""
    found = Counter([each.status for each in tasks])
    return {status: found[status] for status in FIRST if found[status]}


def chosen(tasks: Sequence[TaskNode], bars: Sequence[Bar], choice: Choice) -> Sequence[int]:
    """The places of the tasks that are chosen, in the order that is chosen."""
    part = choice.find.casefold()
    places = [
        place
        for place, node in enumerate(tasks)
        if part in node.task_id.casefold()
        and (not choice.only or STATES[node.status] in choice.only)
    ]
    if choice.sort:
        key_of = _key_of(tasks, bars, choice.sort.removeprefix("-"))
        return _sorted(places, key_of, descending=choice.sort.startswith("-"))
    return places


def _sorted(
    places: Sequence[int], key_of: Callable[[int], _Key | None], *, descending: bool
) -> list[int]:
    """These places in order; those without a key stand last either way."""
    keys = [(key, place) for place in places if (key := key_of(place)) is not None]
    keys.sort(key=lambda pair: pair[0], reverse=descending)
    return [*[place for _, place in keys], *[each for each in places if key_of(each) is None]]


def _key_of(
    tasks: Sequence[TaskNode], bars: Sequence[Bar], column: str
) -> Callable[[int], _Key | None]:
    """What a column has of the task at a place."""
    match column:
        case "task":
            return lambda place: (0, tasks[place].task_id)
        case "state":
            return lambda place: (FIRST.index(tasks[place].status), "")
        case "attempts":
            return lambda place: (tasks[place].attempts, "") if tasks[place].attempts else None
        case _:
            seconds = _seconds(bars, column)
            return lambda place: (
                (seconds[tasks[place].task_id], "") if tasks[place].task_id in seconds else None
            )


def _seconds(bars: Sequence[Bar], column: str) -> Mapping[str, float]:
    """Seconds of each task over all its attempts: in which it was queued, or in which it ran."""
    found: dict[str, float] = {}
    for bar in bars:
        seconds = bar.queued_seconds if column == "queued" else bar.seconds
        if seconds is not None:
            found[bar.task] = found.get(bar.task, 0.0) + seconds
    return found
