"""Tasks side by side, of which each run of a large workflow has many, folded into a line each.

Pure. A fan-out is what the graph makes a group of: tasks with the same ones before and after them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from cloaca_tools.views import TaskNode

FAN: Final = 24
"""Tasks side by side that are no fan-out yet; ``graph_layout.js`` has the same number."""
MOST_FAILED: Final = 20
"""Failed tasks of a folded fan-out that have a line; the filter of failed tasks shows all."""
ALL: Final = "all"
"""In the place of a fan-out: every one is unfolded."""


class FanOut(NamedTuple):
    """The tasks at these places. ``key`` is the id of the first one."""

    key: str
    name: str
    places: tuple[int, ...]


class Entry(NamedTuple):
    """A line: the task at ``place``, which may be within a fan-out; or a ``fold``, which begins
    there. If it ``is_open``, all its tasks stand below it.
    """

    place: int
    is_within: bool = False
    fold: FanOut | None = None
    is_open: bool = False


def fan_outs(tasks: Sequence[TaskNode], fan: int = FAN) -> list[FanOut]:
    """The fan-outs of more than ``fan`` tasks, in the order of their first tasks."""
    beside: dict[tuple[str, ...], list[int]] = {}
    for place, node in enumerate(tasks):
        beside.setdefault(node.depends_on, []).append(place)
    after = _after(beside)
    found: list[FanOut] = []
    for places in beside.values():
        if len(places) > fan:
            found += _with_same_after(tasks, places, after, fan)
    return sorted(found, key=lambda each: each.places[0])


def _after(beside: Collection[tuple[str, ...]]) -> Mapping[str, tuple[int, ...]]:
    """What comes after each task: numbers of sets of dependencies, of which it is in each."""
    after: dict[str, list[int]] = {}
    for number, needed in enumerate(beside):
        for task in needed:
            after.setdefault(task, []).append(number)
    return {task: tuple(numbers) for task, numbers in after.items()}


def _with_same_after(
    tasks: Sequence[TaskNode],
    places: Sequence[int],
    after: Mapping[str, tuple[int, ...]],
    fan: int,
) -> Iterator[FanOut]:
    alike: dict[tuple[int, ...], list[int]] = {}
    for place in places:
        alike.setdefault(after.get(tasks[place].task_id, ()), []).append(place)
    for group in alike.values():
        if len(group) > fan:
            yield of_places(tasks, group)


def of_places(tasks: Sequence[TaskNode], places: Sequence[int]) -> FanOut:
    """The tasks at these places as a fan-out, named after what their names begin with."""
    names = [tasks[place].task_id for place in places]
    return FanOut(names[0], _common(names), tuple(places))


def _common(names: Sequence[str]) -> str:
    """The beginning of all these names, else the first and the last."""
    least, greatest = min(names), max(names)  # what these two share, all share
    pairs = enumerate(zip(least, greatest, strict=False))
    length = next((n for n, (one, other) in pairs if one != other), len(least))
    start = least[:length].rstrip("0123456789")
    return f"{start}…" if len(start) > 1 else f"{names[0]} … {names[-1]}"


def with_folds(
    tasks: Sequence[TaskNode], opened: Collection[str], selected: str | None
) -> list[Entry]:
    """All tasks, with fan-outs in one place each. Below a closed fan-out stand its failed tasks,
    and the selected task.
    """
    fans = fan_outs(tasks)
    begins = {fan.places[0]: fan for fan in fans}
    within = {place for fan in fans for place in fan.places}
    entries: list[Entry] = []
    for place in range(len(tasks)):
        if (fan := begins.get(place)) is not None:
            is_open = ALL in opened or fan.key in opened
            shown = fan.places if is_open else shown_of(tasks, fan, selected)
            entries.append(Entry(place, fold=fan, is_open=is_open))
            entries += [Entry(each, is_within=True) for each in shown]
        elif place not in within:
            entries.append(Entry(place))
    return entries


def shown_of(tasks: Sequence[TaskNode], fan: FanOut, selected: str | None) -> list[int]:
    """The tasks of a fan-out that are shown though it is folded."""
    failed = [place for place in fan.places if tasks[place].status == "Failed"][:MOST_FAILED]
    chosen = [place for place in fan.places if tasks[place].task_id == selected]
    return sorted({*failed, *chosen})
