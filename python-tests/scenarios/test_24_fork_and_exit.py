"""24: programs that fork, forget and fall over: no hang, no noise, no harm to what is stored."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

import cloaca

pytestmark = pytest.mark.each_backend

WAIT = 60
PRELUDE = """
import asyncio, os, sys, threading, warnings
import cloaca
inside = threading.Event()
with cloaca.WorkflowBuilder("quick"):
    cloaca.task(id="only")(lambda context: {"ran": True})
with cloaca.WorkflowBuilder("endless"):
    @cloaca.task
    def only(context):
        inside.set()
        threading.Event().wait()
with cloaca.WorkflowBuilder("endless_async"):
    @cloaca.task
    async def only(context):
        inside.set()
        await asyncio.Event().wait()
"""


def ends_well(program: str, database_url: str, *, code: int = 0, output: str = "") -> None:
    """The program ends by itself with this exit code, and says nothing that it was not told to."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PRELUDE + program, database_url],
        capture_output=True,
        text=True,
        timeout=2 * WAIT,
        stdin=subprocess.DEVNULL,
    )
    assert (done.stderr, done.stdout, done.returncode) == ("", output, code)


def stored(database_url: str) -> list[str]:
    """The states of the runs, read by another runner that has opened the database."""
    with cloaca.DefaultRunner(database_url, registry=cloaca.Registry()) as runner:
        return [run.status for run in runner.list_runs()]


OPEN = """
cloaca.DefaultRunner(sys.argv[1]).execute("quick")  # no variable holds it
runners = [cloaca.DefaultRunner(sys.argv[1]) for _ in range(3)]
[runner.execute("quick") for runner in runners]
"""
BUSY = """
runner = cloaca.DefaultRunner(sys.argv[1])
for name in ("endless", "endless_async"):
    inside.clear()
    runner.submit(name)
    inside.wait(60)
inside.clear()
threading.Thread(target=runner.execute, args=("endless",), daemon=True).start()
inside.wait(60)
"""
ASYNC = """
runner = cloaca.AsyncRunner(sys.argv[1])
async def main():
    await runner.__aenter__()
    await runner.execute("quick")
asyncio.run(main())
"""
AT_EXIT = """
import atexit
runner = cloaca.DefaultRunner(sys.argv[1])
atexit.register(runner.shutdown)
runner.execute("quick")
"""


@pytest.mark.parametrize("program", [OPEN, BUSY, ASYNC, AT_EXIT])
def test_a_forgotten_runner_never_holds_the_interpreter(program: str, database_url: str) -> None:
    ends_well(program, database_url)
    assert stored(database_url)[0] in {"Completed", "Running", "Pending"}


def test_a_signal_handler_may_shut_down_whatever_it_interrupts(database_url: str) -> None:
    program = """
import signal
runner = cloaca.DefaultRunner(sys.argv[1])
signal.signal(signal.SIGTERM, lambda *_: runner.shutdown())
threading.Timer(0.05, os.kill, [os.getpid(), signal.SIGTERM]).start()
try:
    while True:
        runner.submit("quick")
except cloaca.RunnerClosedError:
    print("closed")
"""
    ends_well(program, database_url, output="closed\n")


def test_sys_exit_keeps_its_code(database_url: str) -> None:
    program = (
        "runner = cloaca.DefaultRunner(sys.argv[1])\n"
        "runner.submit('endless')\ninside.wait(60)\nsys.exit(7)\n"
    )
    ends_well(program, database_url, code=7)


