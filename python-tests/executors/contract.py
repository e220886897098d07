"""What a runner promises of bodies on any executor whose workers are processes of this host."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from executors import bodies

import cloaca
import cloaca.executors

WAIT = 60.0
"""Seconds until a test gives up; nothing waits so long unless it is broken."""
Open: TypeAlias = Callable[..., cloaca.DefaultRunner]


class ExecutorContract:
    """Derive a class from this, with a fixture ``given``: the value for ``executors``."""

    ends_bodies = False
    """Whether the executor ends a body that is given up; otherwise it must end by itself."""
    deaths = 1
    """How many times a body kills its worker until none more is allowed."""

    @pytest.fixture
    def open_on(self, database_url: str, given: Any) -> Iterator[Open]:
        """Opens runners whose bodies run there."""
        opened: list[cloaca.DefaultRunner] = []

        def open_one(
            executor: Any = given,
            registry: cloaca.Registry | None = None,
            redact: Collection[str] = (),
            **settings: Any,
        ) -> cloaca.DefaultRunner:
            opened.append(
                cloaca.DefaultRunner(
                    database_url,
                    config=cloaca.DefaultRunnerConfig(shutdown_grace_seconds=5, **settings),
                    registry=registry or bodies.registry(),
                    executors={"there": executor},
                    redact=redact,
                )
            )
            return opened[-1]

        yield open_one
        for runner in opened:
            runner.shutdown()

    @pytest.mark.each_backend
    def test_bodies_run_in_other_processes_and_give_their_results(self, open_on: Open) -> None:
        result = open_on().execute("several")
        result.raise_for_status()

        told = result.final_context.to_dict()
        assert told.pop("pid") != os.getpid()
        assert told == {
            "run_id": result.execution_id,
            "task_id": "told",
            "attempt": 1,
            "epoch": 1,
            "key": f"{result.execution_id}:told",
            "cancelled": False,
            "awaited": "other",
            "here": os.getpid(),
        }

    @pytest.mark.parametrize("shared", ["few", "m" * 10_000], ids=["short", "long"])
    def test_items_of_a_map_run_there(self, open_on: Open, shared: str) -> None:
        files = {"a": "1", "b": "bad", "c": "3"}
        data = {"files": files, "shared": shared}

        result = open_on().execute("mapped", data, timeout=WAIT)

        assert result.status == "Completed", result.error
        each = result.final_context["each"]
        assert (list(each), each["b"]) == (["a", "b", "c"], None)
        told = each["c"]
        assert told.pop("pid") != os.getpid()
        assert told == {
            "run_id": result.execution_id,
            "task_id": "each",
            "attempt": 1,
            "epoch": 1,
            "key": f"{result.execution_id}:each::c",
            "cancelled": False,
            "item": "3",
            "index": 2,
            "label": "c",
            "count": 3,
            "shared": shared,
        }
        assert result.final_context["awaited"] == {
            label: [item, index, shared] for index, (label, item) in enumerate(files.items())
        }

    def test_lines_and_progress_come_back_while_the_body_runs(
        self, open_on: Open, tmp_path: Path
    ) -> None:
        run = open_on().submit("logging", bodies.pipes(tmp_path))
        following = run.follow_logs()
        assert next(following).message == "first of 2"
        write(tmp_path / "go")  # the body waits for it
        (last,) = following

        assert (last.number, last.message) == (2, "second")
        assert last.fields is not None
        assert last.fields["process"] != os.getpid()
        assert str(run.tasks()["t"].progress) == "1 of 2: half"

    def test_an_error_comes_back_with_its_traceback(self, open_on: Open) -> None:
        run = open_on().submit("raising")
        assert run.result(WAIT).status == "Failed"

        (attempt,) = run.attempts()
        assert attempt.error == "LookupError: nothing here"
        assert attempt.traceback is not None
        assert "bodies.py" in attempt.traceback

    @pytest.mark.parametrize(
        ("kind", "error"), [("interrupt", "KeyboardInterrupt"), ("cancel", "BodyCancelled")]
    )
    def test_what_signals_raise_is_an_error_if_a_body_raises_it_itself(
        self, open_on: Open, kind: str, error: str
    ) -> None:
        runner = open_on()
        run = runner.submit("signalling", {"kind": kind})
        assert run.result(WAIT).status == "Failed"

        assert [each.error for each in run.attempts()] == [f"{error}: by hand"] * 2
        runner.execute("several").raise_for_status()

    def test_secrets_are_hidden_in_what_comes_back(self, open_on: Open) -> None:
        run = open_on(redact=[bodies.SECRET]).submit("telling")
        assert run.result(WAIT).status == "Failed"

        (attempt,), (line,) = run.attempts(), run.logs()
        assert attempt.error == "ValueError: no answer with ***"
        assert "LookupError: ***" in str(attempt.traceback)
        assert bodies.SECRET not in str(attempt.traceback)
        assert line.message == "with ***"
        assert str(run.tasks()["t"].progress) == "1 of 2: with ***"

    def test_a_closure_is_refused_unless_the_executor_takes_functions_by_value(
        self, open_on: Open, given: Executor
    ) -> None:
        word, closed = "hidden", cloaca.Registry()
        with cloaca.WorkflowBuilder("closed", registry=closed):
            cloaca.task(id="t", executor="there")(lambda context: {"word": word})
        with pytest.raises(cloaca.ConfigError, match=r"'t' .* cloaca\.executors\.by_value"):
            open_on(registry=closed)

        result = open_on(cloaca.executors.by_value(given), closed).execute("closed")
        assert result.final_context.to_dict() == {"word": "hidden"}

    @pytest.mark.each_backend
    def test_a_body_whose_worker_is_killed_runs_again(self, open_on: Open, tmp_path: Path) -> None:
        run = open_on().submit("meeting", bodies.pipes(tmp_path))
        os.kill(int(read(tmp_path / "inside")), signal.SIGKILL)
        run.result(WAIT).raise_for_status()

        lost, done = run.attempts()
        assert (lost.status, lost.error_type, done.status) == ("Failed", "WorkerLost", "Completed")
        assert executions(tmp_path) == [("t", lost.attempt), ("t", done.attempt)]
        assert run.outputs() == {"t": {"met": done.attempt}}

    @pytest.mark.each_backend
    def test_a_body_that_kills_its_workers_fails_and_the_runner_lives(
        self, open_on: Open, tmp_path: Path
    ) -> None:
        runner = open_on(max_recovery_attempts=0)
        run = runner.submit("poison", {"folder": str(tmp_path)})
        assert run.result(WAIT).status == "Failed"

        lost = [each for each in run.attempts() if each.error_type == "WorkerLost"]
        assert [each.status for each in lost] == ["Failed"] * self.deaths
        assert len(executions(tmp_path)) == self.deaths
        runner.execute("several").raise_for_status()

    def test_a_body_is_told_that_its_run_is_cancelled(self, open_on: Open, tmp_path: Path) -> None:
        runner = open_on()
        run = runner.submit("heeding", bodies.pipes(tmp_path))
        read(tmp_path / "inside")

        run.cancel(grace=WAIT)
        write(tmp_path / "go")  # it has ended its loop, or this would wait

        assert run.result(WAIT).status == "Cancelled"
        runner.execute("several").raise_for_status()

    def test_a_body_is_told_that_its_time_is_over(self, open_on: Open, tmp_path: Path) -> None:
        """From when it began: the workers are started for it, and import what they need."""
        runner = open_on()
        run = runner.submit("limited", bodies.pipes(tmp_path))
        read(tmp_path / "inside")

        assert run.result(WAIT).status == "Failed"
        if not self.ends_bodies:
            write(tmp_path / "go")  # it has ended its loop, or this would wait

        assert [each.error_type for each in run.attempts()] == ["TimeoutError"]
        runner.execute("several").raise_for_status()

    def test_the_time_does_not_count_for_which_a_body_waits_there(
        self, open_on: Open, given: Executor | Callable[[], Executor], tmp_path: Path
    ) -> None:
        """Behind calls of others, who use the executor, too."""
        executor = given if isinstance(given, Executor) else given()
        runner = open_on(executor)
        folders = [tmp_path / name for name in ("one", "two")]
        for folder in folders:
            folder.mkdir()
            executor.submit(bodies.held, bodies.pipes(folder))
            read(folder / "inside")
        run = runner.submit("brief", {"folder": str(tmp_path)})
        assert runner.execute("as_long").status == "Failed"  # by then the limit would be over
        for folder in folders:
            write(folder / "go")

        run.result(WAIT).raise_for_status()
        assert [each.status for each in run.attempts()] == ["Completed"]
        if executor is not given:
            executor.shutdown()


class InterruptContract(ExecutorContract):
    """The contract of one in whose workers SIGINT raises KeyboardInterrupt, as it does in Python.
    To be sure, they are prepared by ``bodies.hear_interrupts``.

    Ctrl-C in a terminal sends it to each process of the program.
    """

    @pytest.mark.parametrize("workflow", ["meeting", "waiting"])
    def test_a_body_that_is_interrupted_from_outside_runs_again(
        self, open_on: Open, tmp_path: Path, workflow: str
    ) -> None:
        run = open_on().submit(workflow, bodies.pipes(tmp_path))
        os.kill(int(read(tmp_path / "inside")), signal.SIGINT)
        run.result(WAIT).raise_for_status()

        lost, done = run.attempts()
        assert (lost.status, lost.error_type, done.status) == ("Failed", "WorkerLost", "Completed")


class PoolContract(InterruptContract):
    """The contract of one that breaks with all its bodies when one worker dies."""

    deaths = 3  # two while it is no suspect

    def test_no_break_counts_against_an_innocent_body(self, open_on: Open, tmp_path: Path) -> None:
        """The first one that did would fail it."""
        runner = open_on(max_recovery_attempts=0)
        innocent = runner.submit("enduring", {"folder": str(tmp_path)})
        killer = runner.submit("killer", bodies.pipes(tmp_path))
        for _ in range(2):
            read(tmp_path / "inside")
        (tmp_path / "end").touch()
        read(tmp_path / "inside")

        assert killer.result(WAIT).status == "Failed"
        innocent.result(WAIT).raise_for_status()


def read(pipe: Path) -> str:
    """What a body says; waits for it."""
    return pipe.read_text(encoding="utf-8")


def write(pipe: Path) -> None:
    """Let a body go on; waits until it is there."""
    pipe.write_text("go", encoding="utf-8")


def executions(folder: Path) -> list[tuple[str, int]]:
    """Task and attempt of each execution that a body has noted."""
    lines = (folder / "executions").read_text(encoding="utf-8").splitlines()
    return [(task_id, int(attempt)) for task_id, attempt, _ in map(str.split, lines)]
