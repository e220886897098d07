"""How far the runs are that a task waits for, in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cloaca_core.values.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloaca_tools.views import RunTree, TaskNode

_ENDED = ("Completed", "Skipped", "Failed", "Cancelled")


class _Place(NamedTuple):
    """How far a run is: its share from 0 to 1, and the words for it."""

    share: float
    words: str


def open_runs(node: TaskNode) -> list[RunTree]:
    """The runs below a task that have not ended."""
    return [child for child in node.children if child.run.ended_at is None]


def waits_for_runs(node: TaskNode) -> str:
    """The note of a task that waits for runs: ``waits for 3 runs``."""
    number = len(open_runs(node))
    return f"waits for {counted(number, 'run')}" if number > 1 else "waits for a run"


def with_the_slowest(node: TaskNode) -> str:
    """The same with the run that is least far: ``waits for 3 runs; the slowest is at 12 of 40
    rows``.
    """
    found = open_runs(node)
    places = [place for child in found if (place := _place(child)) is not None]
    if not places:
        return waits_for_runs(node)
    slowest = min(places).words
    which = "which is" if len(found) == 1 else "the slowest is"
    return f"{waits_for_runs(node)}{', ' if len(found) == 1 else '; '}{which} at {slowest}"


def _place(child: RunTree) -> _Place | None:
    """The progress that a running task of a run tells; else how many of its tasks have ended."""
    if (told := min(_told(child), default=None)) is not None:
        return told
    total, ended = len(child.tasks), sum(each.status in _ENDED for each in child.tasks)
    return _Place(ended / total, f"{ended:,} of {counted(total, 'task')}") if total else None


def _told(child: RunTree) -> Iterator[_Place]:
    for task in child.tasks:
        told = task.progress
        if task.status == "Running" and told is not None and told.total:
            unit = f" {told.text}" if told.text else ""
            yield _Place(told.done / told.total, f"{told.done:,.10g} of {told.total:,.10g}{unit}")
