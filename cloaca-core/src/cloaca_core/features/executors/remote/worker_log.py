"""The log of a body in a worker: sends each line, if it can, and keeps all for the answer."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cloaca_core.features.executors.remote.line_socket import IS_SUPPORTED, NAME, Sender, SentLines
from cloaca_core.features.task_logs.task_log import PART_BYTES, PART_LINES, Numbered, TaskLog, Told
from cloaca_core.values.payloads.redaction import unchanged

if TYPE_CHECKING:
    from cloaca_core.features.executors.remote.call import RemoteCall

_MOST_UNSENT: Final = 1_000
"""Lines that wait for the socket to take more; beyond that the rest comes with the answer."""
_LONGEST_DETAIL: Final = 4_000
"""Characters of the text of progress that are sent."""


class WorkerLog(TaskLog):
    """Takes the lines of the body, on any of its threads. It knows no secrets. Its runner hides
    those, and also cuts the text of progress: a cut here might leave a part of a secret.
    """

    __slots__ = (
        "_file",
        "_kept_bytes",
        "_kept_first",
        "_kept_last",
        "_kept_told",
        "_lock",
        "_may_send",
        "_sender",
        "_unsent",
    )

    longest_detail = _LONGEST_DETAIL

    def __init__(self, call: RemoteCall) -> None:
        super().__init__(call.log_level, _now, unchanged)
        self._file = call.cancel_file
        self._lock = threading.Lock()
        self._kept_first: list[Numbered] = []
        self._kept_last: deque[Numbered] = deque()
        self._kept_bytes = 0
        self._kept_told: Told | None = None
        self._unsent: list[Numbered] = []
        self._sender: Sender | None = None
        self._may_send = IS_SUPPORTED

    def waits(self) -> None:
        """Send the line that waits, and keep it."""
        with self._lock:
            number, texts, last, told = self.waiting()
            first = list(enumerate(texts, number))
            self._kept_first += first
            for each in last:
                self._keep(each)
            self._kept_told = told or self._kept_told
            if (sender := self._opened()) is not None:
                self._unsent += [*first, *last]
                self._send(sender, told)

    def _opened(self) -> Sender | None:
        """The socket of the runner, from the first line on: most bodies log nothing. None if this
        worker does not see it, or has ended sending.
        """
        if self._may_send and self._sender is None:
            self._sender = _sender_to(Path(self._file).with_name(NAME))
            self._may_send = self._sender is not None
        return self._sender

    def _keep(self, each: Numbered) -> None:
        self._kept_last.append(each)
        self._kept_bytes += len(each[1])
        while self._kept_bytes > PART_BYTES or len(self._kept_last) > PART_LINES:
            self._kept_bytes -= len(self._kept_last.popleft()[1])

    def _send(self, sender: Sender, told: Told | None) -> None:
        try:
            sender.send(Path(self._file).name, SentLines(self._unsent, told))
        except BlockingIOError:
            if len(self._unsent) > _MOST_UNSENT:
                self._end_sending(sender)
        except OSError:
            self._end_sending(sender)
        else:
            self._unsent = []

    def _end_sending(self, sender: Sender) -> None:
        """From now on lines come with the answer only, so that the sent lines have no gap."""
        sender.close()
        self._sender, self._may_send, self._unsent = None, False, []

    def close(self) -> SentLines:
        """Take no more lines. Returns all kept lines."""
        self.closed = True
        with self._lock:
            if self._sender is not None:
                self._end_sending(self._sender)
            return SentLines([*self._kept_first, *self._kept_last], self._kept_told)


def _sender_to(path: Path) -> Sender | None:
    """The socket of the runner; None if this worker does not see it."""
    with suppress(OSError):
        if path.is_socket():
            return Sender(path)
    return None


def _now() -> int:
    return time.time_ns() // 1000
