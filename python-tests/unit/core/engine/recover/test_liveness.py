"""Who counts as alive: one rule, whoever asks."""

from __future__ import annotations

from tables import each_row

from cloaca_core.engine.recover.liveness import Liveness
from cloaca_core.engine.recover.process_identity import ProcessIdentity, this_process
from cloaca_core.store.runner_rows import Fleet, RunnerRow
from cloaca_testing.conformance.rows import runner

NOW = 1_000
HERE = this_process()
ELSEWHERE = ProcessIdentity("another boot", "pid:[1]", 7, 70)


def row(identity: ProcessIdentity = ELSEWHERE, **fields: object) -> RunnerRow:
    """A runner whose lease lasts."""
    fields = {"lease_until": NOW + 1, **identity._asdict(), **fields}
    return runner("r")._replace(**fields)  # type: ignore[arg-type]  # names are checked by _replace


@each_row(
    ("found", "ends_with_boot", "alive"),
    [
        (row(), False, True),
        (row(idle_since=1), False, True),
        (row(lease_until=NOW), False, False),
        (row(lease_until=NOW, idle_since=1), False, False),  # also if it owned nothing
        (row(lease_until=0), False, False),  # an idle one of an earlier version
        (row(fenced=True), False, False),
        (row(HERE), True, True),
        (row(HERE, lease_until=NOW), True, False),  # a copy of the database: it lives elsewhere
        (row(HERE, process_start=HERE.process_start + 1), True, False),
        (row(), True, False),  # of an earlier boot
    ],
)
def test_who_is_alive(found: RunnerRow, ends_with_boot: bool, alive: bool) -> None:
    fleet = Fleet([found], NOW, ends_with_boot)

    judged = Liveness(fleet, HERE)

    assert judged.is_alive(found) is alive
    assert judged.alive(fleet.runners) == (["r"] if alive else [])
    assert judged.gone(fleet.runners) == ([] if alive else ["r"])


def test_a_lease_of_an_earlier_boot_is_over_since_this_one_began() -> None:
    assert Liveness(Fleet([], NOW, ends_with_boot=True), HERE).lease_left(row()) == -NOW
