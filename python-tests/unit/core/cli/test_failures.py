"""Errors of cloaca and their exit codes."""

from __future__ import annotations

import pytest

from cloaca_core.cli.exits import MEANINGS, of_status
from cloaca_core.cli.failures import code_of, failure_of
from cloaca_core.errors import (
    CloacaError,
    ConfigError,
    ContextValueError,
    CronExpressionError,
    FilterError,
    PipelineTimeoutError,
    RunCancelledError,
    RunFailedError,
    RunNotFoundError,
    WorkflowNotFoundError,
)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (1, RunNotFoundError("no run", run_id="x")),
        (1, WorkflowNotFoundError("no workflow", name="x")),
        (2, FilterError("no key", term="x:y")),
        (2, ConfigError("bad value", field="x")),
        (2, CronExpressionError("bad cron")),
        (2, ContextValueError("NaN")),
        (5, RunFailedError("failed", run_id="r", status="Failed")),
        (6, RunCancelledError("cancelled", run_id="r", status="Cancelled")),
        (7, PipelineTimeoutError("no end")),
    ],
    ids=lambda it: type(it).__name__ if isinstance(it, Exception) else "",
)
def test_an_error_has_the_code_of_its_kind(code: int, error: CloacaError) -> None:
    assert code_of(error) == code
    assert (failure_of(error).exit_code, failure_of(error).message) == (code, str(error))


@pytest.mark.parametrize(
    ("code", "status"), [(0, "Completed"), (5, "Failed"), (6, "Cancelled"), (0, "Running")]
)
def test_the_end_of_a_run_has_a_code(code: int, status: str) -> None:
    assert of_status(status) == code


def test_each_code_has_a_meaning() -> None:
    assert list(MEANINGS) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 130]
