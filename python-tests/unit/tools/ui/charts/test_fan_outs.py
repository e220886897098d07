"""Tasks side by side as one line."""

from __future__ import annotations

from collections.abc import Sequence

from model.families import attempt, family, run, tasks, view

from cloaca_tools.ui.charts.axis import axis
from cloaca_tools.ui.charts.fan_outs import (
    ALL,
    FAN,
    MOST_FAILED,
    Entry,
    fan_outs,
    with_folds,
)
from cloaca_tools.ui.charts.rows import CHUNK, FoldRow, chunk_of, chunks
from cloaca_tools.ui.charts.timeline import folded, second
from cloaca_tools.views import RunTree, TaskNode, Timeline
from cloaca_tools.views.run.timeline import timeline
from cloaca_tools.views.run.tree import tree

WIDE = FAN + 1


def seen(*failed: int, wide: int = WIDE) -> tuple[RunTree, Timeline]:
    """A plan, so many tasks after it of which some have failed, and a task after all of them."""
    names = [f"shard{number:03}" for number in range(wide)]
    ends = [
        attempt(name, 1, 2, 3 + number / 10, "Failed" if number in failed else "Completed")
        for number, name in enumerate(names)
    ]
    of = tasks(plan=[], **{name: ["plan"] for name in names}, done=names)
    known = family(view(run(status="Failed"), attempt("plan", 1, 1, 2), *ends, of=of))
    return tree(known), timeline(known, ())


def lines(nodes: Sequence[TaskNode], entries: Sequence[Entry]) -> list[str]:
    """The tasks of these lines; of a fan-out its name."""
    return [each.fold.name if each.fold else nodes[each.place].task_id for each in entries]


def test_tasks_with_the_same_ones_before_and_after_them_are_a_fan_out() -> None:
    nodes = seen()[0].tasks
    (fan,) = fan_outs(nodes)

    assert (fan.key, fan.name) == ("shard000", "shard…")
    assert fan.places == tuple(range(1, WIDE + 1))
    assert fan_outs(seen(wide=FAN)[0].tasks) == []


def test_tasks_of_which_other_ones_depend_are_apart() -> None:
    names = [f"t{number}" for number in range(WIDE + 1)]
    of = tasks(**{name: [] for name in names}, after=names[:1])
    (fan,) = fan_outs(tree(family(view(run(), of=of))).tasks)

    assert fan.places == tuple(range(1, WIDE + 1))


def test_names_that_share_no_beginning_are_the_first_and_the_last() -> None:
    names = [f"{number}" for number in range(WIDE)]
    (fan,) = fan_outs(tree(family(view(run(), of=tasks(**{n: [] for n in names})))).tasks)

    assert fan.name == f"0 … {WIDE - 1}"


def test_a_fold_unfolds_where_it_fails_and_at_the_selected_task() -> None:
    nodes = seen(7, 3)[0].tasks
    fold = "shard…"

    assert lines(nodes, with_folds(nodes, (), "shard005")) == [
        *("plan", fold),
        *("shard003", "shard005", "shard007", "done"),
    ]
    assert [each.is_within for each in with_folds(nodes, (), None)] == [
        *(False, False, True, True, False)
    ]
    for opened in ("shard000", ALL):
        assert len(with_folds(nodes, (opened,), None)) == WIDE + 3


def test_of_many_failed_tasks_the_first_have_a_line() -> None:
    nodes = seen(*range(60), wide=80)[0].tasks

    assert len(with_folds(nodes, (), None)) == 3 + MOST_FAILED


def fold_row(shown: tuple[RunTree, Timeline]) -> FoldRow:
    (cut,) = chunks(*shown, {0}, with_folds(shown[0].tasks, (), None))
    (row,) = [line for line in cut.lines or () if isinstance(line, FoldRow)]
    return row


def test_the_line_has_all_states_the_worst_first_and_all_times() -> None:
    shown = seen(3)
    row = fold_row(shown)
    scale = axis(second(shown[1].begins), second(shown[1].ends), [], None, fold=False, rounds=[])
    (strip,), note = folded(row, scale).marks, folded(row, scale).note

    assert (row.state, row.words) == ("Failed", f"1 failed · {WIDE - 1} completed")
    assert folded(row, scale).took == "3.4 s"  # from second 2 to the last end, at 5.4
    assert (strip.kind, strip.says) == ("items", row.words)
    assert note is not None
    assert note.text == row.words
    assert {state for state, _ in row.strip.bars} == {"failed", "completed"}


def test_a_line_with_little_room_has_the_worst_state_whole() -> None:
    shown = seen(3)
    row, start = fold_row(shown), second(shown[1].begins)
    notes = [
        folded(row, axis(start + after, start + 6, [], None, fold=False, rounds=[])).note
        for after in (0, 1.8)
    ]

    assert notes[0] is not None
    assert (notes[0].text, notes[0].is_before) == ("1 failed", True)
    assert notes[1] is None, "beside the strip of nearly all the width"


def test_a_fan_out_that_has_not_begun_has_its_states_alone() -> None:
    of = tasks(**{f"t{number}": [] for number in range(WIDE)})
    known = family(view(run(status="Running"), of=of))
    row = fold_row((tree(known), timeline(known, ())))
    drawn = folded(row, axis(0, 9, [], None, fold=False, rounds=[]))

    assert (drawn.marks, drawn.took) == ((), "")
    assert drawn.note is not None
    assert drawn.note.text == f"{WIDE} not started"


def test_chunks_are_cut_of_lines_and_a_fold_is_one() -> None:
    top, line = seen(wide=2 * CHUNK)
    folded_up = with_folds(top.tasks, (), None)
    unfolded = with_folds(top.tasks, (ALL,), None)

    assert [each.height for each in chunks(top, line, {0}, folded_up)] == [3]
    assert [each.height for each in chunks(top, line, {0}, unfolded)] == [CHUNK, CHUNK, 3]
    assert [chunk_of(top, name, unfolded) for name in ("plan", "done")] == [0, 2]
