"""Functions that tests of executors have called in worker processes.

They import nothing of the tests, so that workers are quick. A call meets its test at named pipes.
"""

from __future__ import annotations

import multiprocessing.connection
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any, NoReturn


class OddError(Exception):
    """Can be pickled and not unpickled."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


class Unreadable:
    """Can be pickled; raises in each process that unpickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _refuse, ()


def _refuse() -> NoReturn:
    raise LookupError("cannot be read")


def doubled(number: int) -> int:
    return 2 * number


def pid() -> int:
    return os.getpid()


HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


def handlers() -> list[str]:
    return [str(getattr(signal.getsignal(each), "__name__", "none")) for each in HANDLED]


def ignoring() -> None:
    for each in HANDLED:
        signal.signal(each, signal.SIG_IGN)


def unreadable() -> Unreadable:
    return Unreadable()


def failing() -> NoReturn:
    raise KeyError("a key")


def leaving() -> NoReturn:
    raise SystemExit(3)


def failing_oddly() -> NoReturn:
    raise OddError(1, 2)


def exiting(code: int) -> NoReturn:
    os._exit(code)


def telling_pid_and_waiting(pipe: Path, go_on: Path) -> int:
    """Write the process's id to ``pipe``; return it when ``go_on`` is written to."""
    pipe.write_text(str(os.getpid()))
    with go_on.open("rb", buffering=0) as waiting:
        waiting.read(1)
    return os.getpid()


def leaving_a_child(pipe: Path) -> NoReturn:
    """Die, and leave a process that has all open files of the worker."""
    if (child := os.fork()) == 0:
        signal.pause()
    pipe.write_text(str(child))
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def ending_a_program(number: int) -> int:
    """How a program ends that gets this signal, and then would end by itself."""
    program = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    program.send_signal(number)
    program.communicate()
    return program.returncode


def ending_a_fork(number: int) -> int:
    """As ``ending_a_program``, for a process that is forked from the worker."""
    (up, says_up), (may_end, ends) = os.pipe(), os.pipe()
    if (child := os.fork()) == 0:
        os.close(ends)
        os.write(says_up, b".")
        os.read(may_end, 1)
        os._exit(0)
    os.read(up, 1)
    os.kill(child, number)
    os.close(ends)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def closing_its_pipes() -> None:
    """Close all files of the worker, and live on."""
    os.closerange(3, 1_000)
    while True:
        signal.pause()


def dying_in_its_answer() -> bytes:
    """Have the worker die when it has written a half of its answer."""

    def write_half(connection: Any, message: Any) -> None:
        os.write(connection.fileno(), message[: len(message) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    multiprocessing.connection.Connection._send = write_half  # type: ignore[attr-defined]
    return b"x" * 20_000


def leaving_a_thread() -> None:
    """Leave a thread for which the worker's interpreter waits at its exit, for ever."""
    threading.Thread(target=threading.Event().wait).start()
