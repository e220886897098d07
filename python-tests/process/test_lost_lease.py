"""A process that stands still loses its runs, and what it still says about them is refused."""

from __future__ import annotations

import signal

from process.fleet import Fleet

SHORT = 0.6
LIVE = "SELECT 1 FROM cloaca_runner WHERE pid = ? AND fenced = 0"
CHAIN = ["a", "b", "c", "d"]


def test_the_other_finishes_the_run_and_the_late_result_is_refused(fleet: Fleet) -> None:
    sleeper = fleet.start(hold=["b"], lease_seconds=SHORT)
    other = fleet.start(lease_seconds=SHORT)
    run_id = sleeper.submit("chain")
    sleeper.hear("holding")

    sleeper.freeze()
    finished = other.result(run_id)
    sleeper.tell("release")
    sleeper.signal(signal.SIGCONT)

    assert finished == ("Completed", {"trail": CHAIN})
    assert sleeper.result(run_id) == finished  # it hears of the end although it is not its own
    rows = fleet.query("SELECT task_id, attempt, epoch, status FROM cloaca_attempt ORDER BY 1")
    assert [row[0] for row in rows] == CHAIN
    assert rows[1] == ("b", 1, 3, "Completed")
    assert fleet.executions(run_id) == {"a": 1, "b": 2, "c": 1, "d": 1}


def test_it_works_on_under_another_id(fleet: Fleet) -> None:
    sleeper = fleet.start(hold=["b"], lease_seconds=SHORT)
    other = fleet.start(lease_seconds=SHORT)
    run_id = sleeper.submit("chain")
    sleeper.hear("holding")
    sleeper.freeze()
    other.result(run_id)
    sleeper.tell("release")
    sleeper.signal(signal.SIGCONT)
    fleet.await_row(sleeper, LIVE, sleeper.pid)
    assert other.end() == (0, "")

    assert sleeper.result(sleeper.submit("chain")) == ("Completed", {"trail": CHAIN})


def test_who_waited_for_the_run_in_the_sleeping_process_hears_of_its_end(fleet: Fleet) -> None:
    sleeper = fleet.start(hold=["b"], lease_seconds=SHORT)
    other = fleet.start(lease_seconds=SHORT)
    run_id = sleeper.submit("chain")
    sleeper.hear("holding")
    sleeper.tell("result_meanwhile", run_id)
    sleeper.freeze()
    other.result(run_id)
    assert other.end()[0] == 0

    sleeper.signal(signal.SIGCONT)

    assert sleeper.hear("result")[:2] == [run_id, "Completed"]
    sleeper.tell("release")


def test_who_stood_still_for_less_than_its_lease_keeps_its_runs(fleet: Fleet) -> None:
    sleeper, other = fleet.start(hold=["b"]), fleet.start()
    run_id = sleeper.submit("chain")
    sleeper.hear("holding")

    sleeper.freeze()
    assert other.result(other.submit("one"))[0] == "Completed"
    sleeper.tell("release")
    sleeper.signal(signal.SIGCONT)

    assert sleeper.result(run_id) == ("Completed", {"trail": CHAIN})
    assert fleet.query("SELECT epoch FROM cloaca_run WHERE id = ?", run_id) == [(1,)]
    assert fleet.executions(run_id) == dict.fromkeys(CHAIN, 1)
