"""Attempts are bars, and since when each was ready is told from those before it."""

from __future__ import annotations

from model.families import LATE, at, attempt, child, family, run, tasks, view

from cloaca_core.features.waits.records import WaitRow
from cloaca_core.run.rows import RestartRow, RoundRow
from cloaca_core.store.acts import ActRow
from cloaca_core.values.times.rfc3339 import rfc3339
from cloaca_tools.views.run.reading import Family
from cloaca_tools.views.run.timeline import Span, Timeline, timeline

OF = tasks(load=[], send=["load"])


def second(seconds: float) -> str:
    instant = at(seconds)
    assert instant is not None
    return rfc3339(instant)


def of(known: Family, *acts: ActRow, rounds: tuple[RoundRow, ...] = ()) -> Timeline:
    views = {**known.views, "r": known.views["r"]._replace(rounds=rounds)}
    return timeline(known._replace(views=views), acts)


def act(kind: str, seconds: float, *, changed: int = 1) -> ActRow:
    return ActRow(
        "x", "r", "w", 1, kind, "ann", None, changed, LATE - 100_000_000 + round(seconds * 1e6)
    )


def test_a_bar_was_ready_when_all_before_it_had_ended() -> None:
    found = of(
        family(
            view(run(), attempt("load", 1, 1.5, 4), attempt("send", 1, 6, 9), of=OF),
        )
    )

    assert [(bar.task, bar.queued_at, bar.queued_seconds, bar.seconds) for bar in found.bars] == [
        ("load", second(1), 0.5, 2.5),
        ("send", second(4), 2.0, 3.0),
    ]
    assert (found.begins, found.ends) == (second(0), second(50))


def test_a_further_attempt_was_ready_when_its_back_off_was_over() -> None:
    first = attempt("load", 1, 1, 2, "Failed", retry=5)
    found = of(family(view(run(), first, attempt("load", 2, 5.5, 6), of=OF)))

    assert [(bar.attempt, bar.queued_at) for bar in found.bars] == [(1, second(1)), (2, second(5))]
    assert found.bars[0].error == "ValueError: it broke"


def test_a_task_that_was_skipped_has_no_time() -> None:
    (bar,) = of(family(view(run(), attempt("send", 0, None, 9, "Skipped"), of=OF))).bars

    assert (bar.status, bar.queued_at, bar.started_at, bar.seconds) == ("Skipped", None, None, None)


def test_a_task_without_a_definition_was_ready_when_its_run_began() -> None:
    (bar,) = of(family(view(run(), attempt("load", 1, 3, 4)))).bars

    assert bar.queued_at == second(1)


def test_an_attempt_of_an_earlier_round_is_in_its_round() -> None:
    earlier = RoundRow("r", 1, "Failed", "it broke", None, None, None, at(1), at(10) or 0)
    row = run(round=2, started_at=at(20))
    attempts = (
        attempt("load", 1, 1, 2),
        attempt("send", 1, 3, 4, "Failed"),
        attempt("send", 2, 21, 22),
    )
    restarts = (RestartRow("r", "send", 2, 2),)

    found = of(family(view(row, *attempts, of=OF, restarts=restarts)), rounds=(earlier,))

    assert [(bar.task, bar.round, bar.queued_at) for bar in found.bars] == [
        ("load", 1, second(1)),
        ("send", 1, second(2)),
        ("send", 2, second(20)),
    ]


def test_a_task_that_was_to_be_tried_again_is_ready_with_its_next_round() -> None:
    earlier = RoundRow("r", 1, "Cancelled", None, None, None, None, at(1), at(10) or 0)
    attempts = (attempt("load", 1, 1, 2, "Failed", retry=5), attempt("load", 2, 21, 22))
    known = family(
        view(
            run(round=2, started_at=at(20)),
            *attempts,
            of=OF,
            restarts=(RestartRow("r", "load", 2, 2),),
        )
    )

    assert of(known, rounds=(earlier,)).bars[1].queued_at == second(20)


def test_an_attempt_whose_process_died_was_not_queued_all_the_time() -> None:
    """Its start is that of the body that runs now; another one ran before."""
    again = attempt("load", 1, 9, 10)._replace(crashes=1)
    (bar,) = of(family(view(run(), again, of=OF))).bars

    assert (bar.queued_at, bar.queued_seconds, bar.seconds) == (None, None, 1.0)


def test_a_result_that_a_fork_has_kept_took_it_no_time() -> None:
    kept, own = attempt("load", 1, -90, -80), attempt("send", 1, 2, 3)
    found = of(family(view(run(), kept, own, of=OF)))

    assert [(bar.kept, bar.queued_seconds, bar.seconds) for bar in found.bars] == [
        (True, None, None),
        (False, 1.0, 1.0),
    ]
    assert found.begins == second(0)


def test_an_open_wait_is_a_part_of_its_bar() -> None:
    wait = WaitRow("r", "load", "event", "paid", 1, 1, "", at(3) or 0, None)
    waiting = attempt("load", 1, 2, None, "Waiting")
    (bar,) = of(family(view(run(status="Waiting"), waiting, of=OF, waits=(wait,)))).bars

    assert bar.waits == (Span("event", "paid", second(3), None),)


def test_a_wait_of_an_item_is_no_part_of_the_bar_of_its_map() -> None:
    wait = WaitRow("r", "load", "event", "paid", 1, 1, "", at(3) or 0, None, item=7)
    under_way = attempt("load", 1, 2, None, "Running")
    (bar,) = of(family(view(run(status="Running"), under_way, of=OF, waits=(wait,)))).bars

    assert bar.waits == ()


def test_pauses_are_told_by_acts() -> None:
    acts = [act("resume", 9), act("pause", 5, changed=0), act("pause", 4)]
    found = of(family(view(run())), *acts)
    assert found.pauses == (Span("paused", "ann", second(4), second(9)),)

    paused = of(family(view(run(status="Paused"))), act("pause", 4))
    assert paused.pauses == (Span("paused", "ann", second(4), None),)


def test_children_are_within_the_bounds_and_those_not_read_are_counted() -> None:
    late = view(run("k", started_at=at(1), ended_at=at(70)))
    known = family(view(run()), late, children=[child("k"), child("unread")])

    found = of(known)

    assert [each.run.id for each in found.children] == ["k"]
    assert (found.ends, found.hidden) == (second(70), 1)
