"""Shows the progress of a run: a live table at a terminal, line by line elsewhere."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

    from cloaca import TaskResult

WAITING = "NotStarted"
DONE = "Completed"
ENDED = (DONE, "Failed", "Skipped", "Cancelled")
STYLES = {DONE: "green", "Running": "yellow", "Failed": "red", "Skipped": "red"}


class Display(Protocol):
    """Shows the state of each step."""

    def show(self, tasks: Mapping[str, TaskResult]) -> None:
        """Show the newest states."""


class Lines:
    """Prints a line for each step that has ended since the last call."""

    def __init__(self, steps: Sequence[str], before: Mapping[str, TaskResult]) -> None:
        self._known = {step: status_of(before, step) for step in steps}

    def show(self, tasks: Mapping[str, TaskResult]) -> None:
        """Print the steps whose state changed to an end."""
        for step, known in self._known.items():
            self._known[step] = status = status_of(tasks, step)
            if status != known and status in ENDED:
                print(f"    {step:<10} {status}", flush=True)


class LiveTable:
    """A table that stays in its place and changes."""

    def __init__(self, steps: Sequence[str], live: Live) -> None:
        self._steps = steps
        self._live = live

    def show(self, tasks: Mapping[str, TaskResult]) -> None:
        """Draw it again."""
        self._live.update(_table(self._steps, tasks), refresh=True)


def status_of(tasks: Mapping[str, TaskResult], step: str) -> str:
    """The status of a step; NotStarted when the run does not have it yet."""
    return tasks[step].status if step in tasks else WAITING


@contextmanager
def display(steps: Sequence[str], before: Mapping[str, TaskResult]) -> Iterator[Display]:
    """The live table at a terminal with rich, else lines; steps in ``before`` are not printed."""
    if not sys.stdout.isatty() or importlib.util.find_spec("rich") is None:
        yield Lines(steps, before)
        return
    from rich.live import Live

    with Live(_table(steps, before), auto_refresh=False) as live:
        yield LiveTable(steps, live)


def _table(steps: Sequence[str], tasks: Mapping[str, TaskResult]) -> Table:
    from rich.table import Table

    done = sum(status_of(tasks, step) == DONE for step in steps)
    table = Table.grid(padding=(0, 2))
    for step in steps:
        status = status_of(tasks, step)
        style = STYLES.get(status, "dim")
        table.add_row(f"    {step}", f"[{style}]{status}[/{style}]")
    bar = f"[green]{'━' * done}[/green][dim]{'━' * (len(steps) - done)}[/dim]"
    table.add_row("", f"{bar} {done} of {len(steps)}")
    return table
