"""The worker's side: it prepares the process, and runs one packed call after another.

Functions, arguments and answers travel as bytes that are pickled and unpickled here and in
``call``. So one that cannot be pickled or unpickled fails its own call, and not the process.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from traceback import format_exception, format_exception_only
from typing import Final

from cloaca_core.errors import BodyCancelled

TO_ALL: Final = (signal.SIGINT, signal.SIGTERM)
"""Signals that Ctrl-C, or a service manager that stops a program, sends to all its processes. The
main process alone acts on them: its runner may let bodies come to their end.
"""
TELL: Final = signal.SIGINT if sys.platform == "win32" else signal.SIGUSR1
"""Tells the call that runs to end. Windows has no such signal; there it is never sent."""
NO_MORE: Final = b""
"""Comes in the place of a call when there are no more."""


@dataclass(frozen=True, slots=True)
class Returned:
    """The call returned; ``packed`` is its pickled result."""

    packed: bytes


@dataclass(frozen=True, slots=True)
class Raised:
    """The call raised; ``packed`` is the pickled exception, ``traceback`` the text of both."""

    packed: bytes
    traceback: str


def serve(line: Connection) -> None:
    """Prepare the process, say that it is up, and run the calls that come, one after another. Ends
    the process, without a word, if the line breaks: its parent was killed.
    """
    _prepare()
    try:
        _send(line, Returned(b""))
        while (packed := line.recv_bytes()) != NO_MORE:
            _handle_signals()
            _send(line, run(packed))
    except (EOFError, OSError):
        os._exit(1)


def _send(line: Connection, answer: Returned | Raised) -> None:
    line.send_bytes(pickle.dumps(answer, pickle.HIGHEST_PROTOCOL))


def _prepare() -> None:
    """Signals, and the end with the parent."""
    _handle_signals()
    if sys.platform != "win32":
        os.register_at_fork(after_in_child=_reset_signals)
        # Blocked since before the start: see WorkerProcess.start.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {*TO_ALL, TELL})
    threading.Thread(target=_end_with_parent, name="cloaca parent watch", daemon=True).start()


def _handle_signals() -> None:
    """Set the handlers; again before each call, as the one before may have set others."""
    for each in TO_ALL:
        # Not SIG_IGN: a program that a call starts inherits that, and could not be terminated.
        signal.signal(each, _left_to_the_main_process)
    if sys.platform != "win32":
        signal.signal(TELL, _told_to_end)


def _left_to_the_main_process(*_: object) -> None:
    """Do nothing."""


def _reset_signals() -> None:
    """Handle signals as a new program does: this process was forked by a call, which may end it."""
    for each in {*TO_ALL, TELL}:
        signal.signal(each, signal.SIG_DFL)


_running: list[Callable[..., object]] = []
"""The function that runs, if any; on the main thread, as is the handler of signals."""


def _told_to_end(*_: object) -> None:
    """End the call that runs. Without one do nothing: the call that was meant has just ended, and
    the process ends with its parent.
    """
    if _running:
        raise BodyCancelled("the call was told to end")


def _end_with_parent() -> None:
    """End this process as soon as its parent has ended, also in the middle of a call."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    assert parent.pid is not None
    handle = process_handle(parent.pid)
    if handle is not None and os.getppid() == parent.pid:
        wait([handle])
    else:  # no handles here; the parent has ended already; or a launcher stands between
        parent.join()
    os._exit(1)


def process_handle(pid: int) -> int | None:
    """Open a file descriptor that is ready when the process has ended; None if it cannot be had.

    Another process that was forked holds no part of it, as it does of a pipe.
    """
    if sys.platform != "linux":
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:  # no such process, an old kernel, or a sandbox that refuses it
        return None


def run(packed: bytes) -> Returned | Raised:
    """Run one packed call; never raises."""
    try:
        function, args, kwargs = pickle.loads(packed)  # noqa: S301 - written by our own parent
        result = _called(function, args, kwargs)
        return Returned(pickle.dumps(result, pickle.HIGHEST_PROTOCOL))
    except BaseException as error:  # noqa: BLE001 - also SystemExit belongs to the caller
        return Raised(_packed(error), _traceback(error))


def _said(error: BaseException) -> str:
    try:
        return "".join(format_exception_only(error)).strip()
    except Exception:  # noqa: BLE001 - as below
        return object.__repr__(error)


def _traceback(error: BaseException) -> str:
    try:
        return "".join(format_exception(error))
    except Exception:  # noqa: BLE001 - what it shows of the class is code of the user
        return object.__repr__(error)


def _called(
    function: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object]
) -> object:
    _running.append(function)
    try:
        return function(*args, **kwargs)
    finally:
        _running.clear()


def _packed(error: BaseException) -> bytes:
    """Pickle an exception; if that fails, an exception that describes it."""
    try:
        packed = pickle.dumps(error, pickle.HIGHEST_PROTOCOL)
        pickle.loads(packed)  # noqa: S301 - many classes can be pickled and not unpickled
    except BaseException:  # noqa: BLE001 - a class of the user may raise anything here, and exit
        said = _said(error)
        return pickle.dumps(RuntimeError(f"an exception that cannot be pickled: {said}"))
    return packed
