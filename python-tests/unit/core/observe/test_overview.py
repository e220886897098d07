"""What one looks at first, shaped from rows."""

from __future__ import annotations

from model.families import LATE, at, run

from cloaca_core._engine.observe.facts import RunnerState
from cloaca_core.conformance.rows import runner
from cloaca_core.observe.overview import State, overview
from cloaca_core.records.standing import RunnerLoad
from cloaca_core.records.waits import OpenApprovalRow


def test_rows_are_shaped_and_runs_that_are_gone_left_out() -> None:
    failed, waits = run("f", status="Failed"), run("p", status="Pending", created_at=at(90))
    approval = OpenApprovalRow(
        run_id="r",
        workflow="public::embedded::flow",
        run_status="Waiting",
        task_id="sign",
        detail='{"prompt":"ok?","choices":["yes"]}',
        opened_at=LATE,
        due_at=None,
        tags="{}",
    )
    states = [
        RunnerState(RunnerLoad(runner("r1"), 3, owns_workflow=False), is_here=True),
        RunnerState(RunnerLoad(runner("r2"), 0, owns_workflow=False), process_ended=True),
    ]

    found = overview(
        "sqlite",
        State(
            LATE,
            {"Pending": 1},
            ["f", "gone"],
            {"f": failed, "p": waits},
            "p",
            [approval],
            states,
            ["public::embedded::flow"],
            90,
        ),
    )

    assert (found.backend, found.counts, found.failed) == ("sqlite", {"Pending": 1}, 2)
    assert [each.id for each in found.failures] == ["f"]
    assert found.oldest_pending is not None
    assert (found.oldest_pending.id, found.oldest_pending_seconds) == ("p", 10.0)
    assert [(each.id, each.alive, each.runs, each.is_here) for each in found.runners] == [
        ("r1", True, 3, True),
        ("r2", False, 0, False),
    ]
    assert [each.prompt for each in found.approvals] == ["ok?"]
    assert (found.paused_workflows, found.retention_days) == (("flow",), 90)
    assert found.to_dict()["approvals"][0]["task_id"] == "sign"
