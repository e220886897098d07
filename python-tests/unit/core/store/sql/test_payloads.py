"""Which payloads leave the rows of their runs. The conformance tests cover what is read back."""

from __future__ import annotations

from operator import attrgetter

import pytest

from cloaca_core.store.sql.base import load_queries
from cloaca_core.store.sql.payloads import LONGEST_IN_ROW, Payloads
from cloaca_sqlite.driver import WORDING
from cloaca_testing.conformance.rows import new_event, new_run, new_tick, run_end

SHORT, LONG = "s" * LONGEST_IN_ROW, "l" * (LONGEST_IN_ROW + 1)


@pytest.fixture
def payloads() -> Payloads:
    return Payloads(load_queries("cloaca_sqlite", WORDING).payloads)


def test_a_long_input_is_written_beside_and_a_short_one_in_the_row(payloads: Payloads) -> None:
    runs = [new_run("a")._replace(input=SHORT), new_run("b")._replace(input=LONG)]

    in_row, beside = payloads.split_inputs(runs, attrgetter("id"))

    assert in_row == [runs[0], runs[1]._replace(input="")]
    assert beside is not None
    assert beside.statement.name == "insert_input"
    assert beside.rows == [(LONG, "b")]


def test_inputs_of_ticks_and_events_go_to_their_runs(payloads: Payloads) -> None:
    tick = new_tick("s", "a")._replace(input=LONG)
    event = new_event("b")._replace(input=LONG)

    ticks, of_ticks = payloads.split_inputs([tick], attrgetter("run_id"))
    events, of_events = payloads.split_inputs([event], attrgetter("run_id"))

    assert (ticks, events) == ([tick._replace(input="")], [event._replace(input="")])
    assert of_ticks is not None
    assert of_ticks.rows == [(LONG, "a")]
    assert of_events is not None
    assert of_events.rows == [(LONG, "b")]


def test_a_long_final_context_is_written_beside_under_the_fence_of_its_run(
    payloads: Payloads,
) -> None:
    ends = [run_end("a", final_context=SHORT), run_end("b", final_context=LONG)]

    in_row, beside = payloads.split_ends(ends, "r1", {"a": 1, "b": 2})

    assert in_row == [ends[0], ends[1]._replace(final_context="")]
    assert beside is not None
    assert beside.statement.name == "insert_final_context"
    assert beside.statement.bind(run_id="b", content=LONG, runner_id="r1", fence=2) in (
        beside.rows or ()
    )


def test_an_end_that_has_not_changed_the_input_has_no_payload(payloads: Payloads) -> None:
    ends = [run_end("a", final_context=None)]

    assert payloads.split_ends(ends, "r1", {"a": 1}) == (ends, None)


def test_short_payloads_are_no_step_more(payloads: Payloads) -> None:
    runs, ends = [new_run("a")._replace(input=SHORT)], [run_end("a", final_context=SHORT)]

    assert payloads.split_inputs(runs, attrgetter("id")) == (runs, None)
    assert payloads.split_ends(ends, "r1", {"a": 1}) == (ends, None)


def test_a_database_that_keeps_long_values_apart_itself_gets_whole_rows() -> None:
    payloads = Payloads(load_queries("cloaca_postgres", WORDING).payloads)
    runs, ends = [new_run("a")._replace(input=LONG)], [run_end("a", final_context=LONG)]

    assert payloads.split_inputs(runs, attrgetter("id")) == (runs, None)
    assert payloads.split_ends(ends, "r1", {"a": 1}) == (ends, None)
    assert payloads.copy_input("b", "a") == ()
