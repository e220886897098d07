"""A datagram socket by which the stores of one file wake one another.

Its file lies in a folder that only this user may enter, so only processes of the same user can send
to it. A message is one byte, and nothing rests on it: the store that receives one looks at the
database, once for all messages of an interval. Sending never waits.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from itertools import islice
from pathlib import Path
from typing import Final

from cloaca_core.logs import SafeLogger
from cloaca_core.store.changes import Change, stronger

log: Final = SafeLogger("cloaca.sqlite")

IS_SUPPORTED: Final = hasattr(socket, "AF_UNIX") and hasattr(os, "geteuid")
"""False on Windows."""
APART_S: Final = 0.01
"""Seconds between two wake-ups: messages that come meanwhile are one, but for moves of runs."""
_MESSAGES: Final = {Change.RUNS: b"r", Change.MOVES: b"m", Change.ANYTHING: b"a"}
_CHANGES: Final = {message: change for change, message in _MESSAGES.items()}
_MOST: Final = 256
"""Messages that are read, and files that are looked at, in one go."""
_FRESH_S: Final = 60.0
"""A file that is younger than this may belong to a socket that is just being bound."""


class Delivery(Enum):
    """The fate of a message."""

    DONE = auto()
    """The socket has it, or has so many that one more makes no difference."""
    DEAD = auto()
    """No process has the socket open any more."""
    FAILED = auto()
    """There is no such file, or this process may not use it."""


class WakeSocket:
    """Belongs to the loop it was made on. ``heard`` is called there when a message has come.
    ``path`` is where others reach it: None until it is bound, and where this system has no place
    for it.
    """

    def __init__(self, heard: Callable[[Change], None]) -> None:
        self.path: str | None = None
        self._heard = heard
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = None
        self._next: asyncio.TimerHandle | None = None
        self._untold: Change | None = None

    def bind(self) -> None:
        """Be reachable: at the path as before if its file is still there, else at a new one."""
        if self.path is not None and Path(self.path).is_socket():
            return
        self.close()
        try:
            self._bind(_own_folder() / os.urandom(8).hex())
        except (OSError, NotImplementedError) as error:  # the latter by a loop that has no readers
            self.close()
            log.info("no wake-ups by a socket, so changes are noticed by polling: %s", error)

    def _bind(self, path: Path) -> None:
        self._socket = _new_socket()
        self._socket.bind(str(path))
        self.path = str(path)
        _BOUND[self.path] = self._socket
        self._loop.add_reader(self._socket, self._read)
        with suppress(OSError):
            _sweep(path)

    def send(self, path: str, change: Change) -> Delivery:
        """Send one message, or find that it cannot be sent."""
        try:
            if self._socket is None:
                self._socket = _new_socket()
            self._socket.sendto(_MESSAGES[change], path)
        except (BlockingIOError, InterruptedError):
            return Delivery.DONE
        except ConnectionRefusedError:
            _remove(path)
            return Delivery.DEAD
        except OSError:
            return Delivery.FAILED
        return Delivery.DONE

    def close(self) -> None:
        """Close the socket and remove its file. It can be bound again."""
        if self._next is not None:
            self._next.cancel()
        self._next = self._untold = None
        if self._socket is not None:
            with suppress(NotImplementedError, ValueError):  # as above, and as in ``_read_again``
                self._loop.remove_reader(self._socket)
            self._socket.close()
        self._socket = None
        if self.path is not None and _BOUND.pop(self.path, None) is not None:
            _remove(self.path)
        self.path = None

    # -- receive -----------------------------------------------------------------------------

    def _read(self) -> None:
        """Read the messages that have arrived. Report moves of runs at once, and other changes if
        none was reported just now.
        """
        assert self._socket is not None
        for change in _received(self._socket):
            if change is Change.MOVES:
                self._heard(change)
            else:
                self._untold = stronger(self._untold, change)
        if self._next is None:
            self._report()

    def _report(self) -> None:
        """Report what is untold, and other changes after a while."""
        self._next = None
        if (change := self._untold) is not None:
            self._untold = None
            self._next = self._loop.call_later(APART_S, self._report)
            self._heard(change)


def _received(own: socket.socket) -> set[Change]:
    """The changes of which messages have arrived; an unknown message may mean anything."""
    changes: set[Change] = set()
    with suppress(OSError):
        for _ in range(_MOST):
            changes.add(_CHANGES.get(own.recv(1), Change.ANYTHING))
    return changes


def _new_socket() -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.setblocking(False)
    return made


# -- files ---------------------------------------------------------------------------------------


def is_in_own_folder(path: str) -> bool:
    """True when only processes of this user can have made a socket at this path."""
    try:
        found = Path(path).parent.lstat()
    except (OSError, ValueError):
        return False
    is_private = stat.S_ISDIR(found.st_mode) and not stat.S_IMODE(found.st_mode) & 0o077
    return is_private and found.st_uid == os.geteuid()


def _own_folder() -> Path:
    """The folder of this user's sockets; made if it is not there."""
    # Not the module tempfile: importing it costs a first result more than opening a database.
    temporary = os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 - a folder of ours in it, for us alone
    folder = Path(temporary) / f"cloaca-{os.geteuid()}"
    folder.mkdir(0o700, exist_ok=True)
    if not is_in_own_folder(str(folder / "any")):
        raise PermissionError(f"{folder} is not a folder that only this user may enter")
    return folder


def _sweep(own: Path) -> None:
    """Remove sockets of processes that were killed."""
    born = own.lstat().st_mtime
    with _new_socket() as probe, os.scandir(own.parent) as entries:
        for entry in islice(entries, _MOST):
            with suppress(OSError):
                age = born - entry.stat(follow_symlinks=False).st_mtime
                if age > _FRESH_S and _is_dead(probe, entry.path):
                    _remove(entry.path)


def _is_dead(probe: socket.socket, path: str) -> bool:
    try:
        probe.connect(path)
    except ConnectionRefusedError:
        return True
    return False


def _remove(path: str) -> None:
    with suppress(OSError):
        if Path(path).is_socket():
            Path(path).unlink()


# -- the end of the process ----------------------------------------------------------------------

_BOUND: Final[dict[str, socket.socket]] = {}
"""The sockets of this process by their path. Each change of it is one atomic operation."""


def _let_go() -> None:
    """Close the sockets in a forked child: they are the parent's, who may die before the child. No
    loop is told, since the parent's may share its list of what it watches.
    """
    for each in list(_BOUND.values()):
        each.close()
    _BOUND.clear()


def _clean_up() -> None:
    """Remove the files of stores that were not closed."""
    for path in list(_BOUND):
        _remove(path)


atexit.register(_clean_up)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
