"""Programs that use the process executor and exit, die, fork or cannot be imported by a worker."""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from pathlib import Path

import pytest
from unit import calls_for_workers as calls

from cloaca_core.features.executors.process import ProcessExecutor

pytestmark = pytest.mark.backend("sqlite", reason="the executor knows no database")

WAIT = 60
PRELUDE = """
import atexit, os, signal, sys, threading, time, warnings
from cloaca_core.features.executors.process import ProcessExecutor, process

def pid():
    return os.getpid()

def endless(told=None):
    if told is not None:
        with open(told, "w") as pipe:
            pipe.write(str(os.getpid()))
    while True:
        signal.pause()

def leaving_a_thread():
    threading.Thread(target=threading.Event().wait).start()
"""


def ended(folder: Path, program: str, *args: object) -> tuple[int, str, str]:
    """The exit code, stdout and stderr of a program that has come to its end."""
    path = folder / "program.py"
    path.write_text(PRELUDE + program)
    done = subprocess.run(
        [sys.executable, "-W", "error", path, *map(str, args)],
        capture_output=True,
        text=True,
        timeout=WAIT,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode, done.stdout, done.stderr


@contextmanager
def handle_of(pid: int) -> Iterator[int]:
    """A file descriptor that is ready when the process has ended."""
    handle = os.pidfd_open(pid)
    try:
        yield handle
    finally:
        os.close(handle)


def ends(handle: int) -> bool:
    return bool(select.select([handle], [], [], WAIT)[0])


# -- the interpreter's exit ----------------------------------------------------------------------

AT_EXIT = "executor.submit(pid).result(); atexit.register(executor.shutdown)"
IDLE = "executor.submit(pid).result()"
BUSY = "executor.submit(endless)"
QUEUED = "[executor.submit(endless) for _ in range(5)]"
SHUT = "executor.submit(endless); executor.shutdown(wait=False)"
SHUT_AND_FORGOTTEN = "executor.submit(endless); executor.shutdown(wait=False); del executor"
UNNAMED = "ProcessExecutor(1).submit(endless)"
NEVER_ENDS = "executor.submit(leaving_a_thread).result(); executor.shutdown(wait=False)"
STARTING = "threading.Thread(target=executor.submit, args=(endless,)).start()"


@pytest.mark.parametrize(
    "use", [AT_EXIT, IDLE, BUSY, QUEUED, SHUT, SHUT_AND_FORGOTTEN, UNNAMED, NEVER_ENDS, STARTING]
)
def test_a_forgotten_executor_never_holds_the_interpreter(tmp_path: Path, use: str) -> None:
    program = f"""
if __name__ == "__main__":
    executor = ProcessExecutor(2)
    {use}
    sys.exit(7)
"""

    assert ended(tmp_path, program) == (7, "", "")


def test_a_call_that_runs_at_the_exit_is_lost_for_those_that_wait_for_it(tmp_path: Path) -> None:
    program = """
def wait(*futures):
    print([type(future.exception()).__name__ for future in futures])

if __name__ == "__main__":
    executor = ProcessExecutor(1)
    runs, waits = executor.submit(endless), executor.submit(endless)
    threading.Thread(target=wait, args=(runs, waits)).start()
"""

    assert ended(tmp_path, program) == (0, "['WorkerLost', 'WorkerLost']\n", "")


# -- the death of the parent ---------------------------------------------------------------------


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    """Also if a process lives that the parent had forked: it has all pipes to the workers."""
    program = """
if __name__ == "__main__":
    executor = ProcessExecutor(2)
    idle = executor.submit(pid).result()
    executor.submit(endless, sys.argv[1])
    executor.submit(pid).result()
    warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of any fork with threads
    if (sibling := os.fork()) == 0:
        signal.pause()
    print(idle, sibling, flush=True)
    signal.pause()
"""
    path = tmp_path / "program.py"
    path.write_text(PRELUDE + program)
    told = tmp_path / "told"
    os.mkfifo(told)
    with subprocess.Popen(
        [sys.executable, path, told], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        busy = int(told.read_text())
        idle, sibling = map(int, parent.stdout.readline().split())
        with handle_of(busy) as one, handle_of(idle) as other:
            parent.kill()
            try:
                assert ends(one)
                assert ends(other)
            finally:
                os.kill(sibling, signal.SIGKILL)


# -- forks ---------------------------------------------------------------------------------------


def test_a_forked_child_is_refused_and_its_exit_leaves_the_parents_workers(
    tmp_path: Path,
) -> None:
    program = """
if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of any fork with threads
    executor = ProcessExecutor(1)
    call = executor.submit(endless, sys.argv[1])
    with open(sys.argv[1]) as told:
        before = int(told.read())
    if (child := os.fork()) == 0:
        try:
            executor.submit(pid)
        except RuntimeError as error:
            print(error, call.cancel(), flush=True)
        threading._shutdown()  # as at its exit; multiprocessing's own hook would join our workers
        os._exit(0)
    print(os.waitpid(child, 0)[1], call.running())
    os.kill(before, signal.SIGHUP)  # if it lives; else its exit code tells how it has died
    print(call.exception().exit_code)
    executor.shutdown()
"""

    told = tmp_path / "told"
    os.mkfifo(told)
    code, out, err = ended(tmp_path, program, told)

    assert (code, err) == (0, "")
    assert out.startswith("this executor was made by another process (a fork parent)")
    assert out.endswith("each process False\n0 True\n-1\n")


# -- workers that cannot start -------------------------------------------------------------------


def test_a_main_module_that_starts_its_work_when_it_is_imported_is_told_so(tmp_path: Path) -> None:
    code, out, err = ended(
        tmp_path,
        'executor = process(1)()\nprint("once")\nprint(executor.submit(pid).exception())\n',
    )

    assert code == 0
    assert out.startswith("once\n")
    assert out.splitlines()[-1].startswith(
        "the worker process ended (exit code 1) while it started"
    )
    assert "__main__" in out
    assert out.count("exit code") == 1
    assert "bootstrapping" in err


def test_each_call_fails_once_where_workers_cannot_import_the_main_module(tmp_path: Path) -> None:
    program = """
if __name__ != "__main__":
    raise ImportError("not here")
executor = ProcessExecutor(2)
futures = [executor.submit(pid) for _ in range(4)]
print([type(future.exception()).__name__ for future in futures])
executor.shutdown()
"""
    code, out, err = ended(tmp_path, program)

    assert (code, out) == (0, f"{['WorkerLost'] * 4}\n")
    assert err.count("ImportError: not here") == 4


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_a_signal_to_all_processes_ends_no_worker_that_is_starting(
    tmp_path: Path, number: str
) -> None:
    program = f"""
if __name__ == "__mp_main__":
    os.kill(os.getpid(), signal.{number})
else:
    with ProcessExecutor(1) as executor:
        print(executor.submit(os.getpid).result() != os.getpid())
"""

    assert ended(tmp_path, program) == (0, "True\n", "")


def test_the_signals_of_the_main_module_are_not_those_of_workers(tmp_path: Path) -> None:
    program = """
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
if __name__ == "__main__":
    with ProcessExecutor(1) as executor:
        print(executor.submit(signal.raise_signal, signal.SIGUSR1).exception())
"""

    code, out, _ = ended(tmp_path, program)

    assert (code, out) == (0, "the call was told to end\n")


# -- many cancels --------------------------------------------------------------------------------


def test_calls_and_cancels_at_once_mix_up_no_answers() -> None:
    """Each call has its own answer or is cancelled, whoever was first; no worker is left over."""

    def use(executor: ProcessExecutor, chance: random.Random) -> None:
        for _ in range(40):
            number = chance.randrange(1_000_000)
            future = executor.submit(calls.doubled, number)
            if chance.random() < 0.5:
                cancel(future, chance.random() * 0.001)
            try:
                assert future.result(WAIT) == 2 * number
            except CancelledError:
                cancelled.append(number)
            done.append(number)

    def cancel(future: Future[int], delay: float) -> None:
        timer = threading.Timer(delay, future.cancel)
        timers.append(timer)
        timer.start()

    cancelled: list[int] = []
    done: list[int] = []
    timers: list[threading.Timer] = []
    with ProcessExecutor(2) as executor:
        users = [
            threading.Thread(target=use, args=(executor, random.Random(seed)))  # noqa: S311 - times
            for seed in range(3)
        ]
        for user in users:
            user.start()
        for thread in (*users, *timers):
            thread.join()

    assert len(done) == 3 * 40
    assert 0 < len(cancelled) < 3 * 40


# -- main modules that workers cannot import -----------------------------------------------------

OF_THE_MAIN_MODULE = """
import cloaca

with cloaca.WorkflowBuilder("w"):
    @cloaca.task(executor="cpu")
    def crunch(context):
        pass

if __name__ == "__main__":
    try:
        cloaca.DefaultRunner(":memory:", executors={"cpu": cloaca.executors.process(workers=1)})
    except cloaca.ConfigError as error:
        print(error)
"""


@pytest.mark.parametrize("way", ["-c", "-", "-m"])
def test_tasks_of_a_main_module_that_no_worker_can_import_are_refused_at_once(
    tmp_path: Path, way: str
) -> None:
    """A worker that is spawned imports a script, or a module that ``-m`` names; no others."""
    (tmp_path / "tool").mkdir()
    (tmp_path / "tool" / "__main__.py").write_text(OF_THE_MAIN_MODULE)
    given = {"-c": [OF_THE_MAIN_MODULE], "-": [], "-m": ["tool"]}[way]
    done = subprocess.run(
        [sys.executable, way, *given],
        input=OF_THE_MAIN_MODULE if way == "-" else "",
        capture_output=True,
        text=True,
        timeout=WAIT,
        cwd=tmp_path,
    )

    assert done.stdout.startswith("task 'crunch' cannot run on executor 'cpu'"), done.stderr
    assert "by_value" in done.stdout
