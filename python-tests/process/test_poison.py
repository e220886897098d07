"""A task that kills its process each time is given up; its neighbours are not."""

from __future__ import annotations

from typing import Any

from process.fleet import Fleet


def test_a_poisonous_task_fails_at_last_and_innocent_runs_are_finished(fleet: Fleet) -> None:
    worker = fleet.start(hold=["a"], max_recovery_attempts=2)
    worker.tell("submit", "chain", 3)
    innocent = worker.hear("submitted")
    for _ in innocent:
        worker.hear("holding")
    worker.tell("submit", "poison")
    worker.exit_code()
    ((poison,),) = fleet.query("SELECT id FROM cloaca_run WHERE workflow LIKE '%::poison'")
    worker = fleet.launch(max_recovery_attempts=2)
    while (answer := worker.result_or_death(poison)) is None:
        # Not start(): it takes over as it opens, and may be dead before it says that it is ready.
        worker = fleet.launch(max_recovery_attempts=2)

    assert answer == ("Failed", {})
    ((error,),) = fleet.query("SELECT error_message FROM cloaca_run WHERE id = ?", poison)
    assert error.endswith(
        "first error: poison: RecoveryLimitError: 3 processes died while they ran this task; "
        "max_recovery_attempts is 2"
    )
    # Three deaths under a durable start mark, and the first one perhaps without.
    assert fleet.executions(poison)["poison"] in (3, 4)
    for run_id in innocent:
        assert worker.result(run_id) == ("Completed", {"trail": ["a", "b", "c", "d"]})


def test_of_many_queued_runs_only_those_that_ran_are_suspected(fleet: Fleet) -> None:
    """However often their process dies while they wait for a slot."""
    settings: dict[str, Any] = {"max_recovery_attempts": 1, "max_concurrent_tasks": 4}
    worker = fleet.start(hold=["a"], **settings)
    worker.tell("submit", "chain", 300)
    worker.hear("submitted")
    for _ in range(4):
        worker.hear("holding")
        worker.kill()
        worker = fleet.start(hold=["a"], **settings)
    worker.kill()

    last = fleet.start(**settings)
    blamed = fleet.query("SELECT count(DISTINCT run_id) FROM cloaca_attempt WHERE crashes > 0")

    assert blamed[0][0] <= 4 * 5
    last.tell("submit", "one")
    assert last.result(last.hear("submitted")[0])[0] == "Completed"