def test_what_a_forgotten_runner_had_is_finished_by_the_next_program(database_url: str) -> None:
    ends_well(
        "runner = cloaca.DefaultRunner(sys.argv[1])\n"
        "runner.submit('endless', idempotency_key='k')\ninside.wait(60)\n",
        database_url,
    )
    with cloaca.WorkflowBuilder("endless"):
        cloaca.task(id="only")(lambda context: {"finished": True})
    with cloaca.DefaultRunner(database_url) as runner:
        (run,) = runner.list_runs()
        result = runner.get_run(run.id).result(WAIT)
        assert result.final_context.to_dict() == {"finished": True}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_runner_in_a_forked_child_raises_and_the_parents_goes_on(database_url: str) -> None:
    program = """
warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of any fork with threads
runner = cloaca.DefaultRunner(sys.argv[1])
handle = runner.submit("quick")
handle.wait()
pid = os.fork()
if pid == 0:
    calls = [
        lambda: runner.execute("quick"), lambda: runner.submit("quick"),
        lambda: runner.submit_many("quick", [None]), runner.list_runs, runner.health,
        lambda: runner.get_run(handle.id), runner.start, runner.stop, runner.shutdown,
        handle.status, handle.result, handle.wait, handle.tasks, handle.events,
    ]
    for number, call in enumerate(calls):
        try:
            call()
        except cloaca.RunnerUsageError as error:
            assert "open a runner of its own" in str(error)
        else:
            os._exit(100 + number)
    os._exit(0)
_, status = os.waitpid(pid, 0)
print("child", os.waitstatus_to_exitcode(status))
print("parent", runner.execute("quick").status)
runner.shutdown()
"""
    ends_well(program, database_url, output="child 0\nparent Completed\n")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_forked_child_can_open_another_database(new_database_url: Callable[[], str]) -> None:
    program = f"""
warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of any fork with threads
runner = cloaca.DefaultRunner(sys.argv[1])
pid = os.fork()
if pid == 0:
    with cloaca.DefaultRunner({new_database_url()!r}) as own:
        status = own.execute("quick").status
    os._exit(0 if status == "Completed" else 1)
_, status = os.waitpid(pid, 0)
print("child", os.waitstatus_to_exitcode(status))
print("parent", runner.execute("quick").status)
runner.shutdown()
"""
    ends_well(program, new_database_url(), output="child 0\nparent Completed\n")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_child_that_a_body_has_forked_submits_runs_of_its_own(
    new_database_url: Callable[[], str],
) -> None:
    program = f"""
warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of any fork with threads
with cloaca.WorkflowBuilder("forks"):
    @cloaca.task(retry_attempts=1)
    def only(context):
        pid = os.fork()
        if pid == 0:
            with cloaca.Client({new_database_url()!r}) as own:
                own.submit("quick")
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        return {{"child": os.waitstatus_to_exitcode(status)}}
with cloaca.DefaultRunner(sys.argv[1]) as runner:
    print("child", runner.execute("forks").final_context["child"])
"""
    ends_well(program, new_database_url(), output="child 0\n")


FORKING = """
warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of any fork with threads
def in_a_child(function):
    pid = os.fork()
    if pid == 0:
        try:
            function()
        except cloaca.StoreOpenError as error:
            assert "forked" in str(error) and "'spawn'" in str(error)
            assert sys.argv[1].endswith(error.database)
            os._exit(3)
        os._exit(0)
    return {0: "opened", 3: "refused"}[os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])]
def open_own():
    with cloaca.DefaultRunner(sys.argv[1]) as own:
        for _ in range(3):
            assert own.execute("quick").status == "Completed"
"""
OPEN_AT_THE_FORK = """
runner = cloaca.DefaultRunner(sys.argv[1])
runner.execute("quick")
print(in_a_child(open_own))
runner.execute("quick")
runner.shutdown()
"""
OPENED_BY_THE_GRANDPARENT = """
runner = cloaca.DefaultRunner(sys.argv[1])
runner.execute("quick")
print(in_a_child(lambda: os._exit(3 if in_a_child(open_own) == "refused" else 1)))
runner.execute("quick")
runner.shutdown()
"""
LEAKED = """
cloaca.DefaultRunner(sys.argv[1]).execute("quick")  # no variable holds it
print(in_a_child(open_own))
cloaca.DefaultRunner(sys.argv[1]).execute("quick")
"""
OPENED_BY_A_WORKER = """
import multiprocessing
def work(said):
    try:
        open_own()
    except cloaca.StoreOpenError:
        said.put("refused")
    else:
        said.put("opened")
with cloaca.DefaultRunner(sys.argv[1]) as runner:
    runner.execute("quick")
    fork = multiprocessing.get_context("fork")
    said = fork.SimpleQueue()
    worker = fork.Process(target=work, args=(said,))
    worker.start()
    print(said.get())
    worker.join()
    runner.execute("quick")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.backend("sqlite", reason="it is SQLite that keeps its locks for the process")
@pytest.mark.parametrize(
    "program", [OPEN_AT_THE_FORK, OPENED_BY_THE_GRANDPARENT, LEAKED, OPENED_BY_A_WORKER]
)
def test_a_file_that_was_open_at_the_fork_is_refused_in_the_child(
    program: str, database_url: str
) -> None:
    ends_well(FORKING + program, database_url, output="refused\n")
    assert stored(database_url) == ["Completed"] * 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.backend("sqlite", reason="it is SQLite that keeps its locks for the process")
def test_a_file_that_was_closed_before_the_fork_is_opened_in_the_child(database_url: str) -> None:
    program = """
