"""Starts workers by forking a process that has imported and defined everything already.

Two thirds of what a worker costs is Python's start and the imports, and the process tests start
some hundred of them. A forked worker is a process like any other: it has a pid and a start time of
its own, and shares nothing that is open with anything. The nursery has one thread and opens
nothing; programs that are started the usual way are what scenarios 24 to 30 are about.

It is Linux's way to wait for several children and a socket at once (``pidfd_open``). Elsewhere
workers are started one by one.
"""

from __future__ import annotations

import gc
import importlib
import json
import multiprocessing.process
import os
import pkgutil
import selectors
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any, Protocol

PYTHON = (sys.executable, "-W", "error", "-X", "utf8")
DIALECTS = {"cloaca_sqlite": "SqliteDialect", "cloaca_postgres": "PostgresDialect"}
IMPORTED = ("resource", "cloaca", "cloaca_core", *DIALECTS)
"""What a worker may need. Packages that it does not need make each fork slower too."""
ASKED = ("sql_package", "wording", "array")
"""What the statements of a backend follow from."""
NOT_IMPORTED = ("cloaca_core.conformance", "cloaca.testing")
"""They bring pytest, which takes long and which no worker needs."""
MOST_BYTES = 150_000
"""Of a request: the environment, most of all."""


class Process(Protocol):
    """The part of ``subprocess.Popen`` that a test uses of a worker's process."""

    pid: int
    stdin: IO[str] | None
    stdout: IO[str] | None
    stderr: IO[str] | None

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def kill(self) -> None: ...


