"""The rows of a run: its tasks with their bars, and below each the runs that it has submitted.

Pure. Rows are sent in chunks: ``chunks`` cuts the tasks of the run at the top, and only those of
the wanted chunks become rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from cloaca_core.values.wording import counted
from cloaca_tools.ui.charts.choice import counts
from cloaca_tools.ui.charts.fan_outs import Entry, FanOut
from cloaca_tools.ui.charts.item_strip import ItemStrip, item_strip
from cloaca_tools.ui.words.texts import item_word
from cloaca_tools.views import Bar, RunLine, RunTree, TaskNode, Timeline
from cloaca_tools.views.run.item_states import cell_of, share_of

CHUNK: Final = 200
"""Tasks of a chunk."""
_SMALL: Final = 10
MOST_APART: Final = 8
"""Runs below a task that have a row each; more of them are folded into one row."""
_STATES: Final = (
    *("Failed", "Running", "Waiting", "Paused", "Cancelling", "Pending", "Cancelled", "Completed"),
)
"""States of runs, first those that matter most."""
NO_STRIPS: Final[Mapping[str, ItemStrip]] = MappingProxyType({})
MOST_NESTED: Final = 50
"""Tasks of a run below the first one that are shown; its own page shows all."""


@dataclass(frozen=True, slots=True)
class Row:
    """A task of the run ``run_id``. ``key`` is unique on the page, and stays while the run has the
    definition that it has. ``strip`` are the items of a map. A row that ``is_within`` a
    fan-out stands below the line of the fan-out.
    """

    key: str
    run_id: str
    node: TaskNode
    bars: tuple[Bar, ...]
    branches: tuple[Branch, ...]
    strip: ItemStrip | None = None
    is_within: bool = False

    @property
    def is_folded(self) -> bool:
        """Whether the runs below it are folded into one row, which draws all of them."""
        return len(self.branches) > MOST_APART

    @property
    def fold(self) -> str:
        """The name of the row into which the runs below it are folded."""
        names = ", ".join(sorted({each.run.workflow_name for each in self.branches}))
        if self.are_iterations:
            return f"{counted(len(self.branches), 'iteration')} of {names}"
        if self.is_part:
            return f"{len(self.branches)} of {self.items:,} runs"
        return f"{len(self.branches)} \N{MULTIPLICATION SIGN} {names}"

    @property
    def fold_brief(self) -> str:
        """The same where there is little room: ``9 runs``, or ``94/300`` of a map."""
        number = len(self.branches)
        return f"{number}/{self.items:,}" if self.is_part else counted(number, "run")

    @property
    def are_iterations(self) -> bool:
        """Whether the runs below it are those of a loop."""
        return all(each.iteration for each in self.branches)

    @property
    def items(self) -> int:
        """How many items a map of child runs has; 0 for another task."""
        told = self.node.progress if self.node.is_map else None
        return 0 if told is None or told.total is None else int(told.total)

    @property
    def is_part(self) -> bool:
        """Whether a map has more items than runs below it: they are not made, or were not read."""
        return self.items > len(self.branches)

    @property
    def state(self) -> str:
        """The state of the folded runs: the first of ``_STATES`` that one of them has; that of the
        map where they are not all of its items.
        """
        if self.is_part:
            return self.node.status
        found = {each.run.status for each in self.branches}
        return next(each for each in _STATES if each in found)

    @property
    def counts(self) -> str:
        """How many of the folded runs are in each state, in words: the worst first."""
        noun = "iteration" if self.are_iterations else "run"
        counts = Counter([each.run.status for each in self.branches])
        states = ", ".join([f"{counts[each]} {each.lower()}" for each in _STATES if counts[each]])
        first = "the first " if self.is_part else ""
        return f"{first}{counted(len(self.branches), noun)}: {states}"

    @property
    def queued(self) -> float | None:
        """Seconds for which its attempts were ready and had not begun; None for none."""
        return sum(bar.queued_seconds or 0.0 for bar in self.bars) or None

    @property
    def ran(self) -> float | None:
        """Seconds that its attempts have taken; None for none that has begun."""
        seconds = [bar.seconds for bar in self.bars if bar.seconds is not None]
        return sum(seconds) if seconds else None


@dataclass(frozen=True, slots=True)
class FoldRow:
    """A fan-out as one line: the states of its tasks, and all of them as a strip. The times are of
    its bodies, None where none has begun; ``skipped_at`` is when its tasks were skipped.
    """

    key: str
    fan: FanOut
    is_open: bool
    counts: Mapping[str, int]
    strip: ItemStrip
    begins: str | None
    ends: str | None
    skipped_at: str | None

    @property
    def state(self) -> str:
        """The state that matters most of those that its tasks have."""
        return next(iter(self.counts))

    @property
    def words(self) -> str:
        """How many tasks are in each state: ``2 failed · 47 completed``."""
        each = [f"{number:,} {item_word(status)}" for status, number in self.counts.items()]
        return " · ".join(each)


@dataclass(frozen=True, slots=True)
class Branch:
    """A run below another one; ``hidden`` of its tasks are not shown. One that is open shows its
    rows from the start.
    """

    run: RunLine
    rows: tuple[Row, ...]
    hidden: int
    is_open: bool
    iteration: int | None = None
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """``lines`` is None for a chunk that was not asked for, which is ``height`` rows high; ``rows``
    are those of tasks.
    """

    number: int
    tasks: int
    height: int
    lines: tuple[Row | FoldRow, ...] | None

    @property
    def rows(self) -> tuple[Row, ...] | None:
        """Its lines without those of fan-outs."""
        if self.lines is None:
            return None
        return tuple([line for line in self.lines if isinstance(line, Row)])

    @property
    def first(self) -> int:
        """The place of its first task, from 1."""
        return self.number * CHUNK + 1


def chunks(
    tree: RunTree,
    timeline: Timeline,
    wanted: Collection[int],
    listed: Sequence[Entry] | None = None,
    strips: Mapping[str, ItemStrip] = NO_STRIPS,
) -> tuple[Chunk, ...]:
    """The chunks of a run, those that are wanted with their rows. ``listed`` are the lines that are
    cut into chunks, by default one for each task; ``strips`` are those of its maps, by task.
    """
    entries = one_each(range(len(tree.tasks))) if listed is None else listed
    cut = [entries[start : start + CHUNK] for start in range(0, len(entries), CHUNK)]
    return tuple(
        _chunk(tree, timeline, number, some, wanted, strips) for number, some in enumerate(cut)
    )


def one_each(places: Iterable[int]) -> list[Entry]:
    """A line for each of the tasks at these places."""
    return [Entry(place) for place in places]


def apart(tree: RunTree, timeline: Timeline) -> tuple[Branch, ...]:
    """The runs below a run of which it is not known which task has submitted them."""
    return _branches(tree.children, timeline)


def chunk_of(tree: RunTree, task: str, listed: Sequence[Entry]) -> int:
    """The chunk with a task of the run at the top; the first chunk if it is not listed."""
    lines = enumerate(listed)
    at = (n for n, each in lines if not each.fold and tree.tasks[each.place].task_id == task)
    return next(at, 0) // CHUNK


def hidden_apart(tree: RunTree) -> int:
    """How many runs below a run have no row, and are not counted by the row of a map either."""
    folded = any(
        node.is_map and node.kind == "child" and len(node.children) > MOST_APART
        for node in tree.tasks
    )
    return 0 if folded else tree.hidden


def found(tree: RunTree, run_id: str) -> RunTree | None:
    """The run of this id within a tree."""
    if tree.run.id == run_id:
        return tree
    below = [*tree.children, *[child for node in tree.tasks for child in node.children]]
    return next((hit for child in below if (hit := found(child, run_id)) is not None), None)


def first_to_see(tree: RunTree) -> TaskNode | None:
    """The task that a page opens at: the first that failed, else one under way, else a map of which
    items failed, else the first.
    """
    for states in (("Failed",), ("Running",), ("Waiting",)):
        for node in tree.tasks:
            if node.status in states:
                return node
    for node in tree.tasks:
        if node.is_map and node.progress is not None and node.progress.text:
            return node
    return tree.tasks[0] if tree.tasks else None


def _chunk(
    tree: RunTree,
    timeline: Timeline,
    number: int,
    entries: Sequence[Entry],
    wanted: Collection[int],
    strips: Mapping[str, ItemStrip],
) -> Chunk:
    if number in wanted:
        lines = tuple(_lines(tree, timeline, entries, strips))
        height = sum(1 if isinstance(line, FoldRow) else _height(line) for line in lines)
        return Chunk(number, len(entries), height, lines)
    places = [entry.place for entry in entries if not entry.fold]
    height = len(entries) + sum(_height_below(tree.tasks[n].children) for n in places)
    return Chunk(number, len(entries), height, None)


def _lines(
    tree: RunTree, timeline: Timeline, entries: Sequence[Entry], strips: Mapping[str, ItemStrip]
) -> Iterator[Row | FoldRow]:
    folds = {entry.fold.key: entry for entry in entries if entry.fold}
    drawn = _fold_rows(tree, timeline, folds)
    rows = _rows(tree, timeline, [entry for entry in entries if not entry.fold], strips)
    for entry in entries:
        yield drawn[entry.fold.key] if entry.fold else next(rows)


def _fold_rows(
    tree: RunTree, timeline: Timeline, folds: Mapping[str, Entry]
) -> Mapping[str, FoldRow]:
    """The lines of fan-outs, by their keys."""
    fan_of = {
        tree.tasks[place].task_id: key
        for key, entry in folds.items()
        for place in (entry.fold.places if entry.fold else ())
    }
    bars: dict[str, list[Bar]] = {key: [] for key in folds}
    for bar in timeline.bars if folds else ():
        if (key := fan_of.get(bar.task)) is not None:
            bars[key].append(bar)
    return {
        key: _fold_row(tree, entry.fold, bars[key], timeline.at, is_open=entry.is_open)
        for key, entry in folds.items()
        if entry.fold
    }


def _fold_row(
    tree: RunTree, fan: FanOut, bars: Sequence[Bar], at: str, *, is_open: bool
) -> FoldRow:
    nodes = [tree.tasks[place] for place in fan.places]
    begun = [bar for bar in bars if bar.started_at is not None and not bar.kept]
    standings = [(node.status, node.seconds or 0.0) for node in nodes]
    share = share_of(len(nodes))
    cells = [cell_of(n, standings[n : n + share]) for n in range(0, len(nodes), share)]
    return FoldRow(
        key=f"{tree.run.id}-fan-{fan.places[0]}",
        fan=fan,
        is_open=is_open,
        counts=counts(nodes),
        strip=item_strip(cells, fewest=1),
        begins=min([bar.started_at or at for bar in begun], default=None),
        ends=max([bar.ended_at or at for bar in begun], default=None),
        skipped_at=max([bar.ended_at or at for bar in bars], default=None),
    )


def _height(row: Row) -> int:
    """How many rows a row and what is open below it take."""
    if row.is_folded:
        return 2
    below = [1 + (sum(map(_height, each.rows)) if each.is_open else 0) for each in row.branches]
    return 1 + sum(below)


def _height_below(children: Sequence[RunTree]) -> int:
    """The height of the runs below a task, without making their rows."""
    if len(children) > MOST_APART:
        return 1
    height = 0
    for child in children:
        height += 1
        if _is_open(child, children):
            shown = child.tasks[:MOST_NESTED]
            height += sum(1 + _height_below(node.children) for node in shown)
    return height


def _rows(
    tree: RunTree,
    timeline: Timeline,
    entries: Iterable[Entry],
    strips: Mapping[str, ItemStrip] = NO_STRIPS,
) -> Iterator[Row]:
    nodes = [(entry, tree.tasks[entry.place]) for entry in entries]
    bars = _bars({node.task_id for _, node in nodes}, timeline.bars)
    for entry, node in nodes:
        key, own = f"{tree.run.id}-{entry.place}", tuple(bars[node.task_id])
        branches = _branches(node.children, timeline)
        strip = strips.get(node.task_id)
        yield Row(key, tree.run.id, node, own, branches, strip, entry.is_within)


def _bars(tasks: Collection[str], bars: Sequence[Bar]) -> dict[str, list[Bar]]:
    found: dict[str, list[Bar]] = {task: [] for task in tasks}
    for bar in bars:
        if bar.task in found:
            found[bar.task].append(bar)
    return found


def _branches(children: Sequence[RunTree], timeline: Timeline) -> tuple[Branch, ...]:
    lines = {each.run.id: each for each in timeline.children}
    return tuple([_branch(child, lines[child.run.id], children) for child in children])


def _branch(child: RunTree, timeline: Timeline, siblings: Sequence[RunTree]) -> Branch:
    shown = min(len(child.tasks), MOST_NESTED)
    rows = tuple(_rows(child, timeline, one_each(range(shown))))
    hidden, is_open = len(child.tasks) - shown, _is_open(child, siblings)
    return Branch(child.run, rows, hidden, is_open, child.iteration, child.index)


def _is_open(child: RunTree, siblings: Sequence[RunTree]) -> bool:
    """Runs that are over and well are folded away, but for a small one without siblings."""
    return child.run.status != "Completed" or (len(siblings) == 1 and len(child.tasks) <= _SMALL)
