"""Several processes fire one schedule: each tick once, also when one of them dies meanwhile."""

from __future__ import annotations

import signal
from collections import Counter

import pytest

from process.fleet import Fleet, Worker

FIRED = "SELECT 1 FROM (SELECT count(*) AS ticks FROM cloaca_tick) AS fired WHERE ticks >= ?"
SECOND = 1_000_000


def await_ticks(fleet: Fleet, worker: Worker, count: int) -> None:
    """Return when so many ticks were fired, by any worker; asks after each write of this one."""
    fleet.await_row(worker, FIRED, count)


def check_ticks(fleet: Fleet) -> None:
    """Each second since the first has one tick, each tick one run, and nothing else made runs."""
    ticks = fleet.query("SELECT tick, run_id FROM cloaca_tick ORDER BY tick")
    times = [tick for tick, _ in ticks]
    assert times == list(range(times[0], times[-1] + 1, SECOND))
    run_ids = [run_id for _, run_id in ticks]
    assert sorted(run_ids) == [
        run for (run,) in fleet.query("SELECT id FROM cloaca_run ORDER BY id")
    ]


def test_two_processes_fire_each_tick_of_a_schedule_once(fleet: Fleet) -> None:
    first, second = fleet.start(), fleet.start()
    first.tell("schedule", "one", 1)
    first.hear("scheduled")
    second.tell("schedule", "one", 1)  # both want it, as programs do when they start
    second.hear("scheduled")

    await_ticks(fleet, first, 4)

    assert [first.end()[0], second.end()[0]] == [0, 0]
    check_ticks(fleet)
    executed = Counter(entry.run_id for entry in fleet.ledger())
    assert set(executed.values()) == {1}


@pytest.mark.parametrize("point", ["schedule.before_commit", "schedule.after_commit"])
def test_a_tick_is_fired_once_when_who_decides_it_dies(fleet: Fleet, point: str) -> None:
    victim = fleet.start(fault=f"{point}:2")
    victim.tell("schedule", "one", 1)
    assert victim.exit_code() == -signal.SIGKILL

    survivor = fleet.start()
    await_ticks(fleet, survivor, 4)

    assert survivor.end()[0] == 0
    check_ticks(fleet)


def test_a_process_fires_what_another_one_has_scheduled(fleet: Fleet) -> None:
    author = fleet.start(enable_cron_scheduling=False)
    other = fleet.start()
    author.tell("schedule", "one", 1)
    author.hear("scheduled")

    await_ticks(fleet, other, 2)

    assert [author.end()[0], other.end()[0]] == [0, 0]
    check_ticks(fleet)
