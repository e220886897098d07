"""The statements of a batch, and the meaning of their answers. The conformance tests cover the
SQL itself.
"""

from __future__ import annotations

import pytest
from tables import each_row

from cloaca_core.assembly.commit_parts import COMMIT_PARTS
from cloaca_core.features.follow_ups.records import NewFollowUp
from cloaca_core.features.schedules.records import Cancellation
from cloaca_core.features.steps.records import MEMOS
from cloaca_core.features.waits.records import WAITS
from cloaca_core.run.rows import NewRun, Park
from cloaca_core.store.batch import Batch
from cloaca_core.store.messages import MESSAGES
from cloaca_core.store.sql.base import load_queries
from cloaca_core.store.sql.batch import BatchSteps
from cloaca_core.store.sql.commit_part import Stages
from cloaca_sqlite.driver import WORDING
from cloaca_testing.conformance.commits import batch_with
from cloaca_testing.conformance.rows import (
    NOW,
    WORKFLOW,
    attempt,
    closed,
    firing,
    memo,
    message,
    new_event,
    new_run,
    new_tick,
    run_end,
    timeout,
    trigger_row,
    wait,
)


@pytest.fixture(scope="module")
def steps() -> BatchSteps:
    queries = load_queries("cloaca_sqlite", WORDING)
    stages = Stages([make(queries, tuple).part() for make in COMMIT_PARTS])
    return BatchSteps(queries, tuple, stages)


_SKIPPED = new_tick("s", "b")._replace(run_id=None)
_SCHEDULED = run_end("a")._replace(schedule_id="s")
_FOLLOW_UP = NewFollowUp("b", "a", 0, "Failed", "public::embedded::alerts", "{}")
_PARK = Park("a", None, NOW)
_NONE = Batch("r1", [], [], [], {"a": 1, "b": 1})
_CANCELLED = Cancellation("a", "s", NOW, "b", "made way", NOW, NOW)


@each_row(
    ("batch", "expected"),
    [
        (Batch("r1", [], [], [], {}), []),
        (Batch("r1", [new_run("a", owner=None)], [], [], {}), ["insert_plain_run"]),
        (
            Batch("r1", [new_run("a"), new_run("b", owner=None, priority=1)], [], [], {}),
            ["insert_run", "owned_runs"],
        ),
        (Batch("r1", [new_run("a")], [], [], {}), ["insert_plain_run", "owned_runs"]),
        (
            Batch("r1", [new_run("a", owner=None, key="k", tags='{"t":"x"}')], [], [], {}),
            ["insert_plain_run", "insert_tag", "find_keys"],
        ),
        (Batch("r1", [], [attempt("a")], [], {"a": 1}), ["fence_runs", "record_attempt"]),
        (Batch("r1", [], [], [run_end("a")], {"a": 1}), ["fence_runs", "end_run"]),
        (
            batch_with("r1", [], [attempt("a")], [run_end("a")], {"a": 1}, memos=[memo("a")]),
            ["fence_runs", "record_attempt", "record_memo", "end_run"],
        ),
        (
            batch_with("r1", [new_run("a", owner=None)], [], [], {}, messages=[message("m")]),
            ["insert_plain_run", "insert_first_message", "count_first_message"],
        ),
        (
            batch_with(
                "r1",
                [],
                [attempt("a")],
                [],
                {"a": 1},
                waits=[wait("a")],
                parks=[_PARK],
                timeouts=[timeout(wait("a"))],
                closed=[closed(wait("a"), "m")],
            ),
            [
                *("fence_runs", "take_message", "close_wait", "time_out_wait", "list_timed_out"),
                *("record_wait", "record_attempt", "park_run"),
            ],
        ),
        (
            batch_with("r1", [], [], [], {"a": 1}, closed=[closed(wait("a"))]),
            ["fence_runs", "close_wait"],
        ),
        (
            batch_with("r1", [], [], [run_end("a")], {"a": 1}, follow_ups=[_FOLLOW_UP]),
            ["fence_runs", "end_run", "insert_follow_up"],
        ),
        (
            batch_with("r1", [], [], [], {}, [firing("s")], [new_tick("s", "a")]),
            ["lock_schedules", "insert_tick", "insert_tick_run", "advance_schedule"],
        ),
        (
            batch_with("r1", [], [], [], {}, [firing("s")], [_SKIPPED]),
            ["lock_schedules", "insert_tick", "advance_schedule"],
        ),
        (
            batch_with(
                "r1", [], [], [], {}, [firing("s")], [new_tick("s", "b")._replace(behind="a")]
            ),
            ["lock_schedules", "insert_tick", "insert_tick_run", "advance_schedule", "start_next"],
        ),
        (
            batch_with("r1", [], [], [], {}, ticks=[new_tick("s", "a")._replace(generation=None)]),
            [
                *("lock_schedules", "insert_tick", "take_dropped_tick", "insert_tick_run"),
                "outdate_schedule",
            ],
        ),
        (
            Batch("r1", [], [], [_SCHEDULED], {"a": 1}),
            ["lock_schedules", "fence_runs", "end_run", "start_next"],
        ),
        (
            batch_with(
                "r1", [], [], [], {"c": 1}, [firing("s")], [new_tick("s", "b")], [_CANCELLED]
            ),
            [
                *("lock_schedules", "lock_runs", "insert_tick", "insert_tick_run"),
                *("advance_schedule", "fence_runs", "cancel_run", "follow_ends"),
            ],
        ),
        (
            batch_with("r1", [], [], [], {}, [firing("s", lost=3)]),
            ["lock_schedules", "insert_lost", "advance_schedule"],
        ),
        (
            batch_with("r1", [], [], [], {}, events=[new_event("a"), new_event("b")]),
            ["lock_triggers", *["insert_event", "insert_event_run"] * 2],
        ),
        (
            batch_with("r1", [], [], [], {}, turns=[trigger_row()]),
            ["lock_triggers", "take_poll"],
        ),
        (
            Batch("r1", [new_run("b")], [attempt("a")], [run_end("a")], {"a": 1}),
            ["insert_plain_run", "owned_runs", "fence_runs", "record_attempt", "end_run"],
        ),
    ],
)
def test_a_batch_is_the_statements_that_have_rows(
    steps: BatchSteps, batch: Batch, expected: list[str]
) -> None:
    assert [step.statement.name for step in steps.of(batch).values()] == expected


