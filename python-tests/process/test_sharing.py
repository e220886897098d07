"""Several living processes on one database: each run is executed once, no caller sees a lock."""

from __future__ import annotations

from collections import Counter

from process.fleet import Fleet

RUNS = 500
IDLE = "SELECT 1 FROM cloaca_runner WHERE pid = ? AND idle_since IS NOT NULL"
WRITERS = 8
RUNS_EACH = 40


def test_two_processes_share_a_database_and_no_run_is_executed_twice(fleet: Fleet) -> None:
    workers = [fleet.start(max_active_runs=40) for _ in range(2)]
    for worker in workers:
        worker.tell("stop")
        worker.hear("stopped")
    workers[0].tell("submit", "busy", RUNS)
    run_ids = workers[0].hear("submitted")

    for worker in workers:
        worker.tell("start")
    workers[0].tell("results", *run_ids)

    assert workers[0].hear("results") == ["Completed"]
    entries = fleet.ledger()
    assert Counter(entry.run_id for entry in entries) == dict.fromkeys(run_ids, 1)
    assert {entry.pid for entry in entries} == {worker.pid for worker in workers}


def test_eight_processes_write_at_once_and_no_lock_reaches_their_callers(fleet: Fleet) -> None:
    workers = [fleet.launch() for _ in range(WRITERS)]
    for worker in workers:
        worker.hear("ready")

    for worker in workers:
        worker.tell("one_by_one", "one", RUNS_EACH)
    mine = [worker.hear("submitted") for worker in workers]
    for worker, run_ids in zip(workers, mine, strict=True):
        worker.tell("results", *run_ids)

    assert [worker.hear("results") for worker in workers] == [["Completed"]] * WRITERS
    executed = Counter(entry.run_id for entry in fleet.ledger())
    assert executed == {run_id: 1 for run_ids in mine for run_id in run_ids}
    assert [worker.end() for worker in workers] == [(0, "")] * WRITERS


def test_idle_processes_leave_each_other_alone(fleet: Fleet) -> None:
    """Nothing that one does while idle wakes another one to write something in its turn."""
    workers = [fleet.start(lease_seconds=0.6) for _ in range(3)]
    for worker in workers:
        assert worker.result(worker.submit("one"))[0] == "Completed"
    beats = "SELECT sum(beat) FROM cloaca_runner"
    for worker in workers:
        fleet.await_row(worker, IDLE, worker.pid)

    before = fleet.query(beats)
    for worker in workers:  # a second or so for each: the watch looks less and less often
        worker.tell("idle")
        worker.hear("idled")

    assert fleet.query(beats) == before


def test_a_rolling_restart_under_load_loses_nothing_and_repeats_nothing(fleet: Fleet) -> None:
    workers = [fleet.start() for _ in range(4)]
    for worker in workers:
        worker.tell("submit", "chain", 50)
    run_ids = [run_id for worker in workers for run_id in worker.hear("submitted")]

    for old in workers:
        new = fleet.start()
        old.tell("shutdown")
        old.hear("closed")
    new.tell("results", *run_ids)

    assert new.hear("results") == ["Completed"]
    executed = Counter((entry.run_id, entry.task_id) for entry in fleet.ledger())
    assert executed == dict.fromkeys(((run_id, t) for run_id in run_ids for t in "abcd"), 1)


def test_who_shuts_down_claims_nothing_more(fleet: Fleet) -> None:
    leaving, absent = fleet.start(hold=["b"], shutdown_grace_seconds=5), fleet.start()
    absent.tell("stop")
    absent.hear("stopped")
    leaving.submit("chain")
    leaving.hear("holding")
    leaving.tell("closing")
    leaving.hear("closing")

    absent.tell("submit", "one", 20)
    run_ids = absent.hear("submitted")
    # Meanwhile the leaving one had all the time to claim them. No run waits for a slot of this one,
    # which would offer it to others.
    staying = fleet.start(max_active_runs=1)
    staying.tell("results", *run_ids)

    assert staying.hear("results") == ["Completed"]
    mine = [entry for entry in fleet.ledger() if entry.run_id in run_ids]
    assert {(entry.pid, entry.epoch) for entry in mine} == {(staying.pid, 1)}


def test_a_worker_that_is_idle_gets_runs_that_wait_for_a_slot_of_another(fleet: Fleet) -> None:
    """They were owned by the other one from their submission on."""
    busy, idle = [fleet.start(hold=["a"], max_concurrent_tasks=4) for _ in range(2)]
    busy.tell("submit", "one", 40)
    busy.hear("submitted")

    for worker in (busy, idle):
        worker.hear("holding")


def test_a_backlog_of_long_bodies_is_shared(fleet: Fleet) -> None:
    """The first worker leaves the other one the runs that would only wait for its own slots."""
    workers = [fleet.start(hold=["a"]) for _ in range(2)]
    for worker in workers:
        worker.tell("stop")
        worker.hear("stopped")
        worker.tell("neighbour")
        worker.hear("neighbour")
    workers[0].tell("submit", "one", 40)
    workers[0].hear("submitted")

    for worker in workers:
        worker.tell("start")

    for worker in workers:
        worker.hear("holding")


def test_no_run_is_left_behind_that_may_be_claimed_while_newer_ones_are(fleet: Fleet) -> None:
    """One process is killed and one leaves; their runs are older than all that others claim."""
    killed, leaving = (
        fleet.start(hold=["busy"], max_active_runs=100, shutdown_grace_seconds=0) for _ in range(2)
    )
    run_ids = []
    for worker in (killed, leaving):
        worker.tell("submit", "busy", 40)
        run_ids += worker.hear("submitted")
        worker.hear("holding")
    claiming = [fleet.start(max_active_runs=10) for _ in range(2)]
    for worker in claiming:
        worker.tell("submit", "busy", 200)
        run_ids += worker.hear("submitted")

    killed.kill()
    leaving.tell("shutdown")
    leaving.hear("closed")
    claiming[0].tell("results", *run_ids)

    assert claiming[0].hear("results") == ["Completed"]
    assert {entry.run_id for entry in fleet.ledger()} == set(run_ids)