class Nursery:
    """Starts the program of this path, with warnings as errors and texts in UTF-8."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self._forks = _Forks(program) if hasattr(os, "pidfd_open") else None

    def start(self, arguments: list[str], environment: dict[str, str]) -> Process:
        """A process with pipes for its three streams."""
        if self._forks is not None:
            return self._forks.start(arguments, environment)
        return subprocess.Popen(
            [*PYTHON, str(self._program), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env=environment,
        )

    def close(self) -> None:
        """End the nursery; its children have ended before."""
        if self._forks is not None:
            self._forks.close()


# -- on the side of the tests --------------------------------------------------------------------


class _Forks:
    """Talks to the forking process."""

    def __init__(self, program: Path) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [*PYTHON, __file__, str(theirs.fileno()), str(program)],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._pids: Future[int] = Future()
        self._codes: dict[int, Future[int]] = {}
        self._starting = threading.Lock()
        self._ear = threading.Thread(target=self._listen, daemon=True)
        self._ear.start()

    def start(self, arguments: list[str], environment: dict[str, str]) -> Process:
        request = {"arguments": arguments, "environment": environment, "folder": str(Path.cwd())}
        theirs_in, stdin = os.pipe()
        stdout, theirs_out = os.pipe()
        stderr, theirs_err = os.pipe()
        theirs = [theirs_in, theirs_out, theirs_err]
        with self._starting:
            self._pids = Future()
            socket.send_fds(self._socket, [json.dumps(request).encode()], theirs)
            pid = self._pids.result()
        for handle in theirs:
            os.close(handle)
        return _Forked(pid, self._codes[pid], (stdin, stdout, stderr))

    def _listen(self) -> None:
        while answer := self._socket.recv(100):
            pid, _, code = answer.decode().partition(" ")
            if code:
                self._codes[int(pid)].set_result(int(code))
            else:
                self._codes[int(pid)] = Future()
                self._pids.set_result(int(pid))
        gone = AssertionError("the process that starts the workers has ended")
        for each in [self._pids, *self._codes.values()]:
            if not each.done():
                each.set_exception(gone)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)
        self._process.wait()
        self._ear.join()
        self._socket.close()


class _Forked:
    """A child of the nursery."""

    def __init__(self, pid: int, code: Future[int], streams: tuple[int, int, int]) -> None:
        self.pid = pid
        self._code = code
        stdin, stdout, stderr = streams
        self.stdin: IO[str] | None = os.fdopen(stdin, "w", encoding="utf-8")
        self.stdout: IO[str] | None = os.fdopen(stdout, encoding="utf-8")
        self.stderr: IO[str] | None = os.fdopen(stderr, encoding="utf-8")

    def poll(self) -> int | None:
        return self._code.result() if self._code.done() else None

    def wait(self, timeout: float | None = None) -> int:
        return self._code.result(timeout)

    def send_signal(self, sig: int) -> None:
        if not self._code.done():
            with suppress(ProcessLookupError):  # it has ended, and its code is on the way
                os.kill(self.pid, sig)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


# -- the forking process -------------------------------------------------------------------------


def _main() -> None:
    handle, program = int(sys.argv[1]), sys.argv[2]
    code = compile(Path(program).read_text(encoding="utf-8"), program, "exec", dont_inherit=True)
    for name in IMPORTED:
        _import(name)
    for package, dialect in DIALECTS.items():
        _read_statements(package, dialect)
    worker: dict[str, Any] = {"__name__": "worker", "__file__": program}
    exec(code, worker)  # noqa: S102  our own program
    gc.freeze()
    with socket.socket(fileno=handle) as tests:
        request = _Loop(tests).next_birth()
    if request is not None:
        _become(request, program)
        worker["main"]()


def _import(name: str) -> None:
    """Import a module and what it holds, since much of it is imported when first needed only.

    One that needs what is not installed (the other backend, pytest) is of no use to a worker.
    """
    try:
        module = importlib.import_module(name)
    except ImportError:
        return
    for each in pkgutil.iter_modules(getattr(module, "__path__", ()), f"{name}."):
        if each.name not in NOT_IMPORTED:
            _import(each.name)


def _read_statements(package: str, dialect: str) -> None:
    """Read the SQL of a backend that is installed: it is a fifth of what a worker does."""
    module = sys.modules.get(f"{package}.dialect")
    if module is not None:
        from cloaca_core.assembly.sql_store import SqlStore

        kind = getattr(module, dialect)
        store: Any = SqlStore  # of which nothing is asked, so that its database need not be open
        store(SimpleNamespace(**{name: getattr(kind, name) for name in ASKED}, wall=None))


class _Loop:
    """Answers requests, and tells of children that ended."""

    def __init__(self, tests: socket.socket) -> None:
        self._tests = tests
        self._selector = selectors.DefaultSelector()
        self._selector.register(tests, selectors.EVENT_READ)

    def next_birth(self) -> dict[str, Any] | None:
        """Serve until the tests have ended; in a child, return its request at once."""
        while True:
            for key, _ in self._selector.select():
                if key.data is not None:
                    self._bury(key.fd, key.data)
                    continue
                message, handles, _, _ = socket.recv_fds(self._tests, MOST_BYTES, 3)
                if not message:
                    return None
                if self._is_born(handles):
                    return dict(json.loads(message))

    def _is_born(self, handles: list[int]) -> bool:
        """Whether this is the child, whose streams are then these."""
        pid = os.fork()
        if pid == 0:
            for key in list(self._selector.get_map().values()):
                if key.data is not None:
                    os.close(key.fd)
            self._selector.close()
            for stream, handle in enumerate(handles):
                os.dup2(handle, stream)
                os.close(handle)
            return True
        for handle in handles:
            os.close(handle)
        self._tests.send(f"{pid}".encode())
        self._selector.register(os.pidfd_open(pid), selectors.EVENT_READ, pid)
        return False

    def _bury(self, handle: int, pid: int) -> None:
        self._selector.unregister(handle)
        os.close(handle)
        _, status = os.waitpid(pid, 0)
        self._tests.send(f"{pid} {os.waitstatus_to_exitcode(status)}".encode())


def _become(request: dict[str, Any], program: str) -> None:
    """Take on what the new process would have been started with."""
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    vars(multiprocessing.process)["ORIGINAL_DIR"] = request["folder"]  # that of its own workers
    sys.argv = [program, *request["arguments"]]
    if "CLOACA_FAULT" in os.environ:
        importlib.reload(importlib.import_module("cloaca_core.engine.runtime.failpoints"))


if __name__ == "__main__":
    _main()
