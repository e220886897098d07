"""Several processes submit runs with one singleton key, and one of them dies: never are two runs of
the key under way, and all that were submitted come to an end.

The bodies hold a lock of the system, and note if another body holds it.
"""

from __future__ import annotations

import signal

import pytest

from process.fleet import Fleet, Worker

POLICIES = ("queue", "existing", "queue", "cancel_old")
EACH = 12
OF_KEY = "SELECT count(*) FROM cloaca_run WHERE singleton_key = 'key'"


@pytest.mark.parametrize(
    ("point", "count"),
    [
        ("submit.before_commit", 5),
        ("submit.after_commit", 5),
        ("journal.before_commit", 3),
        ("journal.after_commit", 3),
        ("claim.after_commit", 2),
        ("run.after_end", 2),
    ],
)
def test_one_run_of_a_key_is_under_way_whatever_dies(fleet: Fleet, point: str, count: int) -> None:
    others = [fleet.start(), fleet.start()]
    victim = fleet.start(fault=f"{point}:{count}")
    for worker in (victim, *others):
        worker.tell("singletons", EACH, *POLICIES)
    for worker in others:
        worker.hear("submitted")
    wait_submitted_or_dead(victim)

    for (run_id,) in fleet.query("SELECT id FROM cloaca_run ORDER BY created_at, id"):
        assert others[0].result(run_id)[0] in ("Completed", "Cancelled")

    first_to_queue = 2 * EACH // len(POLICIES)
    assert fleet.query(OF_KEY)[0][0] >= first_to_queue
    assert fleet.query(f"{OF_KEY} AND behind IS NOT NULL AND ended_at IS NULL") == [(0,)]


def wait_submitted_or_dead(worker: Worker) -> None:
    """Where the runs are executed is not known, so neither is who comes to a point of theirs."""
    try:
        worker.hear("submitted")
    except AssertionError:
        assert worker.exit_code() == -signal.SIGKILL
