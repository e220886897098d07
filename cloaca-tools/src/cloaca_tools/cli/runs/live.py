"""Shows a run that goes on: a view that is drawn again on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from cloaca_tools.cli.output import is_terminal, rich_console
from cloaca_tools.cli.runs.lines import name_width, news, pieces, states_of, tree_lines

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from cloaca_tools.views import RunTree

_SPARE = 2
"""Lines of the terminal that are left to the shell."""


def follow(trees: Iterable[RunTree]) -> RunTree:
    """Show each tree as it comes; returns the last one, at the end of the run."""
    console = rich_console()
    return _in_lines(trees) if console is None else _on_terminal(console, trees)


def _in_lines(trees: Iterable[RunTree]) -> RunTree:
    last, before = None, None
    for last in trees:
        now = states_of(last)
        for line in news(before or {}, now):
            click.echo(line)
        before = now
    assert last is not None, "a watch begins with the run as it is"
    return last


def _on_terminal(console: Console, trees: Iterable[RunTree]) -> RunTree:
    from rich.live import Live

    rest: Iterator[RunTree] = iter(trees)
    view = View(next(rest), console.height - _SPARE)
    with Live(
        view,
        console=console,
        refresh_per_second=4,
        vertical_overflow="crop",
        redirect_stderr=is_terminal(err=True),  # else lines for a file would go to the terminal
    ):
        for tree in rest:
            view.show(tree)
        view.end()
    return view.tree


class View:
    """The tree of a run as ``rich`` draws it; the seconds of what runs go on between two looks."""

    def __init__(self, tree: RunTree, height: int) -> None:
        self._height: int | None = height
        self.show(tree)

    def show(self, tree: RunTree) -> None:
        """Show this tree from now on."""
        self.tree: RunTree = tree
        self._seen_at = time.monotonic()

    def end(self) -> None:
        """Show all lines, also those for which there was no room: nothing moves any more."""
        self._height = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        lines = tree_lines(self.tree, self._height)
        names = name_width(lines, options.max_width)
        later = time.monotonic() - self._seen_at
        for line in lines:
            seconds = line.seconds
            if line.runs and seconds is not None:
                seconds += later
            text = Text.assemble(*pieces(line, names, seconds), no_wrap=True)
            text.truncate(options.max_width, overflow="ellipsis")
            yield text
