"""What one looks at first, shaped from rows."""

from __future__ import annotations

from model.families import LATE, START, at, run
from tables import each_row

from cloaca_core.features.explain.facts import RunnerState
from cloaca_core.features.explain.records import RunnerLoad
from cloaca_core.features.search.records import Claimable
from cloaca_core.features.waits.records import OpenApprovalRow
from cloaca_core.values.times.instants import SECOND
from cloaca_testing.conformance.rows import runner
from cloaca_tools.views.overview import State, overview


def test_rows_are_shaped_and_runs_that_are_gone_left_out() -> None:
    failed, waits = run("f", status="Failed"), run("p", status="Pending", created_at=at(90))
    approval = OpenApprovalRow(
        run_id="r",
        workflow="public::embedded::flow",
        run_status="Waiting",
        task_id="sign",
        name="sign",
        detail='{"prompt":"ok?","choices":["yes"]}',
        opened_at=LATE,
        due_at=None,
        tags="{}",
    )
    named = runner("r1")._replace(host="web-1")
    states = [
        RunnerState(RunnerLoad(named, 3, owns_workflow=False), LATE + 1, is_here=True),
        RunnerState(RunnerLoad(runner("r2"), 0, owns_workflow=False), LATE + 1, process_ended=True),
    ]

    found = overview(
        "sqlite",
        State(
            LATE,
            {"Pending": 1},
            ["f", "gone"],
            {"f": failed, "p": waits},
            Claimable("p", START + 95 * SECOND),
            [approval],
            states,
            ["public::embedded::flow"],
            90,
            lost=2,
        ),
    )

    assert (found.backend, found.counts, found.failed) == ("sqlite", {"Pending": 1}, 2)
    assert [each.id for each in found.failures] == ["f"]
    assert found.oldest_pending is not None
    assert (found.oldest_pending.id, found.oldest_pending_seconds) == ("p", 5.0)
    assert not found.oldest_pending_given_back
    seen = [(each.id, each.alive, each.runs, each.is_here, each.host) for each in found.runners]
    assert seen == [("r1", True, 3, True, "web-1"), ("r2", False, 0, False, None)]
    assert [each.prompt for each in found.approvals] == ["ok?"]
    assert (found.paused_workflows, found.retention_days) == (("flow",), 90)
    assert found.lost_runners == 2
    assert found.to_dict()["approvals"][0]["task_id"] == "sign"


@each_row(
    ("started_at", "seconds", "given_back"),
    [
        (None, 40.0, False),
        (at(50), 40.0, False),  # it has rested since it was begun, and may be claimed again
        (at(60), 40.0, True),  # it was claimed at once
        (at(70), 30.0, True),  # for no longer, as a runner had it then
    ],
)
def test_a_run_waits_for_a_runner_since_it_may_be_claimed(
    started_at: int | None, seconds: float, given_back: bool
) -> None:
    row = run("p", status="Running", created_at=at(0), started_at=started_at)
    oldest = Claimable("p", START + 60 * SECOND)

    found = overview("sqlite", State(LATE, {}, [], {"p": row}, oldest, [], [], [], None))

    assert (found.oldest_pending_seconds, found.oldest_pending_given_back) == (seconds, given_back)


@each_row("oldest", [None, Claimable("gone", START)])
def test_without_a_run_that_waits_there_is_no_oldest(oldest: Claimable | None) -> None:
    found = overview("sqlite", State(LATE, {}, [], {}, oldest, [], [], [], None))

    assert (found.oldest_pending, found.oldest_pending_seconds) == (None, None)
    assert not found.oldest_pending_given_back
