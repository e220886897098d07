"""Errors of cloaca and their exit codes."""

from __future__ import annotations

from tables import each_row

from cloaca_core.errors import (
    BackendError,
    CloacaError,
    ConfigError,
    ContextValueError,
    CronExpressionError,
    FilterError,
    PipelineTimeoutError,
    RunCancelledError,
    RunFailedError,
    RunNotFoundError,
    StoreOpenError,
    StoreReadOnlyError,
    StoreUnavailableError,
    TenantError,
    WorkflowNotFoundError,
)
from cloaca_tools.cli.exits import MEANINGS, of_status
from cloaca_tools.cli.failures import code_of, failure_of


@each_row(
    ("code", "error"),
    [
        (1, RunNotFoundError("no run", run_id="x")),
        (1, WorkflowNotFoundError("no workflow", name="x")),
        (4, StoreOpenError("no host", reason="unreachable")),
        (4, BackendError("no backend")),
        (1, StoreReadOnlyError("no rights")),
        (2, FilterError("no key", term="x:y")),
        (2, ConfigError("bad value", field="x")),
        (2, CronExpressionError("bad cron")),
        (2, ContextValueError("NaN")),
        (5, RunFailedError("failed", run_id="r", status="Failed")),
        (6, RunCancelledError("cancelled", run_id="r", status="Cancelled")),
        (7, PipelineTimeoutError("no end")),
    ],
)
def test_an_error_has_the_code_of_its_kind(code: int, error: CloacaError) -> None:
    assert code_of(error) == code
    assert (failure_of(error).exit_code, failure_of(error).message) == (code, str(error))


def test_tenants_of_a_server_that_cannot_be_reached_have_its_code() -> None:
    failed = TenantError("no tenants")
    assert code_of(failed) == 1
    failed.__cause__ = StoreUnavailableError("no host")
    assert code_of(failed) == 4


@each_row(("code", "status"), [(0, "Completed"), (5, "Failed"), (6, "Cancelled"), (0, "Running")])
def test_the_end_of_a_run_has_a_code(code: int, status: str) -> None:
    assert of_status(status) == code


@each_row(
    ("expected", "error"),
    [
        (
            "no file. `cloaca run`, `cloaca worker` and `cloaca db upgrade` make it",
            StoreOpenError("no file", reason="missing"),
        ),
        (
            "no tables. `cloaca db upgrade` makes what is missing",
            StoreReadOnlyError("no tables", is_unmade=True),
        ),
    ],
)
def test_what_is_not_there_yet_is_told_with_the_commands_that_make_it(
    expected: str, error: CloacaError
) -> None:
    assert failure_of(error).message == expected


def test_each_code_has_a_meaning() -> None:
    assert list(MEANINGS) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 130]
