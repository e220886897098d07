"""Processes on one file wake one another by sockets.

No process looks at the file by itself for an hour, so a test that passes was served by messages.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from process.fleet import Fleet, Worker

pytestmark = pytest.mark.backend("sqlite", reason="a server has wake-ups of its own")

AN_HOUR_MS = 3_600_000
MANY = 6


@pytest.fixture(autouse=True)
def sockets(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the sockets, which outlives the fleet. Its path is short, as sockets need."""
    with tempfile.TemporaryDirectory(prefix="wake") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder) / f"cloaca-{os.geteuid()}"


def start(fleet: Fleet, *, claims: bool = True, **settings: Any) -> Worker:
    """A worker that looks at the file by itself in an hour."""
    apart = {"executor_poll_interval_ms": AN_HOUR_MS, "scheduler_poll_interval_ms": AN_HOUR_MS}
    worker = fleet.start(**(apart | settings))
    if not claims:
        worker.tell("stop")
        worker.hear("stopped")
    return worker


def listening(fleet: Fleet) -> dict[int, str]:
    """The sockets that are noted, by process."""
    return dict(fleet.query("SELECT pid, path FROM cloaca_listener"))


def test_one_process_submits_another_one_executes_and_the_first_hears_of_the_end(
    fleet: Fleet,
) -> None:
    working = start(fleet)
    asking = start(fleet, claims=False)

    for _ in range(3):
        assert asking.result(asking.submit("chain"))[0] == "Completed"

    assert {entry.pid for entry in fleet.ledger()} == {working.pid}


def test_a_process_that_leaves_wakes_those_that_can_go_on_with_its_runs(fleet: Fleet) -> None:
    staying = start(fleet)
    leaving = start(fleet, hold=["b"], shutdown_grace_seconds=0)
    staying.tell("stop")
    staying.hear("stopped")
    run_id = leaving.submit("chain")
    leaving.hear("holding")
    staying.tell("start")

    leaving.tell("shutdown")

    assert staying.result(run_id)[0] == "Completed"


def test_all_of_many_processes_hear_of_an_end(fleet: Fleet) -> None:
    working = start(fleet, hold=["a"])
    asking = [start(fleet, claims=False) for _ in range(MANY)]
    run_id = asking[-1].submit("one")
    working.hear("holding")  # it has heard of all of them: the last one came last
    for each in asking:
        each.tell("result", run_id)

    working.tell("release")

    assert [each.hear("result")[:2] for each in asking] == [[run_id, "Completed"]] * MANY


def test_a_process_that_was_killed_is_forgotten(fleet: Fleet) -> None:
    working, asking = start(fleet), start(fleet, claims=False)
    assert asking.result(asking.submit("one"))[0] == "Completed"
    noted = listening(fleet)
    assert noted.keys() == {working.pid, asking.pid}

    working.kill(signal.SIGKILL)
    while working.pid in listening(fleet):  # one finds it dead, another one removes its row
        asking.submit("one")

    assert listening(fleet) == {asking.pid: noted[asking.pid]}
    assert not Path(noted[working.pid]).exists()


def test_sockets_go_with_their_processes(fleet: Fleet, sockets: Path) -> None:
    workers = [start(fleet) for _ in range(2)]
    assert len(list(sockets.iterdir())) == 2

    assert [worker.end() for worker in workers] == [(0, "")] * 2

    assert listening(fleet) == {}
    assert list(sockets.iterdir()) == []


def test_work_goes_on_when_the_folder_of_the_sockets_is_removed(
    fleet: Fleet, sockets: Path
) -> None:
    """By looking at the file, here as often as is usual; then there are new sockets."""
    working = start(fleet, executor_poll_interval_ms=100)
    asking = start(fleet, claims=False, executor_poll_interval_ms=100)
    before = listening(fleet)
    assert before.keys() == {working.pid, asking.pid}
    shutil.rmtree(sockets)

    for _ in range(3):
        assert asking.result(asking.submit("one"))[0] == "Completed"

    while (after := listening(fleet)).keys() != before.keys() or after.items() & before.items():
        assert asking.result(asking.submit("one"))[0] == "Completed"
