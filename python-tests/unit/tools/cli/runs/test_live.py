"""The live view of a run, as ``rich`` draws it."""

from __future__ import annotations

import io
import time

import pytest
from model.families import attempt, family, run, tasks, view
from rich.console import Console
from tables import each_row

from cloaca_tools.cli.runs.live import View
from cloaca_tools.views import RunTree
from cloaca_tools.views.run.tree import tree

OF = tasks(**{f"task{number:02}" + "x" * 60: [] for number in range(20)})


def wide() -> RunTree:
    """A run of twenty tasks with long names, of which one is under way and the rest is done."""
    first, *rest = OF
    going = attempt(first, begins=10, ends=None, status="Running")
    return tree(family(view(run(status="Running"), going, *map(attempt, rest), of=OF)))


def drawn(found: View, columns: int = 80) -> list[str]:
    written = io.StringIO()
    Console(file=written, width=columns, color_system=None).print(found)
    return written.getvalue().splitlines()


@each_row("columns", [40, 80, 200])
def test_lines_fit_the_terminal(columns: int) -> None:
    lines = drawn(View(wide(), 10), columns)

    assert max(map(len, lines)) <= columns
    assert len(lines) == 10


def test_a_line_that_is_cut_says_so() -> None:
    assert drawn(View(wide(), 10), 40)[1].endswith("…")


def test_at_the_end_all_lines_are_shown() -> None:
    shown = View(wide(), 10)
    shown.end()

    assert len(drawn(shown)) == 21


def test_the_seconds_of_what_runs_go_on_between_two_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    shown = View(wide(), 10)
    monkeypatch.setattr(time, "monotonic", lambda: 5.0)

    assert "1 m 44 s" in drawn(shown)[0]  # it was 99 s
