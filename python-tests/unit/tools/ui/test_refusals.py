"""Why a page is not answered, in words for somebody who looks at it."""

from __future__ import annotations

from tables import each_row

from cloaca_core.errors import (
    AmbiguousRunError,
    AmbiguousWorkflowError,
    CloacaError,
    LimitNotFoundError,
    RunnerClosedError,
    RunNotFoundError,
    StoreDataError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
    StoreUnavailableError,
    WorkflowNotFoundError,
)
from cloaca_tools.ui.refusals import refusal_of


@each_row(
    ("error", "status", "title"),
    [
        (StoreUnavailableError("x"), 503, "The database does not answer"),
        (StoreFullError("x"), 503, "There is no space left for the database"),
        (StoreReadOnlyError("x"), 503, "The database cannot be written"),
        (StoreDataError("x"), 422, "The database does not take this value"),
        (StoreError("x"), 503, "The database has failed"),
        (RunnerClosedError("x"), 503, "The program is shutting down"),
        (CloacaError("x"), 422, "This cannot be done"),
    ],
)
def test_an_error_says_what_failed_and_why(error: CloacaError, status: int, title: str) -> None:
    refusal = refusal_of(error)

    assert (refusal.status, refusal.title, refusal.help) == (status, title, "x")


def test_a_database_that_is_gone_is_told_to_somebody_at_a_page() -> None:
    refusal = refusal_of(StoreError("put it back before this runner is shut down", is_gone=True))

    assert (refusal.status, refusal.title) == (503, "The database is gone")
    assert "this page goes on by itself" in refusal.help
    assert "runner" not in refusal.help


@each_row(
    ("error", "back"),
    [
        (LimitNotFoundError("x", limit="api"), "limits"),
        (WorkflowNotFoundError("x", name="order"), "workflows"),
        (RunNotFoundError("x", run_id="a"), "runs"),
        (StoreError("x"), ""),
    ],
)
def test_what_is_not_there_leads_to_the_list_of_its_kind(error: CloacaError, back: str) -> None:
    assert refusal_of(error).back == back


@each_row(
    ("error", "title", "near"),
    [
        (LimitNotFoundError("x", limit="apj", near=("api",)), "There is no such limit", ("api",)),
        (
            WorkflowNotFoundError("x", name="ordr", near=("order",)),
            "There is no such workflow",
            ("order",),
        ),
        (
            AmbiguousRunError("x", run_id="01", candidates=("012", "011")),
            "Several runs have ids that begin so",
            ("012", "011"),
        ),
        (
            AmbiguousWorkflowError("x", name="order", candidates=("a::order", "b::order")),
            "Several workflows have this name",
            ("a::order", "b::order"),
        ),
    ],
)
def test_names_that_may_be_meant_are_there_to_follow(
    error: CloacaError, title: str, near: tuple[str, ...]
) -> None:
    refusal = refusal_of(error)

    assert (refusal.status, refusal.title, tuple(refusal.near)) == (404, title, near)
