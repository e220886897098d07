"""One worker process, and the standard library's pool that drives it.

Each pool has a single worker, so a worker that dies breaks no other member and no other call.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import sys
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.queues import SimpleQueue
from threading import Event, Lock
from typing import Any

from cloaca_core.executors._process.at_exit import AtExit
from cloaca_core.executors._process.worker import (
    TELL,
    TO_ALL,
    Raised,
    Returned,
    begin,
    process_handle,
    run,
)


class Member:
    """A worker process that runs one call at a time. ``up`` is set when it is up, or cannot be."""

    def __init__(self) -> None:
        self.up = Event()
        self._ending = Lock()
        self._context = _Context()
        self._pool: ProcessPoolExecutor | None = None

    def start(self, then: Callable[[BaseException | None], None]) -> None:
        """Start the process and return; ``then`` is told that it is up, or why it cannot be.

        Raises ``OSError`` if the system refuses a process, ``RuntimeError`` at the interpreter's
        exit. ``then`` is not called after that.
        """
        exit_of(os.getpid()).add(self)
        self._pool = ProcessPoolExecutor(1, mp_context=self._context, initializer=begin)
        pid = self._pool.submit(os.getpid)
        pid.add_done_callback(functools.partial(self._started, then))

    def _started(self, then: Callable[[BaseException | None], None], pid: Future[int]) -> None:
        self._context.answers.close_writer()
        then(pid.exception())

    def submit(self, packed: bytes) -> Future[Returned | Raised]:
        """Run a packed call. Raises ``BrokenExecutor`` if the process is dead already."""
        process = self._context.process
        if self._pool is None or process is None or not process.is_alive():
            raise BrokenExecutor("the worker process has died")
        return self._pool.submit(run, packed)

    def kill(self) -> None:
        """End the process, whatever it does."""
        if self._context.process is not None:
            self._context.process.kill()

    def interrupt(self) -> None:
        """Tell the call that runs to end."""
        if self._context.process is not None:
            self._context.process.interrupt()

    def end(self) -> None:
        """Let an idle process end, and wait until nothing of this member is left."""
        with self._ending:  # only the first shutdown waits for the pool's thread
            if self._pool is not None:
                self._pool.shutdown(wait=True)

    def keep(self) -> None:
        """Keep the pool until this interpreter's end, as no thread can wait for its own.

        The pool's thread holds a lock while it tidies up after a dead worker, and in Python 3.12
        needs the same lock to free the pool, should it hold the last reference.
        """
        exit_of(os.getpid()).keep(self)

    def exit_code(self) -> int | None:
        """Wait for the end of a broken worker; minus the number of the signal that ended it.

        None if there was no process, or if another thread has just taken its exit code.
        """
        process = self._context.process
        if process is None or process.pid is None:
            return None
        process.kill()  # one that only closed its pipes lives on, and can answer no more
        process.join()
        return process.exitcode


class _Context(SpawnContext):
    """Makes what one pool of one worker needs, and keeps what the member wants to know of."""

    process: WorkerProcess | None = None
    answers: _Answers

    # The standard library declares a class here, and calls it as a function.
    def Process(self, *args: Any, **kwargs: Any) -> SpawnProcess:  # type: ignore[override]  # noqa: N802
        self.process = WorkerProcess(*args, **kwargs)
        return self.process

    def SimpleQueue(self) -> SimpleQueue[Any]:  # noqa: N802 - the standard library's name
        self.answers = _Answers(ctx=self)
        return self.answers


class _Answers(SimpleQueue[Any]):
    """The pipe through which a worker answers."""

    def close_writer(self) -> None:
        """Close this process's own writing end.

        A worker that dies in the middle of a large answer then ends the pool's read of it, which
        would else wait for the rest for ever.
        """
        self._writer.close()  # type: ignore[attr-defined]  # it has no public way to the end


class WorkerProcess(SpawnProcess):
    """A process that dies alone: by no Ctrl-C of its terminal, and by no signal to another.

    On Linux a process handle stands for it. Of a pipe, which the base class uses, processes that
    the worker forked hold the other end, so that its death would go unnoticed; and a process id may
    be that of a later process by the time of a signal.
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
