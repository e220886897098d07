"""Receives log lines of bodies in workers on this host as they are logged, and reports of their
begin.

A worker that sees the runner's folder sends each line to a datagram socket in it. Sending a line
never waits; lines that could not be sent come with the answer, and all others come with it again.
One thread of the runner reads, so no call of a worker holds the engine's loop up.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, Self

from cloaca_core.features.task_logs.task_log import Numbered, Told

if TYPE_CHECKING:
    from types import TracebackType

IS_SUPPORTED: Final = hasattr(socket, "AF_UNIX")
NAME: Final = "lines"
"""The name of the socket in the runner's folder."""
LONGEST: Final = 192 << 10
"""Bytes of a message, which a socket takes at once."""
_SYNC_SECONDS: Final = 1.0
"""How long a thread waits until the lines before its call were read."""


class SentLines(NamedTuple):
    """Lines and progress of one attempt, as a worker sends them."""

    lines: Sequence[Numbered] = ()
    told: Told | None = None

    def to_json(self) -> list[Any]:
        """The form in which they are sent."""
        return [self.lines, self.told]

    @classmethod
    def from_json(cls, found: Sequence[Any]) -> Self:
        """The inverse."""
        lines, told = found
        numbered = [(int(number), str(line)) for number, line in lines]
        return cls(numbered, None if told is None else Told(*told))


class Listener(Protocol):
    """Receives reports about one attempt, on the thread that reads."""

    def take_lines(self, sent: SentLines) -> None:
        """Take lines that its worker has sent."""

    def begun(self, seconds: float) -> None:
        """Its body began this number of seconds ago."""


class LineSocket:
    """The runner's end, at ``path``. ``on`` registers a listener for an attempt, by the name under
    which its worker sends. Any thread may call.
    """

    def __init__(self, path: Path) -> None:
        self.path: Path = path
        self._listeners: dict[str, Listener] = {}
        self._synced: dict[str, threading.Event] = {}
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._closed = False
        try:
            self._socket.bind(str(path))
            threading.Thread(target=self._read, name="cloaca-lines", daemon=True).start()
        except BaseException:
            self._socket.close()
            raise

    def on(self, name: str, listener: Listener) -> None:
        """Tell about this attempt."""
        self._listeners[name] = listener

    def off(self, name: str) -> None:
        """The attempt is over."""
        self._listeners.pop(name, None)

    def sync(self, name: str) -> None:
        """Return when all that was sent before has been taken, or a second later."""
        read = self._synced[name] = threading.Event()
        with suppress(OSError), Sender(self.path, wait=_SYNC_SECONDS) as sender:
            sender.send(name, None)
            read.wait(_SYNC_SECONDS)
        self._synced.pop(name, None)

    def close(self) -> None:
        """End the thread, also if the file of the socket is gone."""
        self._closed = True
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RD)
        with suppress(OSError), Sender(self.path, wait=_SYNC_SECONDS) as sender:
            sender.send("", None)

    def _read(self) -> None:
        """Take messages until the end, or until the socket fails, as when the program closes its
        descriptor: then lines come with the answers alone.
        """
        with suppress(OSError), self._socket:
            while not self._closed:
                message = self._socket.recv(LONGEST + 1)
                with suppress(Exception):  # a message that is none of ours; the next one may be
                    self._take(*json.loads(message))

    def _take(self, name: str, found: Sequence[Any] | float | None) -> None:
        if found is None:
            if (read := self._synced.get(name)) is not None:
                read.set()
        elif (listener := self._listeners.get(name)) is None:
            return
        elif isinstance(found, float):
            listener.begun(found)
        else:
            listener.take_lines(SentLines.from_json(found))


class Sender:
    """The worker's end. With ``wait`` sending waits for this number of seconds, otherwise not at
    all. Raises ``OSError`` if there is no runner's end, or one of another user.
    """

    def __init__(self, path: Path, wait: float = 0.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(wait)
        try:
            # One without a peer can always be written to, as the system says: a wait would spin.
            self._socket.connect(str(path))
        except BaseException:
            self._socket.close()
            raise

    def send(self, name: str, sent: SentLines | float | None) -> None:
        """Send lines, the seconds that the body has run, or (None) a mark that is read after all
        that was sent before. ``OSError`` if that cannot be done at once.
        """
        found = sent.to_json() if isinstance(sent, SentLines) else sent
        message = json.dumps([name, found]).encode()
        if len(message) > LONGEST:
            raise OSError("too long for one message")
        self._socket.send(message)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()
