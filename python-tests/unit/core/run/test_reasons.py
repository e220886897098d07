"""A code says why a run ended or a task was skipped; the text does only in rows without a code."""

from __future__ import annotations

from typing import Any

from tables import each_row

from cloaca_core.definition.version_change import VersionChange
from cloaca_core.run.reasons import (
    Reason,
    changed_tasks,
    overdue,
    overdue_message,
    passed_limit,
    skip_reason,
    version_changed,
)
from cloaca_core.run.rows import AttemptRow, RunRow
from cloaca_core.run.time_limit import Deadline
from cloaca_testing.conformance.rows import attempt

FAILED = "1 task(s) failed, 0 completed, 0 skipped"


def run(error_message: str | None, **fields: Any) -> RunRow:
    row = RunRow(
        id="r", workflow="w", version="0", status="Failed", owner="r1", epoch=1, recoveries=0,
        input="{}", tags="{}", parent_id=None, final_context="{}", error_message=error_message,
        created_at=1, started_at=1, ended_at=2,
    )  # fmt: skip
    return row._replace(**fields)


def skipped(text: str | None, code: str | None) -> AttemptRow:
    row = attempt("r", number=0, status="Skipped")
    return row._replace(skip_reason=text, reason_code=code)


def test_an_exceeded_deadline_says_what_programs_look_for() -> None:
    assert overdue_message(3) == "Pipeline timeout after 3s"
    assert overdue(Deadline(9, 3)) == Reason("deadline_exceeded", "Pipeline timeout after 3s", 3)


def test_a_fraction_of_a_second_is_in_the_text_and_counts_as_a_whole_one() -> None:
    reason = overdue(Deadline(9, 0.25))
    assert (reason.text, reason.limit_seconds) == ("Pipeline timeout after 0.25s", 1)


def test_a_long_limit_is_written_out() -> None:
    assert overdue_message(2_592_000.0) == "Pipeline timeout after 2592000s"


def test_a_deadline_of_the_parent_says_so() -> None:
    text = "Pipeline timeout after 1.5s: the time of the run that submitted it is over"
    assert overdue(Deadline(9, 1.5, inherited=True)) == Reason("deadline_exceeded", text, 2)


class TestChangedVersions:
    BEGINNING = "the workflow has changed since this run began, from version 1 to 2"

    @each_row(
        ("rest", "tasks", "change"),
        [
            ("; changed: a, b", ("a", "b"), VersionChange(changed=("a", "b"))),
            (
                "; changed: c; removed: b; added: a",
                ("c", "b", "a"),
                VersionChange(("a",), ("b",), ("c",)),
            ),
            ("; it is not known which of its tasks", (), None),
        ],
    )
    def test_the_text_names_the_versions_and_the_tasks(
        self, rest: str, tasks: tuple[str, ...], change: VersionChange | None
    ) -> None:
        reason = version_changed("1", "2", change)

        assert reason == Reason("version_changed", f"{self.BEGINNING}{rest}", tasks=tasks)

    @each_row(
        ("tasks", "fields"),
        [
            (("a", "b"), {"reason_code": "version_changed", "reason_tasks": '["a","b"]'}),
            ((), {"reason_code": "version_changed"}),
            (None, {"reason_code": "task_failed", "reason_tasks": '["a"]'}),
            (None, {}),
        ],
    )
    def test_the_tasks_are_those_of_the_row(
        self, tasks: tuple[str, ...] | None, fields: dict[str, str]
    ) -> None:
        assert changed_tasks(run(self.BEGINNING, **fields)) == tasks


class TestRowsWithACode:
    @each_row("text", ["Pipeline timeout after 3s", "in other words", None])
    def test_the_limit_is_that_of_the_row(self, text: str | None) -> None:
        assert passed_limit(run(text, reason_code="deadline_exceeded", limit_seconds=7)) == 7

    @each_row("code", ["task_failed", "unstorable", "some_day"])
    def test_no_text_is_taken_for_an_exceeded_deadline(self, code: str) -> None:
        assert passed_limit(run("Pipeline timeout after 3s", reason_code=code)) is None

    @each_row("code", ["upstream_failed", "trigger_rule", "some_day"])
    def test_the_code_of_a_skipped_task_is_not_read_from_its_text(self, code: str) -> None:
        text = "upstream failed: a"
        assert skip_reason(skipped(text, code)) == Reason(code, text)


class TestRowsWithoutACode:
    """As an older version writes them."""

    @each_row("seconds", [1, 3, 3600, 10**9])
    def test_the_limit_is_read_from_the_message(self, seconds: int) -> None:
        assert passed_limit(run(overdue_message(seconds))) == seconds

    def test_and_from_one_that_says_what_else_was_wrong(self) -> None:
        message = f"{overdue_message(3)}; the final context is 95 bytes long;\nmore"
        assert passed_limit(run(message)) == 3

    @each_row(
        "message",
        [
            # A run that completed has none.
            None,
            "",
            # The planner's own words, about a task that is named or that fails like one.
            f"{FAILED}; first error: a: E: Pipeline timeout after 3s",
            f"{FAILED}; first error: Pipeline timeout after 3s: E: x",
            # The engine's.
            "a result could not be stored: Pipeline timeout after 3s",
            # Damaged rows.
            "Pipeline timeout after s",
            "Pipeline timeout after nan",
            "Pipeline timeout after 3s\n",
            "Pipeline timeout after -3s",
        ],
    )
    def test_no_other_message_is_taken_for_it(self, message: str | None) -> None:
        assert passed_limit(run(message)) is None

    @each_row(
        ("text", "code"),
        [
            ("upstream failed: a", "upstream_failed"),
            ("Trigger rules not satisfied", "trigger_rule"),
            # A damaged row.
            (None, "trigger_rule"),
        ],
    )
    def test_a_skipped_task_has_the_code_of_its_text(self, text: str | None, code: str) -> None:
        assert skip_reason(skipped(text, None)) == Reason(code, text or "")
