"""Runs of one schedule that would overlap, while processes die or fire each other's schedules."""

from __future__ import annotations

from itertools import pairwise

from process.fleet import Fleet

SECOND = 1_000_000

TICKS = "SELECT 1 FROM (SELECT count(*) AS ticks FROM cloaca_tick) AS fired WHERE ticks >= ?"
COMPLETED = (
    "SELECT 1 FROM (SELECT count(*) AS runs FROM cloaca_run WHERE status = 'Completed') AS done"
    " WHERE runs >= ?"
)


def test_a_queue_goes_on_when_the_process_that_runs_its_head_dies(fleet: Fleet) -> None:
    victim = fleet.start(hold=["a"])
    victim.tell("schedule", "one", 1, "queue")
    _, head = victim.hear("holding")
    fleet.await_row(victim, TICKS, 3)
    survivor = fleet.start()
    assert fleet.query("SELECT count(*) FROM cloaca_run WHERE status = 'Running'") == [(1,)]

    victim.kill()

    fleet.await_row(survivor, COMPLETED, 4)
    assert survivor.end()[0] == 0
    runs = fleet.query(
        "SELECT run.id, run.started_at, run.ended_at, run.recoveries FROM cloaca_tick AS tick"
        " JOIN cloaca_run AS run ON run.id = tick.run_id"
        " WHERE run.status = 'Completed' ORDER BY tick.tick"
    )
    assert (runs[0][0], runs[0][3]) == (head, 1)
    # In the order of their ticks, and one at a time: a claim takes all that may run, and gives them
    # one start, which is its clock's before its statement. So a start may lie a little too early.
    for instants in ([run[1] for run in runs], [run[2] for run in runs]):
        assert instants == sorted(set(instants))
    for (_, _, ended, _), (_, started, _, _) in pairwise(runs):
        assert started > ended - SECOND


def test_a_run_that_another_process_cancels_is_stopped_and_its_late_result_refused(
    fleet: Fleet,
) -> None:
    owner = fleet.start(hold=["a"], enable_cron_scheduling=False)
    firing = fleet.start()
    firing.tell("stop")
    firing.hear("stopped")
    firing.tell("schedule", "one", 1, "cancel_old")
    _, first = owner.hear("holding")

    status, context = owner.result(first)
    owner.tell("release")

    assert status == "Cancelled"
    assert "trail" not in context
    fleet.await_row(owner, COMPLETED, 1)
    assert firing.result(first)[0] == "Cancelled"
    assert [owner.end()[0], firing.end()[0]] == [0, 0]
    assert fleet.query("SELECT status, owner, epoch FROM cloaca_run WHERE id = ?", first) == [
        ("Cancelled", None, 2)
    ]
    recorded = fleet.query("SELECT status FROM cloaca_attempt WHERE run_id = ?", first)
    assert "Completed" not in [status for (status,) in recorded]