open_own()
print(in_a_child(open_own))
open_own()
"""
    ends_well(FORKING + program, database_url, output="opened\n")
    assert stored(database_url) == ["Completed"] * 9


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.backend("sqlite", reason="it is SQLite that keeps its locks for the process")
def test_a_database_in_memory_is_each_processs_own() -> None:
    program = """
with cloaca.DefaultRunner(sys.argv[1]) as runner:
    runner.execute("quick")
    print(in_a_child(open_own))
"""
    ends_well(FORKING + program, ":memory:", output="opened\n")


def test_ctrl_c_ends_the_wait_and_not_the_run(database_url: str) -> None:
    program = """
import signal
runner = cloaca.DefaultRunner(sys.argv[1])
go_on = threading.Event()
with cloaca.WorkflowBuilder("held"):
    @cloaca.task
    def only(context):
        os.kill(os.getpid(), signal.SIGINT)
        return {"went on": go_on.wait(60)}
try:
    runner.execute("held")
except KeyboardInterrupt:
    print("interrupted")
(run,) = runner.list_runs()
print(run.status)
go_on.set()
print(runner.get_run(run.id).result(60).final_context.to_dict())
runner.shutdown()
"""
    output = "interrupted\nRunning\n{'went on': True}\n"
    ends_well(program, database_url, output=output)


def test_ctrl_c_that_leaves_the_block_says_what_is_waited_for(database_url: str) -> None:
    """The body ends when that is said, so it is said before the wait."""
    program = """
import logging, signal
go_on = threading.Event()
with cloaca.WorkflowBuilder("held"):
    @cloaca.task
    def only(context):
        inside.set()
        go_on.wait(60)
class Told(logging.Handler):
    def emit(self, record):
        print(record.getMessage().replace(handle.id, "ID"))
        go_on.set()
logging.getLogger("cloaca").addHandler(Told(logging.WARNING))
try:
    with cloaca.DefaultRunner(sys.argv[1]) as runner:
        handle = runner.submit("held")
        inside.wait(60)
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait(60)
except KeyboardInterrupt:
    print("interrupted")
"""
    output = (
        "shutdown waits up to 30 s for task only of run ID; Ctrl-C ends the wait\ninterrupted\n"
    )
    ends_well(program, database_url, output=output)
    assert stored(database_url) == ["Completed"]


FORKING_BODY = """
warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of any fork with threads
def come_back(how):
    pid = os.fork()
    if pid == 0:
        return how()
    return {"status": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}
def refuse():
    raise ValueError("in the child")
with cloaca.WorkflowBuilder("forks"):
    cloaca.task(id="returns")(lambda context: come_back(lambda: None))
with cloaca.WorkflowBuilder("forks_and_raises"):
    cloaca.task(id="raises")(lambda context: come_back(refuse))
with cloaca.WorkflowBuilder("forks_and_exits"):
    cloaca.task(id="exits")(lambda context: come_back(lambda: sys.exit(7)))
with cloaca.WorkflowBuilder("forks_async"):
    @cloaca.task
    async def returns(context):
        return come_back(lambda: None)
with cloaca.DefaultRunner(sys.argv[1]) as runner:
    for name in ("forks", "forks_and_raises", "forks_and_exits", "forks_async"):
        print(name, runner.execute(name, timeout=60).final_context.to_dict())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_body_that_comes_back_in_a_forked_child_ends_that_child(database_url: str) -> None:
    output = (
        "forks {'status': 0}\nforks_and_raises {'status': 1}\n"
        "forks_and_exits {'status': 7}\nforks_async {'status': 0}\n"
    )
    ends_well(FORKING_BODY, database_url, output=output)
    assert stored(database_url) == ["Completed"] * 4


CROWD = """
sys.setswitchinterval(1e-6)
with cloaca.WorkflowBuilder("parent"):
    @cloaca.task
    def only(context):
        for _ in range(4):
            runner.execute("quick")
settings = cloaca.DefaultRunnerConfig(max_concurrent_tasks=300)
runner = cloaca.DefaultRunner.with_config(sys.argv[1], settings)
runs = [runner.submit("parent") for _ in range(300)]
print(*{run.result(timeout=60).status for run in runs})
runner.shutdown()
"""


def test_hundreds_of_bodies_that_wait_for_other_runs_lose_no_record(database_url: str) -> None:
    """Threads are switched at nearly every moment, so that they meet the engine's loop anywhere."""
    ends_well(CROWD, database_url, output="Completed\n")
