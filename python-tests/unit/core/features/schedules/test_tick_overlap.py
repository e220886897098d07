"""The rows that a schedule's ticks become while its runs are under way."""

from __future__ import annotations

from tables import each_row

from cloaca_core.features.schedules.records import Cancellation, NewTick
from cloaca_core.features.schedules.tick_overlap import Met, meet_in_turn
from cloaca_core.values.states import TickOutcome
from cloaca_core.values.text import MAX_TEXT
from cloaca_testing.conformance.rows import NOW, new_tick, schedule

TICKS = [new_tick("s", "c"), new_tick("s", "d", tick=NOW + 1)]
SKIPPED = [tick._replace(run_id=None, outcome=TickOutcome.SKIPPED, input="{}") for tick in TICKS]


def met(policy: str, *under_way: str, name: str | None = "nightly") -> Met:
    return meet_in_turn(schedule(name=name)._replace(overlap_policy=policy), TICKS, under_way, 5)


@each_row(
    ("policy", "under_way", "expected"),
    [
        ("allow", "ab", TICKS),
        ("skip", "ab", SKIPPED),
        ("skip", "", [TICKS[0], SKIPPED[1]]),  # the second meets the first
        ("queue", "ab", [TICKS[0]._replace(behind="b"), TICKS[1]._replace(behind="c")]),
        ("queue", "", [TICKS[0], TICKS[1]._replace(behind="c")]),
        ("cancel_old", "ab", TICKS),
    ],
)
def test_each_tick_meets_what_is_under_way_and_the_run_of_the_one_before(
    policy: str, under_way: str, expected: list[NewTick]
) -> None:
    assert list(met(policy, *under_way).ticks) == expected


@each_row("policy", ["allow", "skip", "queue"])
def test_nothing_is_cancelled_unless_it_is_to_be(policy: str) -> None:
    assert met(policy, "a", "b").cancelled == ()


def test_all_older_runs_make_way_each_once() -> None:
    cancelled = met("cancel_old", "a", "b").cancelled

    assert [(each.id, each.tick_run) for each in cancelled] == [("a", "c"), ("b", "c"), ("c", "d")]
    assert cancelled[0] == Cancellation(
        "a",
        "s",
        NOW,
        "c",
        "cancelled by schedule 'nightly' (s): its tick of 2023-11-14T22:13:20+00:00 came before "
        "this run had ended",
        NOW,
        NOW + 5,
    )


def test_a_schedule_without_a_name_is_called_by_its_id() -> None:
    assert (
        met("cancel_old", "a", name=None)
        .cancelled[0]
        .error_message.startswith("cancelled by schedule s: ")
    )


def test_a_name_that_no_database_takes_does_not_fail_the_batch() -> None:
    message = met("cancel_old", "a", name="\ud800" * MAX_TEXT).cancelled[0].error_message

    message.encode()


@each_row(
    ("policy", "under_way", "expected"),
    [("queue", "a", NOW + 1), ("skip", "", NOW), ("skip", "a", None)],
)
def test_the_last_tick_is_the_newest_that_makes_a_run(
    policy: str, under_way: str, expected: int | None
) -> None:
    assert met(policy, *under_way).last_tick == expected
