"""Several processes have one trigger: each poll is made once, and what it finds is never lost."""

from __future__ import annotations

import signal
from collections import Counter

import pytest

from process.fleet import Fleet, Worker

EVENTS = "SELECT 1 FROM (SELECT count(*) AS events FROM cloaca_event) AS found WHERE events >= ?"


def start_polling(worker: Worker, command: str = "poll", interval: str = "50ms") -> None:
    worker.tell(command, "t", interval)
    worker.hear("triggered")


def check_events(fleet: Fleet) -> int:
    """Each event has its run, each run its event, and each was executed at most once."""
    run_ids = [run for (run,) in fleet.query("SELECT run_id FROM cloaca_event ORDER BY run_id")]
    assert run_ids == [run for (run,) in fleet.query("SELECT id FROM cloaca_run ORDER BY id")]
    assert set(Counter(entry.run_id for entry in fleet.ledger()).values()) <= {1}
    return len(run_ids)


def test_two_processes_make_each_poll_of_a_trigger_once(fleet: Fleet) -> None:
    workers = [fleet.start(), fleet.start()]
    for worker in workers:
        start_polling(worker)

    fleet.await_row(workers[0], EVENTS, 6)

    assert [worker.end()[0] for worker in workers] == [0, 0]
    # Each poll takes a generation and makes one run, if the end did not cut it off.
    ((generation,),) = fleet.query("SELECT generation FROM cloaca_trigger")
    assert 6 <= check_events(fleet) <= generation


def test_a_trigger_is_switched_off_and_on_by_a_process_that_has_it_not(fleet: Fleet) -> None:
    poller = fleet.start()
    start_polling(poller)
    poller.hear("polled")
    switch = fleet.start()

    switch.tell("enable", "t", False)
    switch.hear("enabled")
    before = fleet.query("SELECT count(*) FROM cloaca_event")
    poller.tell("idle")
    poller.hear("idled")
    assert fleet.query("SELECT count(*) FROM cloaca_event") == before
    assert fleet.query("SELECT enabled FROM cloaca_trigger") == [(0,)]

    switch.tell("enable", "t", True)
    switch.hear("enabled")
    fleet.await_row(poller, EVENTS, before[0][0] + 1)

    assert [poller.end()[0], switch.end()[0]] == [0, 0]
    check_events(fleet)


@pytest.mark.parametrize(
    "point", ["trigger.after_take", "trigger.before_commit", "trigger.after_commit"]
)
def test_what_a_poll_found_is_found_again_when_who_made_it_dies(fleet: Fleet, point: str) -> None:
    victim = fleet.start(fault=point)
    victim.tell("find", "t", "50ms")
    assert victim.exit_code() == -signal.SIGKILL
    expected = 1 if point == "trigger.after_commit" else 0
    assert fleet.query("SELECT count(*) FROM cloaca_event") == [(expected,)]

    survivor = fleet.start()
    start_polling(survivor, "find")
    fleet.await_row(survivor, EVENTS, 1)
    for _ in range(3):
        survivor.hear("polled")

    assert survivor.end()[0] == 0
    assert check_events(fleet) == 1
