"""The last runs of a workflow by its tasks, as numbers and paths: a column for each run, the newest
at the right, with a bar of its work above, and a row for each task.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cloaca_tools.views import GridRow

STEP: Final = 15
"""From one column to the next."""
CELL: Final = 13
ROW: Final = 20
HEAD: Final = 74
"""Above the first row: days and bars."""
FOOT: Final = 4
_FLOOR: Final = 68
_TALLEST: Final = 36
_LEAST: Final = 3
_APART: Final = 62
"""Between two words of the axis."""
_LETTER: Final = 7
"""Room for a letter of such a word."""
LETTERS: Final = {
    "Completed": "c",
    "Failed": "f",
    "Skipped": "s",
    "Running": "r",
    "Waiting": "w",
    "Cancelled": "x",
    "NotStarted": "n",
    "Pending": "n",
}
"""How a row tells a script the state of a cell; a number of attempts above 1 follows."""
_SOLID: Final = {"Completed": "completed", "Failed": "failed", "Running": "running"}
_OPEN: Final = ("NotStarted", "Pending")


@dataclass(frozen=True, slots=True)
class Mark:
    """A path of a row or of the bars: its classes, and where it goes."""

    look: str
    path: str


@dataclass(frozen=True, slots=True)
class Column:
    """A run: its left edge, and its place among the runs, newest first."""

    x: int
    place: int


@dataclass(frozen=True, slots=True)
class Row:
    """A task: the middle of its row, its marks, and its cells in letters."""

    task: str
    y: int
    marks: tuple[Mark, ...]
    cells: str


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the axis, at the line before its column."""

    x: int
    text: str


@dataclass(frozen=True, slots=True)
class Grid:
    """All of it, in pixels."""

    width: int
    height: int
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    bars: tuple[Mark, ...]
    words: tuple[Word, ...]


def grid(runs: Sequence[GridRow], tasks: Sequence[tuple[int, str]], days: Sequence[str]) -> Grid:
    """The grid of runs, newest first, and of these tasks: the place of each among the tasks of the
    runs, and its name. ``days`` says for each run in which part of the axis it is.
    """
    oldest_first = list(reversed(runs))
    words = tuple(_words(list(reversed(days))))
    return Grid(
        width=max([len(runs) * STEP, *[each.x + len(each.text) * _LETTER for each in words]]),
        height=HEAD + len(tasks) * ROW + FOOT,
        columns=tuple([Column(at * STEP, len(runs) - 1 - at) for at in range(len(runs))]),
        rows=tuple(
            [_row(place, name, number, oldest_first) for number, (place, name) in enumerate(tasks)]
        ),
        bars=tuple(_bars(oldest_first)),
        words=words,
    )


def _row(place: int, task: str, number: int, runs: Sequence[GridRow]) -> Row:
    states = [run.statuses[place] for run in runs]
    attempts = [run.attempts[place] for run in runs]
    cells = [
        f"{LETTERS.get(state or '', '-')}{tries if tries > 1 else ''}"
        for state, tries in zip(states, attempts, strict=True)
    ]
    marks = _marks(states, attempts)
    return Row(task, HEAD + ROW // 2 + number * ROW, tuple(marks), " ".join(cells))


def _marks(states: Sequence[str | None], attempts: Sequence[int]) -> Iterator[Mark]:
    """The marks of a row, those on top last. Neighbours of one state are one line, with gaps."""
    for state, name in _SOLID.items():
        yield from _lines(states, state, f"kl is-{name}")
    yield from _lines(states, "Skipped", "k-skip")
    again = [
        state == "Completed" and tries > 1 for state, tries in zip(states, attempts, strict=True)
    ]
    yield from _each(again, "k-dot", lambda x: f"M{x + CELL} -6.5h-7l7 7z")
    yield from _each(_are(states, "Failed"), "k-x", lambda x: f"M{x + 4} -2.5l5 5m0-5l-5 5")
    yield from _each(_are(states, "Waiting"), "k-hatch is-waiting", _square)
    yield from _each([state in _OPEN for state in states], "k-open", _square)
    yield from _each(
        _are(states, "Cancelled"), "k-open", lambda x: f"{_square(x)}M{x + 3} 3.500l7-7"
    )


def _square(x: float) -> str:
    return f"M{x + 1} -5.5h11v11h-11z"


def _are(states: Sequence[str | None], state: str) -> list[bool]:
    return [each == state for each in states]


def _lines(states: Sequence[str | None], state: str, look: str) -> Iterator[Mark]:
    parts, at = [], 0
    for is_it, cells in groupby(states, lambda each: each == state):
        length = len(list(cells))
        if is_it:
            parts.append(f"M{at * STEP} 0h{length * STEP - (STEP - CELL)}")
        at += length
    if parts:
        yield Mark(look, "".join(parts))


def _each(are: Sequence[bool], look: str, path: Callable[[int], str]) -> Iterator[Mark]:
    if any(are):
        yield Mark(look, "".join([path(at * STEP) for at, is_it in enumerate(are) if is_it]))


def _bars(runs: Sequence[GridRow]) -> Iterator[Mark]:
    """A bar for each run, as high as its work; failures have a mark above."""
    longest = max([run.work_seconds or 0 for run in runs], default=0) or 1
    paths: dict[str, list[str]] = {}
    for at, run in enumerate(runs):
        high = max(_LEAST, round((run.work_seconds or 0) / longest * _TALLEST))
        x, top = at * STEP, _FLOOR - high
        path = f"M{x} {top}h{CELL}v{high}h-{CELL}z"
        if run.run.status == "Failed":
            path += f"M{x + 6.5} {top - 4}l-4 -6h8z"
        paths.setdefault(run.run.status, []).append(path)
    for status, found in paths.items():
        yield Mark(status, "".join(found))


def _words(days: Sequence[str]) -> Iterator[Word]:
    last = -_APART
    for at, (before, day) in enumerate(zip(["", *days], days, strict=False)):
        if day != before and at and at * STEP - last >= _APART:
            last = at * STEP
            yield Word(last, day)


def chosen(runs: Sequence[GridRow], tasks: Sequence[str], most: int) -> list[tuple[int, str]]:
    """The tasks that are shown where there are more than ``most``: those that have failed or were
    tried again, then those that took longest. Those that have failed stand first, each part in the
    order of the tasks.
    """
    places = list(enumerate(tasks))
    if len(tasks) <= most:
        return places
    first = sorted(places, key=lambda each: _weight(runs, each[0]), reverse=True)[:most]
    return sorted(first, key=lambda each: (not _weight(runs, each[0])[0], each))


def _weight(runs: Sequence[GridRow], place: int) -> tuple[int, int, float]:
    failed = sum([run.statuses[place] == "Failed" for run in runs])
    again = sum([run.attempts[place] > 1 for run in runs])
    return failed, again, max([run.seconds[place] or 0 for run in runs], default=0)
