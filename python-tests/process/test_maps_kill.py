"""A process is killed while a map runs: no item that is recorded runs again, and none is lost."""

from __future__ import annotations

import signal
from collections import Counter

import pytest

from process.fleet import Fleet

ITEMS = list(range(8))
COMMITS = ("journal.before_commit", "journal.after_commit")


def test_the_next_process_runs_only_the_items_that_have_not_ended(fleet: Fleet) -> None:
    victim = fleet.start(hold=["i5"])
    run_id = victim.submit("mapped")
    victim.hear("holding")
    done = (
        "SELECT count(*) FROM cloaca_attempt WHERE run_id = ? AND item >= 0 "
        "AND status = 'Completed' HAVING count(*) = 7"
    )
    fleet.await_row(victim, done, run_id)
    assert victim.kill() == -signal.SIGKILL

    rescuer = fleet.start()

    assert rescuer.result(run_id) == ("Completed", {"each": ITEMS})
    expected = Counter({f"i{item}": 1 for item in ITEMS}) + Counter(("i2", "i5"))
    assert fleet.executions(run_id) == expected


@pytest.mark.parametrize(
    ("point", "count"),
    [
        ("map.after_open", 1),
        ("map.before_end", 1),
        *((point, count) for point in COMMITS for count in (2, 3)),
    ],
)
def test_a_map_is_whole_after_a_death_at(fleet: Fleet, point: str, count: int) -> None:
    """The first commit is that of the submission, the second opens the map, a third follows."""
    victim = fleet.start(fault=f"{point}:{count}")
    victim.tell("submit", "mapped")
    assert victim.exit_code() == -signal.SIGKILL
    ((run_id,),) = fleet.query("SELECT id FROM cloaca_run")
    query = (
        "SELECT item FROM cloaca_attempt WHERE run_id = ? AND status = 'Completed' AND item >= 0"
    )
    kept = {item for (item,) in fleet.query(query, run_id)}
    before = fleet.executions(run_id)

    rescuer = fleet.start()

    assert rescuer.result(run_id) == ("Completed", {"each": ITEMS})
    after = fleet.executions(run_id) - before
    assert not {f"i{item}" for item in kept} & after.keys()
    rows = fleet.query("SELECT item, attempt, status FROM cloaca_attempt WHERE run_id = ?", run_id)
    completed = [(item, number) for item, number, status in rows if status == "Completed"]
    assert sorted(completed) == [(-1, 1), *((item, 2 if item == 2 else 1) for item in ITEMS)]
