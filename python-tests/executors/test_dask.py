"""Bodies on Dask: a cluster on this host, with a process per worker."""

from __future__ import annotations

import gc
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path

import dask
import pytest
from distributed import Client, LocalCluster
from executors import bodies, dask_runner
from executors.contract import WAIT, ExecutorContract, Open, executions, read, write
from executors.programs import Programs, environment

import cloaca

RETURN = 100.0
"""Seconds that schedulers and workers may take to return, on a busy machine."""
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "10_more_cores.py"


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """A cluster that does not run a call again whose worker has died."""
    with (
        dask.config.set(
            {
                "distributed.scheduler.allowed-failures": 0,
                # On a busy machine a new worker takes longer than the usual 15 s, after which the
                # cluster would go on without it.
                "distributed.deploy.lost-worker-timeout": f"{RETURN} s",
            }
        ),
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    """Parts of a cluster that do not outlive the test."""
    programs = Programs(tmp_path)
    yield programs
    programs.close()


class TestDask(ExecutorContract):
    @pytest.fixture
    def given(self, client: Client) -> Executor:
        """The program's own executor. Workers that a test killed may be missing yet."""
        client.wait_for_workers(1)
        executor: Executor = client.get_executor()
        return executor

    def test_dask_forgets_a_call_once_its_answer_is_here(
        self, open_on: Open, client: Client
    ) -> None:
        """It would run the body again if the worker died that has the answer."""
        before = set(client.futures)
        gc.disable()
        try:
            open_on().execute("several").raise_for_status()
            client.run_on_scheduler(int)  # after the loop of the client has let go of it
            assert set(client.futures) <= before
        finally:
            gc.enable()

    @pytest.mark.each_backend
    def test_a_body_whose_runner_is_killed_is_recorded_once(
        self, open_on: Open, client: Client, database_url: str, tmp_path: Path
    ) -> None:
        context = bodies.pipes(tmp_path)
        killed = _runner(database_url, client.scheduler.address, context)
        assert killed.stdout is not None
        run_id = killed.stdout.readline().strip()
        read(tmp_path / "inside")
        killed.kill()
        killed.communicate()

        run = open_on().get_run(run_id)  # it takes the run over as it opens
        write(tmp_path / "go")  # the first body was still at work
        run.result(WAIT).raise_for_status()

        assert len(executions(tmp_path)) == 2
        done = [each for each in run.attempts() if each.status == "Completed"]
        assert [run.outputs()] == [{"t": {"met": each.attempt}} for each in done]


class TestBodiesThatWaitThere:
    """A cluster may be handed more bodies than it has threads, so that none idles between them."""

    @pytest.fixture
    def one_thread(self) -> Iterator[Client]:
        with (
            dask.config.set({"distributed.scheduler.allowed-failures": 0}),
            LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster,
            Client(cluster) as client,
        ):
            yield client

    @pytest.fixture
    def runner(self, one_thread: Client, database_url: str) -> Iterator[cloaca.DefaultRunner]:
        with cloaca.DefaultRunner(
            database_url,
            registry=bodies.registry(),
            executors={"there": one_thread.get_executor()},
            executor_slots={"there": 3},
            config=cloaca.DefaultRunnerConfig(max_recovery_attempts=0),
        ) as runner:
            yield runner

    def test_a_time_limit_counts_from_when_the_body_begins(
        self, runner: cloaca.DefaultRunner, one_thread: Client, tmp_path: Path
    ) -> None:
        holding = runner.submit("meeting", bodies.pipes(tmp_path))
        read(tmp_path / "inside")
        brief = runner.submit("brief", {"folder": str(tmp_path)})
        _until_one_waits(one_thread)
        assert runner.execute("as_long").status == "Failed"  # by then the limit would be over
        write(tmp_path / "go")

        for run in (holding, brief):
            run.result(WAIT).raise_for_status()
        assert [each.status for each in brief.attempts()] == ["Completed"]

    def test_nor_does_the_time_without_a_worker_count(
        self, runner: cloaca.DefaultRunner, one_thread: Client, tmp_path: Path
    ) -> None:
        cluster = one_thread.cluster
        assert isinstance(cluster, LocalCluster)
        cluster.scale(0)
        _until_none_works(one_thread)
        run = runner.submit("brief", {"folder": str(tmp_path)})
        assert runner.execute("as_long").status == "Failed"  # by then the limit would be over
        cluster.scale(1)

        run.result(WAIT).raise_for_status()
        assert [each.status for each in run.attempts()] == ["Completed"]

    def test_a_body_that_has_waited_there_is_given_up_when_its_time_is_over(
        self, runner: cloaca.DefaultRunner, one_thread: Client, tmp_path: Path
    ) -> None:
        holding = runner.submit("meeting", bodies.pipes(tmp_path))
        read(tmp_path / "inside")
        (tmp_path / "next").mkdir()
        limited = runner.submit("limited", bodies.pipes(tmp_path / "next"))
        _until_one_waits(one_thread)
        write(tmp_path / "go")
        holding.result(WAIT).raise_for_status()
        read(tmp_path / "next" / "inside")

        assert limited.result(WAIT).status == "Failed"
        write(tmp_path / "next" / "go")
        assert [each.error_type for each in limited.attempts()] == ["TimeoutError"]

    def test_a_body_that_had_not_begun_is_not_to_blame_for_the_end_of_its_worker(
        self, runner: cloaca.DefaultRunner, one_thread: Client, tmp_path: Path
    ) -> None:
        holding = runner.submit("meeting", bodies.pipes(tmp_path))
        worker = int(read(tmp_path / "inside"))
        waiting = runner.submit("passing", {"folder": str(tmp_path)})
        _until_one_waits(one_thread)
        os.kill(worker, signal.SIGKILL)

        assert holding.result(WAIT).status == "Failed"  # no loss is allowed it
        waiting.result(WAIT).raise_for_status()
        lost, done = waiting.attempts()
        assert (lost.error_type, done.status) == ("WorkerLost", "Completed")


def _until_one_waits(client: Client) -> None:
    """Return when the worker has a body beside the one that it runs. Nothing tells when."""
    while sum(map(len, client.processing().values())) < 2:
        pass


def _until_none_works(client: Client) -> None:
    """Return when the last worker has left. Nothing tells when."""
    while client.nthreads():
        pass


@pytest.mark.timeout(RETURN + 20)
@pytest.mark.each_backend
def test_a_body_whose_scheduler_is_killed_runs_when_there_is_one_again(
    programs: Programs, database_url: str, tmp_path: Path
) -> None:
    scheduler, worker = programs.scheduler(), programs.worker()
    with (
        Client(programs.address, timeout=RETURN) as client,
        cloaca.DefaultRunner(
            database_url,
            registry=bodies.registry(),
            executors={"there": client.get_executor()},
            executor_slots={"there": 2},
        ) as runner,
    ):
        run = runner.submit("meeting", bodies.pipes(tmp_path))
        read(tmp_path / "inside")
        for process in (scheduler, worker):
            process.kill()
            process.wait()
        programs.scheduler()
        programs.worker()
        run.result(RETURN).raise_for_status()

        first, *_, last = run.attempts()
        assert first.error_type == "ExecutorUnavailableError"
        assert last.status == "Completed"
        assert executions(tmp_path) == [("t", first.attempt), ("t", last.attempt)]
        assert run.outputs() == {"t": {"met": last.attempt}}


@pytest.mark.backend("sqlite", reason="it keeps its runs in memory")
def test_the_example_of_more_cores_runs_there(tmp_path: Path) -> None:
    """Dask's own log is off: its workers report the end of their cluster as an error when they
    notice it late.
    """
    options = ["--below", "20000", "--workers", "2", "--dask"]
    inherited = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLE), *options],
        cwd=tmp_path,
        env={**inherited, "DASK_LOGGING__DISTRIBUTED": "critical"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^ +2 +\d+\.\d\d +1\.00$", done.stdout, re.MULTILINE)


def _runner(url: str, scheduler: str, context: dict[str, object]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, dask_runner.__file__, url, scheduler, json.dumps(context)],
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
