"""The grid of a workflow's last runs: what stands where."""

from __future__ import annotations

from collections.abc import Sequence

from model.families import LATE, run
from tables import each_row

from cloaca_core.values.option_names import TaskStatus
from cloaca_core.views.results import run_info
from cloaca_tools.ui.charts.grid import HEAD, Column, Mark, Word, chosen, grid
from cloaca_tools.views.workflows.statistics import GridRow


def row(
    *statuses: TaskStatus | None,
    attempts: Sequence[int] | None = None,
    status: str = "Completed",
    work: float | None = 10,
    seconds: Sequence[float | None] | None = None,
) -> GridRow:
    """A run with tasks in these states."""
    return GridRow(
        run=run_info(run(status=status), LATE),
        statuses=statuses,
        attempts=tuple(attempts or [1] * len(statuses)),
        seconds=tuple(seconds or [1.0] * len(statuses)),
        work_seconds=work,
    )


def marks(*newest_first: GridRow) -> dict[str, str]:
    """The marks of the first task."""
    return {
        mark.look: mark.path
        for mark in grid(newest_first, [(0, "load")], [""] * len(newest_first)).rows[0].marks
    }


def test_neighbours_of_one_state_are_one_line_and_the_newest_is_at_the_right() -> None:
    found = marks(row("Failed"), row("Completed"), row("Completed"), row("Skipped"))
    assert found["k-skip"] == "M0 0h13"
    assert found["kl is-completed"] == "M15 0h28"
    assert found["kl is-failed"] == "M45 0h13"
    assert found["k-x"] == "M49 -2.5l5 5m0-5l-5 5"


def test_a_success_after_a_retry_has_a_cut_corner() -> None:
    found = marks(row("Completed", attempts=[2]), row("Completed"))
    assert found["kl is-completed"] == "M0 0h28"
    assert found["k-dot"] == "M28 -6.5h-7l7 7z"


def test_a_failure_after_retries_has_a_cross_alone() -> None:
    assert "k-dot" not in marks(row("Failed", attempts=[3]))


@each_row(
    ("status", "expected"),
    [
        ("Running", "kl is-running"),
        ("Waiting", "k-hatch is-waiting"),
        ("NotStarted", "k-open"),
        ("Cancelled", "k-open"),
    ],
)
def test_each_state_has_a_shape(status: TaskStatus, expected: str) -> None:
    assert list(marks(row(status))) == [expected]


def test_a_task_without_a_state_leaves_its_cell_empty() -> None:
    found = grid([row(None)], [(0, "load")], [""]).rows[0]
    assert (found.marks, found.cells) == ((), "-")


def test_cells_tell_a_script_state_and_attempts_oldest_first() -> None:
    runs = [row("Failed", attempts=[3]), row("Completed"), row("Skipped", attempts=[0])]
    assert grid(runs, [(0, "load")], [""] * 3).rows[0].cells == "s c f3"


def test_rows_are_those_that_were_chosen() -> None:
    found = grid([row("Completed", "Failed")], [(1, "send")], [""])
    assert [(each.task, each.y) for each in found.rows] == [("send", HEAD + 10)]
    assert [mark.look for mark in found.rows[0].marks] == ["kl is-failed", "k-x"]
    assert (found.width, found.height) == (15, HEAD + 24)


def test_a_column_knows_its_run() -> None:
    found = grid([row(), row()], [], ["", ""])
    assert found.columns == (Column(0, 1), Column(15, 0))


def test_bars_are_as_high_as_the_work_and_failures_have_a_mark_above() -> None:
    bars = grid([row(work=5, status="Failed"), row(work=10), row(work=None)], [], [""] * 3).bars
    assert bars == (
        Mark("Completed", "M0 65h13v3h-13zM15 32h13v36h-13z"),
        Mark("Failed", "M30 50h13v18h-13zM36.5 46l-4 -6h8z"),
    )


def test_words_of_the_axis_do_not_overlap() -> None:
    days = ["9 Nov", "9 Nov", "9 Nov", "9 Nov", "8 Nov", "7 Nov"]
    found = grid([row() for _ in days], [], days)
    assert found.words == (Word(15, "8 Nov"),)
    apart = grid([row() for _ in range(8)], [], ["9 Nov"] * 2 + ["8 Nov"] * 5 + ["7 Nov"])
    assert apart.words == (Word(15, "8 Nov"), Word(90, "9 Nov"))


def test_a_grid_of_few_runs_has_room_for_the_word_of_the_last_one() -> None:
    two = [row("Completed"), row("Completed")]
    assert grid(two, [(0, "a")], ["30 Nov", "29 Nov"]).width == 15 + 6 * 7
    assert grid(two, [(0, "a")], ["30 Nov", "30 Nov"]).width == 2 * 15


def test_of_many_tasks_those_are_shown_that_failed_or_took_longest() -> None:
    runs = [
        row(
            *("Completed", "Failed", "Completed", "Completed"),
            attempts=[1, 1, 2, 1],
            seconds=[9.0, 0.1, 0.1, None],
        )
    ]
    names = ["a", "b", "c", "d"]
    assert chosen(runs, names, 4) == [(0, "a"), (1, "b"), (2, "c"), (3, "d")]
    assert chosen(runs, names, 3) == [(1, "b"), (0, "a"), (2, "c")]  # what failed stands first
    assert chosen(runs, names, 2) == [(1, "b"), (2, "c")]
    assert chosen([], names, 1) == [(0, "a")]
