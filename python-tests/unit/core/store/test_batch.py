"""About how much rows take: never nothing, and every text that has no bound counts."""

from __future__ import annotations

from cloaca_core.features.follow_ups.records import FOLLOW_UPS, NewFollowUp
from cloaca_core.store.batch import ROW_BYTES, attempt_weight, end_weight
from cloaca_testing.conformance.rows import attempt, run_end

BARE = attempt("run")._replace(change=None)


def test_no_row_is_weightless() -> None:
    assert attempt_weight(BARE) == ROW_BYTES


def test_a_change_counts() -> None:
    assert attempt_weight(BARE._replace(change="x" * 1000)) == ROW_BYTES + 1000


def test_an_error_counts_with_its_traceback_if_there_is_one() -> None:
    row = BARE._replace(error_message="m" * 10)

    assert attempt_weight(row) == ROW_BYTES + 10
    assert attempt_weight(row._replace(error_traceback="t" * 500)) == ROW_BYTES + 510


def test_a_reason_counts() -> None:
    """A run that is broken off cancels its bodies by the thousand, each with its reason."""
    assert attempt_weight(BARE._replace(skip_reason="x" * 900)) == ROW_BYTES + 900


def test_an_end_weighs_as_much_as_its_texts() -> None:
    end = run_end("run")._replace(final_context="{}", error_message=None)

    assert end_weight(end) == 2
    assert end_weight(end._replace(final_context="x" * 100, error_message="m" * 10)) == 110


def test_what_follows_an_end_weighs_as_much_as_its_context() -> None:
    row = NewFollowUp("f", "run", 0, "Failed", "alert", "x" * 100)

    assert FOLLOW_UPS.weight([row]) == ROW_BYTES + 100
