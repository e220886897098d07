"""One worker process, the pipe to it, and the thread that reads from it."""

from __future__ import annotations

import functools
import multiprocessing
import os
import pickle
import signal
import sys
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, Pipe, wait
from multiprocessing.context import SpawnProcess
from threading import Event, Lock, Thread
from typing import Final, TypeAlias

from cloaca_core.features.executors._process.at_exit import AtExit
from cloaca_core.features.executors._process.worker import (
    NO_MORE,
    TELL,
    TO_ALL,
    Raised,
    Returned,
    process_handle,
    serve,
)

START_SECONDS: Final = 120.0
"""How long a process may take to start. It imports the program's main module, with all of that."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The process has ended. ``exit_code`` is minus the number of the signal that ended it, or None
    if another thread has just taken it.
    """

    exit_code: int | None


Then: TypeAlias = Callable[[Returned | Raised | Lost], None]
"""Receives one answer, or the news that there will be none. Called on the thread that reads."""


class Member:
    """A worker process that runs one call at a time. ``up`` is set when it is up, or cannot be.

    The thread that reads keeps nothing of a call once that is answered: so an executor that is
    dropped can be freed while its workers are idle.
    """

    def __init__(self) -> None:
        self.up = Event()
        self._lock = Lock()
        self._is_over = True
        self._then: Then | None = None
        self._gone: Callable[[], None] | None = None
        self._line: Connection
        self._process: WorkerProcess

    def start(self, then: Then) -> None:
        """Start the process and return. ``then`` is called when it is up, or lost. A process that
        takes too long, as its imports wait for something, is ended.

        Raises ``OSError`` if the system refuses a process, ``RuntimeError`` if it refuses a thread
        and at the interpreter's exit. ``then`` is not called after that.
        """
        if exit_of(os.getpid()).begun:
            raise RuntimeError("the interpreter exits")
        self._line, far_end = Pipe()
        with far_end:
            self._process = WorkerProcess(target=serve, args=(far_end,))
            self._process.start()
        self._then, self._is_over = then, False
        try:
            self._start_reading()
        except RuntimeError:
            self._is_over = True
            self._end_process()
            raise

    def submit(self, packed: bytes, then: Then) -> None:
        """Run a packed call. Raises ``BrokenExecutor`` if the process is dead already."""
        with self._lock:
            # Not is_alive: it says yes while the thread that reads takes the exit code.
            if self._is_over or wait([self._process.sentinel], 0):
                raise BrokenExecutor("the worker process has died")
            self._then = then
        # No lock, and no deadlock: an idle worker reads all of a call before it writes.
        with suppress(OSError):  # it has just died, which the thread that reads will tell
            self._line.send_bytes(packed)

    def kill(self) -> None:
        """End the process, also in the middle of a call."""
        self._process.kill()

    def interrupt(self) -> None:
        """Tell the call that runs to end."""
        self._process.interrupt()

    def end(self, gone: Callable[[], None]) -> None:
        """Let an idle process end; ``gone`` is called when it has, which may be at once."""
        with self._lock:
            is_over, self._gone = self._is_over, gone
        if is_over:
            gone()
        else:
            self.dismiss()

    def dismiss(self) -> None:
        """Let an idle process end. Takes no lock: the garbage collector may call this."""
        with suppress(OSError):
            # Closing the pipe would not do: a process that this one has forked may hold it open.
            self._line.send_bytes(NO_MORE)

    # -- on the thread that reads --------------------------------------------------------------

    def _start_reading(self) -> None:
        # No daemon: the interpreter's exit, which kills the workers, lets it tell of that.
        Thread(target=self._read, name="cloaca worker's answers", daemon=False).start()

    def _read(self) -> None:
        self._tell(self._next(START_SECONDS))
        while not self._is_over:
            self._tell(self._next())

    def _next(self, seconds: float | None = None) -> Returned | Raised | Lost:
        """The next answer, if it comes within this number of seconds; if there will be none, the
        fate of the process.
        """
        with suppress(Exception):  # it has died in the middle of an answer, or no memory is left
            ready = wait([self._line, self._process.sentinel], seconds)
            if self._line in ready or self._line.poll():
                answer: Returned | Raised = pickle.loads(self._line.recv_bytes())  # noqa: S301 - ours
                return answer
        return Lost(self._end_process())

    def _tell(self, answer: Returned | Raised | Lost) -> None:
        with self._lock:
            self._is_over = isinstance(answer, Lost)
            then, self._then = self._then, None
            gone = self._gone
        if then is not None:
            then(answer)
        if self._is_over and gone is not None:
            gone()

    def _end_process(self) -> int | None:
        self._process.kill()  # one that only closed its pipe lives on, and can answer no more
        self._process.join()
        return self._process.exitcode


class WorkerProcess(SpawnProcess):
    """A process that dies alone: Ctrl-C in its terminal does not end it, and no signal meant for
    another process reaches it.

    On Linux a process handle stands for it. The base class uses a pipe: processes that the worker
    forked hold its other end, so that the worker's death would go unnoticed. And by the time of a
    signal, a process id may belong to a later process.
    """

    _handle: int | None = None

    def start(self) -> None:
        """Start the process; it is born with signals blocked, until it handles them by itself."""
        with _interrupts_blocked():
            super().start()
        assert self.pid is not None
        self._open_handle(self.pid)
        if exit_of(os.getpid()).begun:
            self.kill()

    def _open_handle(self, pid: int) -> None:
        self._handle = process_handle(pid)
        if self._handle is not None:
            weakref.finalize(self, os.close, self._handle).atexit = False

    @property
    def sentinel(self) -> int:
        """A file descriptor that is ready when the process has ended."""
        return super().sentinel if self._handle is None else self._handle

    def kill(self) -> None:
        """End the process if it lives."""
        if self._handle is None or sys.platform != "linux":
            super().kill()
            return
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    terminate = kill

    def interrupt(self) -> None:
        """Tell the call that runs to end, where the system has a signal for that."""
        if sys.platform == "win32" or self.pid is None:
            return
        with suppress(ProcessLookupError):
            if self._handle is None or sys.platform != "linux":
                os.kill(self.pid, TELL)
            else:
                signal.pidfd_send_signal(self._handle, TELL)


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Block the signals to all on this thread; a process that it starts inherits that."""
    if sys.platform == "win32":
        yield
        return
    # multiprocessing has it started by the first process, and unblocks signals after that.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*TO_ALL, TELL})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@functools.cache
def exit_of(pid: int) -> AtExit:
    """The exit of the process ``pid``, which is this one: after a fork it is another."""
    return AtExit(pid, _kill_all)


def _kill_all() -> None:
    for process in multiprocessing.active_children():
        if isinstance(process, WorkerProcess):
            process.kill()
