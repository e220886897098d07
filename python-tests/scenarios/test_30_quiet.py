"""30: nothing on stdout or stderr unless asked; CLOACA_LOG is the one switch that asks."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys

import pytest

import cloaca

PROGRAM = """
import sys, threading
import cloaca

def bad(context):
    raise RuntimeError("in the body")

def callback(*_):
    raise RuntimeError("in the callback")

release = threading.Event()
with cloaca.WorkflowBuilder("noisy"):
    cloaca.task(id="good", on_success=callback)(lambda context: None)
    cloaca.task(id="bad", retry_attempts=2, retry_delay_ms=1, on_failure=callback)(bad)
    cloaca.task(id="condition", retry_condition=lambda error: 1 / 0)(bad)
    cloaca.task(id="slow", timeout_seconds=0.05, retry_attempts=1)(lambda context: release.wait(9))
config = cloaca.DefaultRunnerConfig(shutdown_grace_seconds=0)
with cloaca.DefaultRunner(sys.argv[1], config=config) as runner:
    assert runner.execute("noisy").status == "Failed"
    runner.submit("noisy")
release.set()
"""


def run(database_url: str, program: str = PROGRAM, **variables: str) -> tuple[int, str, str]:
    environment = {k: v for k, v in os.environ.items() if k != "CLOACA_LOG"} | variables
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, database_url],
        capture_output=True, text=True, env=environment, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.mark.each_backend
def test_failures_callbacks_and_timeouts_print_nothing(database_url: str) -> None:
    assert run(database_url) == (0, "", "")


def test_the_switch_shows_what_happens_on_stderr(database_url: str) -> None:
    code, output, shown = run(database_url, CLOACA_LOG="info")
    assert (code, output) == (0, "")
    assert "INFO cloaca.engine: runner " in shown
    assert "noisy: Failed" in shown
    assert re.search(r"ERROR cloaca\.engine: run \S+ task good attempt 1: on_success raised", shown)
    assert "RuntimeError: in the callback" in shown
    assert "DEBUG" not in shown


def test_a_higher_level_shows_less(database_url: str) -> None:
    _, _, shown = run(database_url, CLOACA_LOG="error")
    assert "in the callback" in shown
    assert "INFO" not in shown


def test_a_program_with_logging_of_its_own_gets_the_records(database_url: str) -> None:
    own = "import logging; logging.basicConfig(format='own %(message)s', level='INFO')\n" + PROGRAM
    _, output, shown = run(database_url, own)
    assert output == ""
    assert re.search(r"own run \S+ task good attempt 1: on_success raised", shown)
    assert shown.count(" is open") == 1


HANDLER = """
import logging

class Handler(logging.Handler):
    def emit(self, record):
        {emit}

