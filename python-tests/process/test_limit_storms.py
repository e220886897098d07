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

from process.chance import SHORT, place
from process.fleet import Fleet, Worker
from process.limited_runs import API, GPU, Sampler, check_nothing_is_left, most_at_once

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
    settings: dict[str, Any] = {"lease_seconds": SHORT, "max_recovery_attempts": 50}
    left_out: dict[int | str, int] = {}
    sleepers: list[Worker] = []
    steady = fleet.start(**settings)
    with Sampler(fleet) as sampler:
        for _ in range(WAVES):
            evict = chance.choice([0, 10])
            armed = fleet.launch(fault=place(chance, POINTS), evict_after_seconds=evict, **settings)
            sleepers.append(fleet.start(evict_after_seconds=evict, **settings))
            for worker in (steady, sleepers[-1]):
                worker.submit("shares", RUNS, chance.choice("abc"))
            with suppress(BrokenPipeError):  # it has died at the runs of others
                armed.tell("submit", "shares", RUNS, chance.choice("abc"))
            runs = under_way(fleet)
            for run_id in chance.sample(runs, len(runs) // 3):
                left_out[run_id] = len(fleet.ledger())
                steady.steer("cancel", run_id, 0)
            left_out[sleepers[-1].pid] = len(fleet.ledger())
            sleepers[-1].freeze()
            if runs:
                armed.result_or_death(chance.choice(runs))
            armed.kill()
            left_out[armed.pid] = last_line(fleet, armed)
            for sleeper in sleepers[:-1]:
                sleeper.signal(signal.SIGCONT)
        left_out[steady.pid] = len(fleet.ledger())
        for worker in (steady, *sleepers):
            worker.kill()
        last = fleet.start()
        for run_id in under_way(fleet):
            last.result(run_id)
        last.result(last.submit("shares", 1, "a"))
    last.end()

    assert sampler.samples > 0
    check_nothing_is_left(fleet)
    statuses = {status for (status,) in fleet.query("SELECT status FROM cloaca_run")}
    assert statuses == {"Completed", "Cancelled"}
    most = most_at_once(fleet.ledger(), left_out)
    assert most["api"] <= API
    assert most["gpu"] <= GPU
