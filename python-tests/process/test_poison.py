"""A task that kills its process each time is given up; its neighbours are not."""

from __future__ import annotations

from typing import Any

from process.fleet import Fleet, Worker


def await_marks(fleet: Fleet, worker: Worker, count: int) -> None:
    """Return when the start marks of so many bodies are on disk."""
    marked = "(SELECT count(*) FROM cloaca_attempt WHERE status = 'Running')"
    fleet.await_row(worker, f"SELECT 1 WHERE {marked} = {count}")


def test_after_one_kill_from_outside_all_bodies_run_again_together(fleet: Fleet) -> None:
    """Each of them waits for the others: at the end all four say that they run."""
    worker = fleet.start(hold=["a"], max_concurrent_tasks=8)
    worker.tell("submit", "chain", 4)
    runs = worker.hear("submitted")
    await_marks(fleet, worker, 4)
    worker.kill()

    worker = fleet.start(hold=["a"], max_concurrent_tasks=8)
    for _ in runs:
        worker.hear("holding")

    for _ in runs:
        worker.tell("release")
    assert [worker.result(run_id)[0] for run_id in runs] == ["Completed"] * 4


def test_a_body_that_was_under_way_in_two_deaths_runs_alone(fleet: Fleet) -> None:
    for _ in range(2):
        worker = fleet.start(hold=["a"], max_concurrent_tasks=8)
        if len(fleet.workers) == 1:
            worker.tell("submit", "chain", 3)
            runs = worker.hear("submitted")
        for _ in runs:
            worker.hear("holding")
        await_marks(fleet, worker, 3)
        worker.kill()

    worker = fleet.start(hold=["a"], max_concurrent_tasks=8)
    worker.hear("holding")
    alone = "SELECT count(*) FROM cloaca_attempt WHERE reason_code = 'alone'"
    assert fleet.query(alone) == [(1,)]
    assert [entry.pid for entry in fleet.ledger()].count(worker.pid) == 1

    worker.tell("release")
    assert [worker.result(run_id)[0] for run_id in runs] == ["Completed"] * 3


def test_a_poisonous_task_fails_at_last_and_innocent_runs_are_finished(fleet: Fleet) -> None:
    """No death counts against the innocent, of which two were under way in each of the first two:
    the first one for which they are blamed would fail them.
    """
    settings: dict[str, Any] = {"max_recovery_attempts": 0, "max_concurrent_tasks": 8}
    worker = fleet.start(hold=["a"], **settings)
    worker.tell("submit", "chain", 3)
    innocent = worker.hear("submitted")
    await_marks(fleet, worker, 3)
    worker.tell("submit", "poison")
    worker.exit_code()
    ((poison,),) = fleet.query("SELECT id FROM cloaca_run WHERE workflow LIKE '%::poison'")
    fleet.launch(hold=["a"], **settings).exit_code()
    worker = fleet.launch(**settings)
    while (answer := worker.result_or_death(poison)) is None:
        # Not start(): it takes over as it opens, and may be dead before it says that it is ready.
        worker = fleet.launch(**settings)

    assert answer == ("Failed", {})
    ((error,),) = fleet.query("SELECT error_message FROM cloaca_run WHERE id = ?", poison)
    assert error.endswith(
        "first error: poison: RecoveryLimitError: 3 processes died while they ran this task, 1 of "
        "them while it ran alone; max_recovery_attempts is 0"
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
