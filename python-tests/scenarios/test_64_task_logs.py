"""What bodies log is kept with their runs: from threads, coroutines, callbacks and executors."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from scenarios import bodies_elsewhere
from tables import each_row

import cloaca
from cloaca.testing import harness

LOG = logging.getLogger("app.jobs")
LOOKS_FOR_TRACES = """
import logging, sys
import cloaca

root = logging.getLogger()
handlers, level = root.handlers[:], root.level
with cloaca.WorkflowBuilder("w"):
    cloaca.task(id="t")(lambda context: logging.getLogger("app").warning("kept"))
with cloaca.DefaultRunner(sys.argv[1]) as runner:
    run = runner.submit("w")
    run.wait()
    assert [line.message for line in run.logs()] == ["kept"]
    assert (root.handlers, root.level) == (handlers, level)
for name, method in vars(logging.Logger).items():
    assert not callable(method) or method.__module__ == "logging", name
"""


@pytest.fixture
def runner(database_url: str) -> Iterator[cloaca.DefaultRunner]:
    with cloaca.DefaultRunner(database_url) as opened:
        yield opened


def messages(lines: list[cloaca.LogLine]) -> list[str]:
    return [line.message for line in lines]


class TestLines:
    @pytest.mark.each_backend
    def test_lines_of_a_body_are_there_with_its_record(self, runner: cloaca.DefaultRunner) -> None:
        with cloaca.WorkflowBuilder("logs"):

            @cloaca.task(id="load")
            def load(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
                LOG.info("loading %s", "orders")
                LOG.debug("not kept")
                logging.getLogger("app.jobs.child").warning("slow")
                handle.log("done", level="ERROR", rows=3)

        run = runner.submit("logs", {})
        run.wait()

        lines = run.logs()
        assert [(line.level, line.logger, line.message, line.fields) for line in lines] == [
            ("INFO", "app.jobs", "loading orders", None),
            ("WARNING", "app.jobs.child", "slow", None),
            ("ERROR", "handle", "done", {"rows": 3}),
        ]
        assert {(line.run_id, line.task_id, line.attempt) for line in lines} == {
            (run.id, "load", 1)
        }
        assert [line.number for line in lines] == [1, 2, 3]
        assert lines[0].at <= lines[1].at <= lines[2].at
        assert run.tasks()["load"].started_at is not None

    def test_an_error_is_logged_with_its_traceback(self, runner: cloaca.DefaultRunner) -> None:
        with cloaca.WorkflowBuilder("errors"):

            @cloaca.task(id="load")
            def load(context: cloaca.Context) -> None:
                try:
                    raise LookupError("no such order")
                except LookupError:
                    LOG.exception("failed")

        run = runner.submit("errors", {})
        run.wait()

        (line,) = run.logs()
        assert line.message.startswith("failed\nTraceback")
        assert line.message.endswith("LookupError: no such order")

    def test_threads_and_callbacks_of_a_task_belong_to_it(
        self, runner: cloaca.DefaultRunner
    ) -> None:
        def finished(task_id: str, context: cloaca.Context) -> None:
            LOG.info("%s has finished", task_id)

        with cloaca.WorkflowBuilder("threads"):

            @cloaca.task(id="load", on_success=finished)
            def load(context: cloaca.Context) -> None:
                copied = contextvars.copy_context()
                thread = threading.Thread(target=copied.run, args=(LOG.info, "in a thread"))
                thread.start()
                thread.join()
                with ThreadPoolExecutor(1) as pool:
                    pool.submit(LOG.info, "in a thread without the context").result()

        run = runner.submit("threads", {})
        run.wait()

        assert messages(run.logs()) == ["in a thread", "load has finished"]

    def test_coroutines_log_each_for_itself(self, runner: cloaca.DefaultRunner) -> None:
        with cloaca.WorkflowBuilder("coroutines"):
            for name in ("one", "two"):

                @cloaca.task(id=name)
                async def body(context: cloaca.Context, handle: cloaca.AsyncTaskHandle) -> None:
                    LOG.info("begin %s", handle.task_id)
                    await asyncio.gather(asyncio.sleep(0), asyncio.to_thread(LOG.info, "beside"))
                    handle.log(f"end {handle.task_id}")

        run = runner.submit("coroutines", {})
        run.wait()

        for name in ("one", "two"):
            assert messages(run.logs(name)) == [f"begin {name}", "beside", f"end {name}"]

    def test_each_attempt_has_its_own_lines(self, runner: cloaca.DefaultRunner) -> None:
        with cloaca.WorkflowBuilder("attempts"):

            @cloaca.task(id="load", retry_attempts=3, retry_delay_ms=1)
            def load(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
                LOG.info("attempt %d", handle.attempt)
                if handle.attempt < 3:
                    raise ConnectionError

        run = runner.submit("attempts", {})
        run.wait()

        assert messages(run.logs()) == ["attempt 1", "attempt 2", "attempt 3"]
        assert messages(run.logs("load", 2)) == ["attempt 2"]
        with pytest.raises(cloaca.TaskNotFoundError, match="has no task 'other'"):
            run.logs("other")
        with pytest.raises(KeyError, match="has no task 'other'"):
            next(iter(run.follow_logs("other")))

    def test_a_body_that_was_given_up_keeps_its_lines_until_then(
        self, runner: cloaca.DefaultRunner
    ) -> None:
        go_on, over = threading.Event(), threading.Event()
        with cloaca.WorkflowBuilder("quick"):
            cloaca.task(id="nothing")(lambda context: None)
        with cloaca.WorkflowBuilder("slow"):

            @cloaca.task(id="load", timeout_seconds=1, retry_attempts=1)
            def load(context: cloaca.Context) -> None:
                LOG.info("before")
                go_on.wait()
                LOG.info("after")
                over.set()

        run = runner.submit("slow", {})
        run.wait()
        go_on.set()
        over.wait()
        runner.execute("quick", {})  # a further commit

        assert messages(run.logs()) == ["before"]

    def test_lines_of_the_engine_are_not_among_them(self, runner: cloaca.DefaultRunner) -> None:
        with cloaca.WorkflowBuilder("inner"):

            @cloaca.task(id="load", retry_attempts=1)
            def load(context: cloaca.Context) -> None:
                raise ValueError("a failure that the engine logs")

        with cloaca.WorkflowBuilder("outer"):

            @cloaca.task(id="call")
            def call(context: cloaca.Context) -> None:
                runner.execute("inner", {})
                LOG.info("called")

        run = runner.submit("outer", {})
        run.wait()

        assert messages(run.logs()) == ["called"]


class TestReading:
    def test_one_goes_on_after_a_line(self, runner: cloaca.DefaultRunner) -> None:
        with cloaca.WorkflowBuilder("many"):

            @cloaca.task(id="load")
            def load(context: cloaca.Context) -> None:
                for number in range(5):
                    LOG.info("%d", number)

        run = runner.submit("many", {})
        run.wait()
        lines = run.logs(limit=2)

        assert messages(lines) == ["0", "1"]
        assert messages(run.logs(after=lines[-1])) == ["2", "3", "4"]
        assert messages(run.logs(after=lines[-1].position, limit=1)) == ["2"]

    def test_of_very_many_the_first_and_the_last_are_kept(
        self, runner: cloaca.DefaultRunner
    ) -> None:
        with cloaca.WorkflowBuilder("flood"):

            @cloaca.task(id="load")
            def load(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
                for number in range(12_000):
                    handle.log(str(number))

        run = runner.submit("flood", {})
        run.wait()

        lines = run.logs()
        assert messages(lines[:5_000]) == [str(number) for number in range(5_000)]
        assert lines[-1].message == "11999"
        assert 8_000 < len(lines) <= 10_000
        (gap,) = [line for line in lines if line.dropped]
        assert gap.dropped == 12_000 - len(lines)

    def test_following_ends_with_the_run(self, runner: cloaca.DefaultRunner) -> None:
        go_on = threading.Event()
        with cloaca.WorkflowBuilder("followed"):

            @cloaca.task(id="load")
            def load(context: cloaca.Context) -> None:
                LOG.info("first")
                go_on.wait()
                LOG.info("last")

        run = runner.submit("followed", {})
        following = run.follow_logs()
        assert next(following).message == "first"
        go_on.set()

        assert messages(list(following)) == ["last"]
        assert messages(list(run.follow_logs("load", after=next(run.follow_logs())))) == ["last"]

    def test_a_client_follows_another_runner(
        self, runner: cloaca.DefaultRunner, database_url: str
    ) -> None:
        if database_url == ":memory:":
            pytest.skip("no other program can open it")
        seen = threading.Semaphore(0)
        with cloaca.WorkflowBuilder("from_afar"):

            @cloaca.task(id="load")
            def load(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
                for number in range(3):
                    handle.log(str(number))
                    seen.acquire()

        run = runner.submit("from_afar", {})
        with cloaca.Client(database_url) as client:
            for line in client.get_run(run.id).follow_logs():
                assert line.task_id == "load"
                seen.release()
            assert messages(client.get_run(run.id).logs()) == ["0", "1", "2"]

    def test_an_observer_names_the_run_once(
        self, runner: cloaca.DefaultRunner, tmp_path: Path
    ) -> None:
        go_on, observer = tmp_path / "go_on", cloaca.Observer(runner)
        os.mkfifo(go_on)
        with cloaca.WorkflowBuilder("follows"):

            @cloaca.task(id="load")
            def load(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
                handle.log("first")
                handle.progress(1, 2)
                go_on.read_text(encoding="utf-8")
                handle.log("last")

        run = runner.submit("follows", {})
        following = iter(observer.follow_logs("@"))
        assert next(following).message == "first"
        with cloaca.WorkflowBuilder("newer"):
            cloaca.task(id="t")(lambda context: None)
        runner.execute("newer", {})
        assert str(observer.tree(run.id).wait().tasks[0].progress) == "1 of 2"
        go_on.write_text("now", encoding="utf-8")

        assert messages(list(following)) == ["last"]
        assert messages(observer.logs(run.id, "load").wait()) == ["first", "last"]

    def test_an_unknown_run_is_told_so(self, runner: cloaca.DefaultRunner) -> None:
        with pytest.raises(cloaca.RunNotFoundError):
            runner.get_run("01a00000-0000-7000-8000-000000000000").logs()

    def test_an_awaiting_program_reads_and_follows(self, database_url: str) -> None:
        with cloaca.WorkflowBuilder("awaited"):

            @cloaca.task(id="load")
            async def load(context: cloaca.Context, handle: cloaca.AsyncTaskHandle) -> None:
                handle.log("a")
                handle.progress(1)

        async def main() -> tuple[list[str], list[str]]:
            async with cloaca.AsyncRunner(database_url) as runner:
                run = await runner.submit("awaited", {})
                followed = [line.message async for line in run.follow_logs()]
                return followed, messages(await run.logs())

        assert asyncio.run(main()) == (["a"], ["a"])


class TestProgress:
    def test_it_shows_while_the_body_runs_and_afterwards(
        self, runner: cloaca.DefaultRunner
    ) -> None:
        go_on = threading.Event()
        with cloaca.WorkflowBuilder("progress"):

            @cloaca.task(id="load")
            def load(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
                handle.progress(1, 10)
                handle.progress(3, 10, "loading orders")
                handle.log("told")
                go_on.wait()

        run = runner.submit("progress", {})
        next(run.follow_logs())

        progress = run.tasks()["load"].progress
        assert progress is not None
        assert (progress.done, progress.total, progress.text) == (3, 10, "loading orders")
        assert "it has come to 3 of 10: loading orders" in str(run.explain())
        go_on.set()
        run.wait()
        assert run.tasks()["load"].progress == progress
        assert run.result().task_results["load"].progress is None

    @each_row(
        ("given", "error"),
        [
            ((-1,), cloaca.DefinitionError),
            (("1",), cloaca.DefinitionTypeError),
            ((1, "2"), cloaca.DefinitionTypeError),
            ((float("inf"),), cloaca.DefinitionError),
            ((1, 2, 3), cloaca.DefinitionTypeError),
        ],
    )
    def test_no_number_is_refused_in_the_body(
        self, runner: cloaca.DefaultRunner, given: tuple[Any, ...], error: type[Exception]
    ) -> None:
        caught: list[Exception] = []
        with cloaca.WorkflowBuilder("refused"):

            @cloaca.task(id="load")
            def load(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
                try:
                    handle.progress(*given)
                except Exception as raised:
                    caught.append(raised)

        runner.execute("refused", {})

        assert [type(each) for each in caught] == [error]


class TestSettings:
    @pytest.mark.parametrize(
        ("level", "kept"),
        [("DEBUG", ["a", "b", "c", "d"]), ("error", ["c", "d"]), ("none", [])],
    )
    def test_the_level_chooses(self, database_url: str, level: str, kept: list[str]) -> None:
        with cloaca.WorkflowBuilder("levels"):

            @cloaca.task(id="load")
            def load(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
                LOG.debug("a")
                LOG.info("b")
                LOG.error("c")
                handle.log("d", level="critical")

        config = cloaca.DefaultRunnerConfig(task_log_level=level)
        with cloaca.DefaultRunner(database_url, config=config) as runner:
            run = runner.submit("levels", {})
            run.wait()
            assert messages(run.logs()) == kept

    def test_an_unknown_level_is_refused(self) -> None:
        with pytest.raises(cloaca.ConfigError, match="task_log_level must be 'DEBUG'"):
            cloaca.DefaultRunnerConfig(task_log_level="loud")

    def test_no_runner_leaves_a_trace_in_logging(self, database_url: str) -> None:
        """In a program of its own: bodies that other tests have given up log for a while."""
        subprocess.run([sys.executable, "-c", LOOKS_FOR_TRACES, database_url], check=True)


class TestElsewhere:
    """Bodies that run in processes of an executor."""

    @pytest.fixture
    def runner(self, database_url: str) -> Iterator[cloaca.DefaultRunner]:
        spawn = multiprocessing.get_context("spawn")
        executors = {"cpu": lambda: ProcessPoolExecutor(1, mp_context=spawn)}
        config = cloaca.DefaultRunnerConfig(max_recovery_attempts=0)
        with cloaca.DefaultRunner(
            database_url, config=config, executors=executors, registry=_workflows_elsewhere()
        ) as opened:
            yield opened

    def test_lines_and_progress_come_while_the_body_runs(
        self, runner: cloaca.DefaultRunner, tmp_path: Path
    ) -> None:
        go_on = tmp_path / "go_on"
        os.mkfifo(go_on)

        run = runner.submit("elsewhere", {"go_on": str(go_on)})
        following = run.follow_logs()
        assert next(following).message == "first, in another process"
        go_on.write_text("now", encoding="utf-8")
        (last,) = following

        assert (last.number, last.message, last.logger) == (2, "last", "handle")
        assert last.fields is not None
        assert last.fields["process"] != os.getpid()
        progress = run.tasks()["load"].progress
        assert progress is not None
        assert progress.text == "half"

    def test_coroutines_and_lost_workers_leave_their_lines(
        self, runner: cloaca.DefaultRunner
    ) -> None:
        run, lost = runner.submit("async_elsewhere", {}), runner.submit("lost", {})
        run.wait()
        lost.wait()

        assert messages(run.logs()) == ["a", "b"]
        assert set(messages(lost.logs())) == {"the last words"}


def _workflows_elsewhere() -> cloaca.Registry:
    registry = cloaca.Registry()
    bodies: dict[str, Callable[..., object]] = {
        "elsewhere": bodies_elsewhere.logs_and_waits,
        "async_elsewhere": bodies_elsewhere.logs_async,
        "lost": bodies_elsewhere.logs_and_dies,
    }
    for name, body in bodies.items():
        with cloaca.WorkflowBuilder(name, registry=registry):
            cloaca.task(id="load", executor="cpu")(body)
    return registry


class TestKit:
    def test_a_test_reads_lines_on_its_own_clock(self, database_url: str) -> None:
        with cloaca.WorkflowBuilder("in_a_test"):

            @cloaca.task(id="load")
            def load(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
                LOG.info("attempt %d", handle.attempt)
                if handle.attempt == 1:
                    raise cloaca.RetryAfter(600)

        with harness(url=database_url) as h:
            run = h.run("in_a_test", {})
            assert messages(run.handle.logs()) == ["attempt 1"]

            h.clock.advance(minutes=10)

            lines = run.handle.logs()
            assert messages(lines) == ["attempt 1", "attempt 2"]
            waited = datetime.fromisoformat(lines[1].at) - datetime.fromisoformat(lines[0].at)
            assert waited == timedelta(minutes=10)


class TestForks:
    def test_a_fork_begins_without_lines(self, runner: cloaca.DefaultRunner) -> None:
        with cloaca.WorkflowBuilder("forked"):

            @cloaca.task(id="load")
            def load(context: cloaca.Context) -> None:
                LOG.info("loaded")

            @cloaca.task(id="save", dependencies=["load"])
            def save(context: cloaca.Context) -> None:
                LOG.info("saved")

        run = runner.submit("forked", {})
        run.wait()

        fork = run.fork("save")
        fork.wait()

        assert messages(fork.logs()) == ["saved"]
        assert messages(run.logs()) == ["loaded", "saved"]
