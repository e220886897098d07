"""No death of a worker or of a runner loses or doubles a body on an executor."""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from process.fleet import Entry, Fleet, Worker

WAIT = 60
SHORT = 0.6
"""Seconds of a lease that is to be lost."""
OURS, STANDARD, THREADS = "far_bodies:cpu", "far_bodies:pool", "far_bodies:threads"


@contextmanager
def seen_to_end(*pids: str) -> Iterator[None]:
    """At the end of the block, wait for the end of these processes; they live at its beginning."""
    handles = [os.pidfd_open(int(pid)) for pid in pids]
    try:
        yield
        for handle in handles:
            assert select.select([handle], [], [], WAIT)[0]
    finally:
        for handle in handles:
            os.close(handle)


class Scene:
    """Runners whose tasks run on an executor, and the pipe at which bodies wait."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self._release = fleet.ledger_path.with_name("release")
        os.mkfifo(self._release)

    def start(self, executor: str = OURS, **settings: Any) -> Worker:
        return self.fleet.start(executors={"cpu": executor}, **settings)

    def release(self) -> None:
        """Let go the bodies that wait; returns when one was there."""
        self._release.write_bytes(b"")

    def let_end(self) -> None:
        """Let bodies end that last until then, however often they begin."""
        self.fleet.ledger_path.with_name("end").touch()

    def attempts(self, run_id: str) -> list[tuple[Any, ...]]:
        """What is recorded of the attempts of a run."""
        return self.fleet.query(
            "SELECT attempt, status, error_type, crashes FROM cloaca_attempt "
            "WHERE run_id = ? ORDER BY attempt",
            run_id,
        )

    def error(self, run_id: str) -> str:
        """The error of a run that has failed."""
        ((error,),) = self.fleet.query("SELECT error_message FROM cloaca_run WHERE id = ?", run_id)
        return str(error)

    def executions(self, run_id: str) -> list[Entry]:
        return [entry for entry in self.fleet.ledger() if entry.run_id == run_id]

    def close(self) -> None:
        """Kill what is left: workers of the standard library outlive a runner that is killed."""
        for worker in self.fleet.workers:
            with suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGKILL)


@pytest.fixture
def scene(fleet: Fleet) -> Iterator[Scene]:
    scene = Scene(fleet)
    yield scene
    scene.close()


# -- a worker dies ---------------------------------------------------------------------------------


def test_a_body_whose_worker_is_killed_is_run_again_and_others_are_untouched(scene: Scene) -> None:
    worker = scene.start()
    waits, falls = worker.submit("waits"), worker.submit("falls")
    (waiting,), (falling,) = worker.hear("waiting"), worker.hear("falling")
    os.kill(int(falling), signal.SIGKILL)

    assert worker.result(falls) == ("Completed", {"attempt": 2})
    assert scene.attempts(falls) == [
        (1, "Failed", "WorkerLost", 1),
        (2, "Completed", None, 1),
    ]
    assert [entry.attempt for entry in scene.executions(falls)] == [1, 2]
    scene.release()
    assert worker.result(waits) == ("Completed", {"attempt": 1})
    assert [str(entry.pid) for entry in scene.executions(waits)] == [waiting]


def test_a_body_that_kills_its_worker_fails_at_last_and_others_do_not(scene: Scene) -> None:
    worker = scene.start(max_recovery_attempts=1)
    innocent = worker.submit("waits")
    worker.hear("waiting")
    poison = worker.submit("poison")
    assert worker.result(poison) == ("Failed", {})
    scene.release()

    assert scene.error(poison).endswith(
        "RecoveryLimitError: 2 processes died while they ran this task; max_recovery_attempts is 1"
    )
    assert [entry.attempt for entry in scene.executions(poison)] == [1, 2]
    assert worker.result(innocent) == ("Completed", {"attempt": 1})
    assert worker.result(worker.submit("quick"))[0] == "Completed"


def test_a_pool_that_breaks_again_and_again_costs_no_innocent_body_its_run(scene: Scene) -> None:
    """The first break that counted against the long body would fail it."""
    worker = scene.start(STANDARD, max_recovery_attempts=0)
    innocent = worker.submit("lasts")
    worker.hear("lasting")
    killers = [worker.submit("poison") for _ in range(3)]
    for _ in range(2):  # by the third one the long body may run alone
        worker.hear("poison")
    scene.let_end()

    for run_id in killers:
        assert worker.result(run_id) == ("Failed", {})
        assert scene.error(run_id).endswith(
            "RecoveryLimitError: 3 processes died while they ran this task, 1 of them while it ran "
            "alone; max_recovery_attempts is 0"
        )
    for run_id in (innocent, worker.submit("quick")):
        assert worker.result(run_id)[0] == "Completed"


def test_a_body_on_threads_of_an_executor_fails_for_the_runners_that_it_kills(scene: Scene) -> None:
    """It runs in their process, where its two first deaths might be those of another body."""
    settings: dict[str, Any] = {"executors": {"cpu": THREADS}, "max_recovery_attempts": 0}
    worker = scene.fleet.start(**settings)
    worker.tell("submit", "poison")  # it may die before it says the id
    worker.exit_code()
    ((poison,),) = scene.fleet.query("SELECT id FROM cloaca_run")
    worker = scene.fleet.launch(**settings)
    while (answer := worker.result_or_death(poison)) is None:
        worker = scene.fleet.launch(**settings)

    assert answer == ("Failed", {})
    assert scene.error(poison).endswith(
        "RecoveryLimitError: 3 processes died while they ran this task, 1 of them while it ran "
        "alone; max_recovery_attempts is 0"
    )


def test_a_storm_of_kills_loses_and_doubles_nothing(scene: Scene) -> None:
    chance = random.Random(18)  # noqa: S311 - no secret
    worker = scene.start(max_recovery_attempts=50)
    worker.tell("submit", "busy", 40)
    runs = worker.hear("submitted")
    kills = 0
    while kills < 8:
        (pid,) = worker.hear("busy")
        if chance.random() < 0.3:
            kills += 1
            with suppress(ProcessLookupError):  # an earlier kill has ended it
                os.kill(int(pid), signal.SIGKILL)
    worker.tell("results", *runs)
    assert worker.hear("results") == ["Completed"]
    assert scene.fleet.query(
        "SELECT count(*), count(DISTINCT run_id) FROM cloaca_attempt WHERE status = 'Completed'"
    ) == [(40, 40)]
    ledger = scene.fleet.ledger()
    assert len({(entry.run_id, entry.attempt) for entry in ledger}) == len(ledger)
    lost = scene.fleet.query("SELECT error_type FROM cloaca_attempt WHERE status = 'Failed'")
    assert {error for (error,) in lost} == {"WorkerLost"}


# -- the runner dies -------------------------------------------------------------------------------


def test_workers_end_with_their_runner_and_another_one_takes_its_runs_over(scene: Scene) -> None:
    worker = scene.start()
    run_id = worker.submit("waits")
    (pid,) = worker.hear("waiting")
    with seen_to_end(pid):
        worker.kill()

    other = scene.start()
    other.hear("waiting")
    scene.release()
    assert other.result(run_id) == ("Completed", {"attempt": 1})
    assert scene.attempts(run_id) == [(1, "Completed", None, 0)]  # not to blame
    first, second = scene.executions(run_id)
    assert (first.attempt, second.attempt) == (1, 1)
    assert first.epoch < second.epoch


@pytest.mark.parametrize("executor", [OURS, STANDARD])
def test_a_result_that_comes_back_after_a_takeover_is_refused(scene: Scene, executor: str) -> None:
    """A worker goes on while its runner stands still, which by then has lost the run."""
    sleeper = scene.start(executor, lease_seconds=SHORT)
    run_id = sleeper.submit("waits")
    sleeper.hear("waiting")
    sleeper.tell("freeze")
    sleeper.await_stop()
    scene.release()
    other = scene.start(lease_seconds=SHORT)
    other.hear("waiting")
    scene.release()
    finished = other.result(run_id)
    sleeper.signal(signal.SIGCONT)

    assert finished == ("Completed", {"attempt": 1})
    assert sleeper.result(run_id) == finished
    (last, *_) = reversed(scene.executions(run_id))
    recorded = "SELECT attempt, epoch, status FROM cloaca_attempt WHERE run_id = ?"
    assert scene.fleet.query(recorded, run_id) == [(1, last.epoch, "Completed")]
    assert len(scene.executions(run_id)) == 2


# -- the runner stops ------------------------------------------------------------------------------


@pytest.mark.parametrize("body", ["waits", "waits_async"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_group_lets_the_bodies_end(
    scene: Scene, number: signal.Signals, body: str
) -> None:
    """As Ctrl-C in a terminal, or the stop of a service."""
    worker = scene.start(shutdown_grace_seconds=60)
    run_id = worker.submit(body)
    (pid,) = worker.hear("waiting")
    with seen_to_end(pid):
        os.killpg(worker.pid, number)
        scene.release()
        worker.exit_code()

    assert scene.attempts(run_id) == [(1, "Completed", None, 0)]
    assert len(scene.executions(run_id)) == 1


def test_with_workers_of_others_a_signal_is_no_error_of_their_bodies(scene: Scene) -> None:
    worker = scene.start(STANDARD, shutdown_grace_seconds=60)
    run_id = worker.submit("waits")
    worker.hear("waiting")
    os.killpg(worker.pid, signal.SIGINT)
    worker.exit_code()

    assert scene.attempts(run_id) == [(1, "Failed", "WorkerLost", 1)]
    other = scene.start()
    other.hear("waiting")
    scene.release()
    assert other.result(run_id) == ("Completed", {"attempt": 2})


def test_what_outlives_the_grace_period_is_ended_and_released(scene: Scene) -> None:
    worker = scene.start(shutdown_grace_seconds=0.2)
    worker.submit("goes_on")
    (pid,) = worker.hear("going-on")
    with seen_to_end(pid):
        worker.tell("shutdown")
        worker.hear("closed")

    assert scene.fleet.query("SELECT owner, recoveries FROM cloaca_run") == [(None, 0)]
    assert scene.fleet.query("SELECT count(*) FROM cloaca_runner") == [(0,)]
    assert worker.end() == (0, "")


PROGRAM = """
import signal, sys
import cloaca, cloaca.executors

def body(context):
    print("begun", flush=True)
    while True:
        try:
            signal.pause()
        except cloaca.BodyCancelled:
            pass

if __name__ == "__main__":
    with cloaca.WorkflowBuilder("endless"):
        cloaca.task(id="t", executor="cpu")(body)
    runner = cloaca.DefaultRunner(sys.argv[1], executors={"cpu": cloaca.executors.process(1)})
    runner.submit("endless")
    input()
    sys.exit(7)
"""


def test_a_program_that_forgets_its_runner_ends_all_the_same(fleet: Fleet) -> None:
    path = fleet.ledger_path.with_name("program.py")
    path.write_text(PROGRAM)
    with subprocess.Popen(
        [sys.executable, "-W", "error", path, fleet.url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        assert program.stdout.readline() == "begun\n"
        program.stdin.write("\n")
        program.stdin.flush()
        assert program.wait(WAIT) == 7
