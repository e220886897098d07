"""The row of an end has the reason of the run that did not complete, and its limit."""

from __future__ import annotations

from model.runs import active_run, graph_of

from cloaca_core.definition.version_change import VersionChange
from cloaca_core.engine.record.end_row import end_row
from cloaca_core.run.deadline import Deadline
from cloaca_core.run.planner import RunOver
from cloaca_core.run.reasons import overdue, version_changed
from cloaca_core.run.rows import RunEnd
from cloaca_core.values.states import RunStatus

RUN = active_run(graph_of(t={}), schedule_id="s")


def test_a_run_that_has_completed_has_no_reason() -> None:
    row = end_row(RUN, RunOver(RunStatus.COMPLETED, None), '{"a":1}', 5)

    assert row == RunEnd("r", 1, "Completed", '{"a":1}', None, 5, "s", None, None)


def test_the_code_and_the_limit_of_a_deadline_are_kept_beside_its_text() -> None:
    row = end_row(RUN, RunOver(RunStatus.FAILED, overdue(Deadline(9, 60))), "{}", 5)

    assert (row.status, row.reason_code, row.limit_seconds) == ("Failed", "deadline_exceeded", 60)
    assert row.error_message == "Pipeline timeout after 60s"
    assert row.reason_tasks is None


def test_the_tasks_that_have_changed_are_kept_beside_the_text() -> None:
    reason = version_changed("1", "2", VersionChange(changed=("t", "u")))

    row = end_row(RUN, RunOver(RunStatus.FAILED, reason), "{}", 5)

    assert (row.reason_code, row.reason_tasks) == ("version_changed", '["t","u"]')
