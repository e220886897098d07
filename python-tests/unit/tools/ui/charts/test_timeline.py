"""Bars of attempts as marks on an axis: 50 seconds of a run are 100 per cent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from model.families import LATE, START, at, attempt, child, family, run, tasks, view, wait
from model.inspected import inspected
from tables import each_row

from cloaca_core.features.waits.records import WaitRow
from cloaca_core.run.rows import AttemptRow, RunRow
from cloaca_core.store.acts import ActRow
from cloaca_core.values.times.rfc3339 import rfc3339
from cloaca_tools.ui.charts.rows import chunks
from cloaca_tools.ui.charts.timeline import Chart, Drawn, Mark, chart, with_items
from cloaca_tools.ui.words.clock import Clock
from cloaca_tools.views.run.reading import Family

CLOCK = Clock(UTC, datetime.fromtimestamp(LATE / 1e6, UTC))
UNDER_WAY = run(status="Running", owner="x")


def chart_of(known: Family, *acts: ActRow, rounds: Sequence[str] = ()) -> Chart:
    return chart(inspected(known, *acts, rounds=rounds), CLOCK, UTC, fold=True)


def drawn(*attempts: AttemptRow, row: RunRow | None = None, waits: Sequence[WaitRow] = ()) -> Drawn:
    """The marks of the first task of a run."""
    of = tasks(load=[], send=["load"])
    seen = inspected(family(view(row or run(), *attempts, of=of, waits=waits)))
    (chunk,) = chunks(seen.tree, seen.timeline, {0})
    rows = chunk.rows or ()
    return chart(seen, CLOCK, UTC, fold=True).task(rows[0])


def places(found: Drawn) -> list[tuple[str, float, float]]:
    return [(mark.kind, mark.x, mark.width) for mark in found.marks]


def test_queueing_stands_before_running() -> None:
    found = drawn(attempt("load", 1, 6, 16))

    assert places(found) == [("queue", 2, 10), ("bar", 12, 20)]
    assert (found.marks[1].state, found.took) == ("Completed", "10 s")


def test_a_failure_has_its_sign_in_its_middle_and_above_all() -> None:
    found = drawn(attempt("load", 1, 1, 11, "Failed", retry=21), attempt("load", 2, 21, 31))

    assert places(found) == [("bar", 2, 20), ("hatch", 22, 20), ("bar", 42, 20), ("bad", 12, 0)]
    assert found.took == "30 s"
    assert "ValueError: it broke" in found.marks[0].says


def test_the_items_of_a_map_stand_in_the_place_of_its_last_bar() -> None:
    bar, bad = Mark("bar", 2, 20), Mark("bad", 12, 0)
    latest, done = Mark("bar", 22, 10, says="attempt 2"), Mark("done", 22, 5, says="1 of 2")

    found = with_items([bar, latest, done, bad, Mark("bad", 27, 0)])  # not a sign on the items

    assert [(mark.kind, mark.x) for mark in found] == [("bar", 2), ("items", 22), ("bad", 12)]
    assert found[1].says == "attempt 2; 1 of 2"
    of_runs = with_items([Mark("queue", 0, 2), Mark("ask", 2, 20)])
    assert [(mark.kind, mark.x) for mark in of_runs] == [("queue", 0), ("items", 2)]
    assert with_items([]) == ()


def test_a_failed_task_tells_how_often_it_was_tried() -> None:
    found = drawn(attempt("load", 1, 1, 2, "Failed", retry=3), attempt("load", 2, 3, 4, "Failed"))

    assert found.took == "2 attempts"


def test_a_short_attempt_can_be_seen() -> None:
    found = drawn(attempt("load", 1, 1, 1.001))

    assert places(found) == [("bar", 2, 0.5)]


def test_a_mark_at_the_end_stays_within() -> None:
    found = drawn(attempt("load", 1, 50, 50))

    assert places(found)[-1] == ("bar", 99.5, 0.5)


def test_a_running_attempt_ends_now() -> None:
    found = drawn(attempt("load", 1, 50, None, "Running"), row=UNDER_WAY)

    # the axis goes on until now, 100 s after the start
    assert places(found)[-1] == ("bar", 50, 50)
    assert found.took == "50 s"


def test_a_back_off_lasts_until_now() -> None:
    found = drawn(attempt("load", 1, 1, 20, "Failed", retry=300), row=UNDER_WAY)

    assert ("hatch", 20, 80) in places(found)
    assert found.note is not None
    assert found.note.text == "next attempt 22:18:20"


def test_a_body_that_waits_for_runs_is_hatched_from_the_first_that_has_not_ended() -> None:
    created = {"a": 10, "b": 20, "c": 30}
    below = [
        run(name, "Completed" if name == "a" else "Running", created_at=at(second))
        for name, second in created.items()
    ]
    children = [
        child(each.id, key=f"r::load::{n}", status=each.status) for n, each in enumerate(below)
    ]
    known = family(
        view(run(status="Running"), attempt("load", 1, 1, None, "Waiting"), of=tasks(load=[])),
        *[view(each) for each in below],
        children=children,
    )
    seen = inspected(known)
    ((row,),) = [chunk.rows for chunk in chunks(seen.tree, seen.timeline, {0}) if chunk.rows]
    found = chart(seen, CLOCK, UTC, fold=True).task(row)

    assert places(found) == [("bar", 1, 19), ("hatch", 20, 80)]
    assert found.note is not None
    assert found.note.text == "waits for 2 runs"


def test_a_wait_of_a_body_is_hatched_from_its_begin() -> None:
    paid = wait("load", "event", "paid", START + 30_000_000)
    waiting = attempt("load", 1, 1, None, "Waiting")
    found = drawn(waiting, row=run(status="Waiting"), waits=[paid])

    assert places(found) == [("bar", 1, 29), ("hatch", 30, 70)]
    assert found.note is not None
    assert (found.note.text, found.note.is_over) == ("waits for paid", True)


def test_a_skipped_task_is_a_dash_with_its_reason() -> None:
    skipped = attempt("load", 0, None, 25, "Skipped")._replace(skip_reason="upstream failed: x")
    found = drawn(skipped)

    assert places(found) == [("dash", 50, 0)]
    assert found.note is not None
    assert (found.note.text, found.note.is_before, found.took) == ("x failed", False, "")


def test_a_note_stands_before_marks_that_leave_no_room_behind() -> None:
    skipped = attempt("load", 0, None, 40, "Skipped")._replace(skip_reason="not today")
    found = drawn(skipped)

    assert found.note is not None
    assert (found.note.text, found.note.x, found.note.is_before) == ("not today", 80, True)


def test_a_note_stands_above_marks_that_take_all_the_room() -> None:
    found = drawn(attempt("load", 1, 1, 45)._replace(crashes=2))

    assert found.note is not None
    assert (found.note.text, found.note.is_over) == ("its process died 2 times", True)


def test_a_result_that_a_fork_has_kept_has_no_bar() -> None:
    found = drawn(attempt("load", 1, -90, -80))

    assert places(found) == [("dash", 0, 0)]
    assert found.note is not None
    assert (found.note.text, found.took) == ("kept from the run before", "")


def test_a_crash_is_marked() -> None:
    found = drawn(attempt("load", 1, 1, 11)._replace(crashes=1))

    assert found.marks[-1] == Mark("crash", 2, 0, says="its process died")
    assert found.note is not None
    assert found.note.text == "its process died"


@each_row(
    ("reason", "shown"),
    [
        ("x" * 80, "x" * 20 + "…"),
        ("first\nsecond", "first"),
        ("Trigger rules not satisfied", "rule not met"),
    ],
)
def test_a_long_note_is_cut_to_its_room(reason: str, shown: str) -> None:
    found = drawn(attempt("load", 0, None, 25, "Skipped")._replace(skip_reason=reason))

    assert found.note is not None
    assert found.note.text == shown
    assert found.marks[0].says == reason


def test_a_task_that_has_not_begun_has_no_marks() -> None:
    found = drawn(attempt("send"))

    assert (list(found.marks), found.note, found.took) == ([], None, "")


# -- the whole run -------------------------------------------------------------------------------


def test_pauses_and_rounds_stand_behind_all_rows() -> None:
    second = rfc3339(START + 25_000_000)
    acts = [
        ActRow("y", "r", "w", 1, "resume", "ann", None, 1, START + 20_000_000),
        ActRow("x", "r", "w", 1, "pause", "ann", None, 1, START + 10_000_000),
    ]
    found = chart_of(family(view(run(), attempt("a", 1, 1, 49))), *acts, rounds=[second])

    assert list(found.pauses) == [(20, 20)]
    assert [(sign.x, sign.text) for sign in found.rounds] == [(50, "round 2")]
    assert found.now is None


def test_the_time_between_two_rounds_is_folded() -> None:
    second = rfc3339(START + 40_000_000)
    known = family(view(run(), attempt("a", 1, 1, 10), attempt("a", 2, 40, 50)))
    (fold,) = chart_of(known, rounds=[second]).axis.folds

    assert (fold.label.text, chart_of(known).axis.folds) == ("28 s", ())


def test_a_run_that_has_not_ended_shows_now() -> None:
    assert chart_of(family(view(UNDER_WAY, attempt("a", 1, 1, 2)))).now == 100


def test_work_is_what_bodies_did_and_no_wait() -> None:
    paid = wait("b", "event", "paid", START + 30_000_000)
    known = family(
        view(
            run(status="Waiting"),
            attempt("a", 1, 1, 10),
            attempt("b", 1, 5, None, "Waiting"),
            of=tasks(a=[], b=[]),
            waits=[paid],
        )
    )

    assert chart_of(known).work == pytest.approx(29)