def test_what_follows_runs_that_make_way_is_asked_for_by_the_instants_of_their_ends(
    steps: BatchSteps,
) -> None:
    later = [_CANCELLED._replace(id=run, ended_at=NOW + 1) for run in "cd"]
    ways = [later[0], _CANCELLED, later[1]]
    batch = batch_with("r1", [], [], [], {}, [firing("s")], [], ways)

    found = [
        dict(zip(step.statement.parameters, step.params, strict=False))
        for step in steps.of(batch).values()
        if step.statement.name == "follow_ends"
    ]

    code = "cancelled_by_schedule"
    assert [each["ids"] for each in found] == [("a",), ("c", "d")]
    assert [(each["now"], each["reason_code"]) for each in found] == [(NOW, code), (NOW + 1, code)]


def test_one_run_by_itself_is_inserted_and_asked_for(steps: BatchSteps) -> None:
    def names(tags: str) -> list[str]:
        run = new_run("a", key="k", tags=tags)
        return [step.statement.name for step in steps.of_one(run).values()]

    assert names("{}") == ["insert_unowned_run", "find_keys"]
    assert names('{"t":"x"}') == ["insert_unowned_run", "insert_tag", "find_keys"]


def test_who_asked_for_a_run_costs_others_nothing(steps: BatchSteps) -> None:
    asked = new_run("a", key="k")._replace(asked_by="ann")

    def names(*runs: NewRun) -> list[str]:
        found = steps.of(Batch("r1", list(runs), [], [], {}))
        return [step.statement.name for step in found.values()]

    assert "note_submission" not in names(new_run("b"), new_run("c", key="k"))
    assert names(new_run("b"), asked)[:2] == ["insert_run", "note_submission"]
    (noted,) = [
        step for step in steps.of_one(asked).values() if step.statement.name == "note_submission"
    ]
    assert noted.rows == [("ann", "a")]


def test_a_message_comes_with_a_run_by_itself(steps: BatchSteps) -> None:
    found = steps.of_one(new_run("a", key="k"), MESSAGES.rows([message("m")])).values()

    assert [step.statement.name for step in found] == [
        "insert_unowned_run",
        "insert_first_message",
        "count_first_message",
        "find_keys",
    ]


@each_row(
    ("name", "batch"),
    [
        # the memo of the latest attempt
        (
            "memos",
            _NONE._replace(rows=MEMOS.rows([memo("a", attempt=2), memo("a"), memo("a", "tax")])),
        ),
        ("waits", _NONE._replace(rows=WAITS.rows([wait("a"), wait("a", attempt=2), wait("b")]))),
    ],
)
def test_of_several_rows_with_one_key_one_is_written(
    steps: BatchSteps, name: str, batch: Batch
) -> None:
    step = steps.of(batch)[name]

    place = step.statement.parameters.index("attempt")
    assert sorted(row[place] for row in step.rows or ()) == [1, 2]


def test_an_attempt_of_a_run_without_a_fence_is_a_mistake_of_the_caller(steps: BatchSteps) -> None:
    with pytest.raises(KeyError):
        steps.of(Batch("r1", [], [attempt("a")], [], {}))


def test_a_run_counts_as_ours_under_the_epoch_that_was_meant(steps: BatchSteps) -> None:
    batch = Batch("r1", [], [attempt("a"), attempt("b")], [], {"a": 1, "b": 1, "c": 1})

    answers = {"fence": [("a", 1, None, 0, 0), ("b", 2, None, 0, 0)]}

    assert steps.committed(batch, answers).current == {"a"}


def test_a_new_run_is_told_who_has_its_key(steps: BatchSteps) -> None:
    first, again, other = new_run("a", key="k"), new_run("b", key="l"), new_run("c")
    batch = Batch("r1", [first, again, other], [], [], {})
    holders = [(first.workflow, "k", "a"), (again.workflow, "l", "earlier")]

    answer = steps.committed(batch, {"owned": [("a",)], "keys": holders})

    assert answer.existing == {"b": "earlier"}
    assert answer.owned == {"a"}


def test_a_new_run_whose_key_no_run_has_was_held_back(steps: BatchSteps) -> None:
    runs = [new_run("a", key="k"), new_run("b", key="l"), new_run("c"), new_run("d", key="l")]
    batch = Batch("r1", runs, [], [], {})

    answer = steps.committed(batch, {"owned": [("a",), ("c",)], "keys": [(WORKFLOW, "k", "a")]})

    assert answer.held == {"b", "d"}
    assert answer.existing == {}
    assert (
        steps.committed(batch._replace(new_runs=[runs[2]]), {"owned": [("c",)]}).held == frozenset()
    )
