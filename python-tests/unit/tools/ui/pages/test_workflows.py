"""The lines of the list of workflows."""

from __future__ import annotations

from model.families import FLOW, LATE, at, run

from cloaca_core.views.results import run_info
from cloaca_tools.ui.pages.workflows import line, runs_of, trouble
from cloaca_tools.views import parse
from cloaca_tools.views.workflows.statistics import WorkflowLine


def test_a_line_has_the_middle_of_those_that_completed() -> None:
    workflow = WorkflowLine("flow", FLOW, "v", 1, {}, None, 0, paused=False)
    runs = [
        run_info(run("d", "Failed", ended_at=at(91)), LATE),
        run_info(run("c", ended_at=at(3)), LATE),
        run_info(run("b", ended_at=at(5)), LATE),
        run_info(run("a", ended_at=at(9)), LATE),
    ]
    found = line(workflow, runs)
    assert found.p50 == 4.0
    assert found.strip.label == "Last 4 runs: 3 completed, 1 failed"
    assert line(workflow, []).p50 is None


def test_the_filter_of_its_runs_is_read_as_it_was_meant() -> None:
    odd = 'a "b", c:d'
    (workflow, status) = parse(runs_of(odd, status="Failed")).terms
    assert (workflow.key, workflow.values) == ("workflow", (odd,))
    assert (status.key, status.values) == ("status", ("Failed",))


def test_those_in_trouble_come_first_and_the_others_by_name() -> None:
    def listed(name: str, last: str, failed: int = 0) -> WorkflowLine:
        newest = run_info(run(name, last, ended_at=at(9)), LATE)
        return WorkflowLine(name, FLOW, "v", 1, {"Failed": failed}, newest, 0, paused=False)

    known = [
        listed("a", "Completed"),
        listed("b", "Completed", failed=2),
        listed("c", "Completed"),
        listed("d", "Failed", failed=1),
        listed("e", "Failed", failed=52),
        WorkflowLine("f", FLOW, "v", 1, {}, None, 0, paused=False),
    ]
    found = sorted(known, key=trouble)
    assert [each.workflow_name for each in found] == ["e", "d", "b", "a", "c", "f"]
