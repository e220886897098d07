"""Bodies of several runners share limits while processes are killed, stand still and are cancelled.

At any time no more places are taken than there are, and no more bodies are under way; at the end no
place is taken. Where, chance chooses, by a seed: always the same, but where ``CLOACA_TEST_SEED``
gives another, as ``invoke chaos`` does.
"""

from __future__ import annotations

import random
import signal
from contextlib import suppress
from typing import Any

from process.chance import LONG, SHORT, place
from process.fleet import Fleet, Worker
from process.limited_runs import Sampler, check_nothing_is_left, too_many

WAVES = 3
RUNS = 4
"""Runs of a customer that are submitted together."""
POINTS = {
    "places.before_ask": 12,
    "places.after_ask": 12,
    "body.before": 20,
    "body.after": 20,
    "journal.before_commit": 20,
    "journal.after_commit": 20,
    "map.after_open": 4,
    "wait.after_open": 4,
    "run.before_end": 4,
    "takeover.after_fence": 1,
}
"""Points of the engine, and up to which time of them a process that shares the work comes there."""


def under_way(fleet: Fleet) -> list[str]:
    return [run_id for (run_id,) in fleet.query("SELECT id FROM cloaca_run WHERE ended_at IS NULL")]


def last_line(fleet: Fleet, worker: Worker) -> int:
    """The number of the last line that a worker has written."""
    lines = enumerate(fleet.ledger())
    return max((number for number, entry in lines if entry.pid == worker.pid), default=0)


def test_a_storm_never_gives_more_places_than_there_are_and_loses_none(
    fleet: Fleet, chance: random.Random
) -> None:
    """The bodies of a process with a short lease are not counted: it may lose that at any time on a
    busy machine, and hear of it later.
    """
    left_out: dict[int | str, int] = {}
    sleepers: list[Worker] = []
    steady = fleet.start(lease_seconds=LONG, max_recovery_attempts=50)
    rescuer = fleet.start(lease_seconds=SHORT, max_recovery_attempts=50)
    left_out[rescuer.pid] = -1
    with Sampler(fleet) as sampler:
        for _ in range(WAVES):
            settings: dict[str, Any] = {
                "evict_after_seconds": chance.choice([0, 10]),
                "max_recovery_attempts": 50,
            }
            armed = fleet.launch(fault=place(chance, POINTS), lease_seconds=LONG, **settings)
            sleepers.append(fleet.start(lease_seconds=SHORT, **settings))
            left_out[sleepers[-1].pid] = -1
            for worker in (steady, sleepers[-1]):
                worker.submit("shares", RUNS, chance.choice("abc"))
            with suppress(BrokenPipeError):  # it has died at the runs of others
                armed.tell("submit", "shares", RUNS, chance.choice("abc"))
            runs = under_way(fleet)
            for run_id in chance.sample(runs, len(runs) // 3):
                left_out[run_id] = len(fleet.ledger())
                rescuer.steer("cancel", run_id, 0)
            sleepers[-1].freeze()
            if runs:
                armed.result_or_death(chance.choice(runs))
            armed.kill()
            left_out[armed.pid] = last_line(fleet, armed)
            for sleeper in sleepers[:-1]:
                sleeper.signal(signal.SIGCONT)
        for worker in (steady, rescuer, *sleepers):
            worker.kill()
            left_out.setdefault(worker.pid, last_line(fleet, worker))
        last = fleet.start()
        for run_id in under_way(fleet):
            last.result(run_id)
        last.result(last.submit("shares", 1, "a"))
    last.end()

    assert sampler.samples > 0
    check_nothing_is_left(fleet)
    statuses = {status for (status,) in fleet.query("SELECT status FROM cloaca_run")}
    assert statuses == {"Completed", "Cancelled"}
    assert too_many(fleet.ledger(), left_out) == []
