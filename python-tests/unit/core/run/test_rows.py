"""How much rows weigh: never nothing, and every text without a bound counts."""

from __future__ import annotations

from cloaca_core.run.rows import ROW_BYTES
from cloaca_testing.conformance.rows import attempt, run_end

BARE = attempt("run")._replace(change=None)


def test_no_row_is_weightless() -> None:
    assert BARE.weight == ROW_BYTES


def test_a_change_counts() -> None:
    assert BARE._replace(change="x" * 1000).weight == ROW_BYTES + 1000


def test_an_error_counts_with_its_traceback_if_there_is_one() -> None:
    row = BARE._replace(error_message="m" * 10)

    assert row.weight == ROW_BYTES + 10
    assert row._replace(error_traceback="t" * 500).weight == ROW_BYTES + 510


def test_a_reason_counts() -> None:
    """A run that is broken off cancels its bodies by the thousand, each with its reason."""
    assert BARE._replace(skip_reason="x" * 900).weight == ROW_BYTES + 900


def test_an_end_weighs_as_much_as_its_texts() -> None:
    end = run_end("run")._replace(final_context="{}", error_message=None)

    assert end.weight == 2
    assert end._replace(final_context="x" * 100, error_message="m" * 10).weight == 110