logging.getLogger("cloaca").addHandler(Handler())
logging.getLogger("cloaca").setLevel("DEBUG")
"""


def test_a_log_handler_that_raises_stops_nothing(database_url: str) -> None:
    handler = HANDLER.format(emit="raise ConnectionError(f'not sent: {record.getMessage()}')")
    code, output, shown = run(database_url, handler + PROGRAM)
    assert (code, output) == (0, "")
    assert re.search(
        r"ConnectionError: not sent: run \S+ task good attempt 1: on_success raised", shown
    )


def test_a_log_handler_that_calls_the_runner_is_told_why_it_cannot(database_url: str) -> None:
    handler = HANDLER.format(
        emit="if 'noisy: Failed' in record.getMessage(): runner.submit('noisy')"
    )
    code, output, shown = run(database_url, handler + PROGRAM)
    assert (code, output) == (0, "")
    assert "RunnerUsageError: a call of the runner on its engine's own thread" in shown


def test_importing_and_defining_print_nothing(database_url: str) -> None:
    program = (
        "import cloaca\n"
        "with cloaca.WorkflowBuilder('w'):\n"
        "    cloaca.task(id='t')(lambda c: None)\n"
    )
    assert run(database_url, program, CLOACA_LOG="debug") == (0, "", "")


def log_of(run_id: str, caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """The log records of a run, without its id."""
    lines = [(each.levelname, each.getMessage()) for each in caplog.records]
    return [
        (level, text.removeprefix(f"run {run_id} "))
        for level, text in lines
        if text.startswith(f"run {run_id} ")
    ]


def test_info_tells_of_submits_starts_and_ends(
    runner: cloaca.DefaultRunner, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="cloaca")
    with cloaca.WorkflowBuilder("told"):
        cloaca.task(id="only")(lambda context: None)
    handle = runner.submit("told", idempotency_key="once")
    handle.wait(60)
    runner.submit("told", idempotency_key="once")
    runner.shutdown()
    of = "of public::embedded::told:"
    assert log_of(handle.id, caplog) == [
        ("INFO", f"{of} submitted"),
        ("INFO", f"{of} started"),
        ("INFO", f"{of} Completed"),
        ("INFO", f"{of} asked for again, by its key"),
    ]


def test_many_submits_are_told_in_a_line(
    runner: cloaca.DefaultRunner, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="cloaca")
    with cloaca.WorkflowBuilder("told"):
        cloaca.task(id="only")(lambda context: None)
    handles = runner.submit_many("told", [None] * 5)
    for handle in handles:
        handle.wait(60)
    runner.shutdown()
    told = [each.getMessage() for each in caplog.records if "submitted" in each.getMessage()]
    ends = f"{handles[0].id} to {handles[-1].id}"
    assert told == [f"runs {ends} of public::embedded::told: submitted, 5 in all"]


def test_debug_tells_of_attempts_as_well(
    runner: cloaca.DefaultRunner, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="cloaca")

    def charge(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
        if handle.attempt == 1:
            raise ConnectionError("busy")

    with cloaca.WorkflowBuilder("told"):
        cloaca.task(id="charge", retry_delay_ms=0)(charge)
    handle = runner.submit("told")
    handle.wait(60)
    runner.shutdown()
    assert [line for line in log_of(handle.id, caplog) if line[1].startswith("task")] == [
        ("DEBUG", "task charge attempt 1: started"),
        ("WARNING", "task charge attempt 1: failed, of 3, again in 0 s: ConnectionError: busy"),
        ("DEBUG", "task charge attempt 2: started"),
        ("DEBUG", "task charge attempt 2: completed"),
    ]


def test_records_carry_ids(runner: cloaca.DefaultRunner, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="cloaca")
    with cloaca.WorkflowBuilder("logged"):
        cloaca.task(id="only")(lambda context: None)
    handle = runner.submit("logged")
    handle.wait(60)
    runner.shutdown()
    run_ids = [getattr(record, "run_id", None) for record in caplog.records]
    assert handle.id in run_ids
    assert all(record.name.startswith("cloaca.") for record in caplog.records)
    assert getattr(caplog.records[-1], "runner_id", None)


def test_records_name_the_events_that_they_tell_of(
    runner: cloaca.DefaultRunner, caplog: pytest.LogCaptureFixture
) -> None:
    """By the words of ``run.events()``, and with the ids of the run."""

    def once(context: cloaca.Context) -> None:
        if not fails:
            return
        fails.pop()
        raise RuntimeError("the first time")

    fails = [True]
    with cloaca.WorkflowBuilder("told"):
        cloaca.task(id="t", retry_attempts=2, retry_delay_ms=0)(once)
    caplog.set_level(logging.DEBUG, "cloaca.engine")
    run = runner.submit("told")
    run.result(60)

    told = [r.event for r in caplog.records if getattr(r, "run_id", "") == run.id]  # type: ignore[attr-defined]  # given as extra
    assert told == [
        "cloaca.run.created",
        "cloaca.run.started",
        "cloaca.task.started",
        "cloaca.task.failed",
        "cloaca.task.started",
        "cloaca.task.completed",
        "cloaca.run.ended",
    ]
    words = [name.removeprefix("cloaca.run.").replace("cloaca.task.", "task_") for name in told]
    assert words == [event.kind for event in run.events()]
