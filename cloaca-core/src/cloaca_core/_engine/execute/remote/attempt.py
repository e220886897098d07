"""An attempt whose body runs on an executor; a thread of the runner hands it over and waits."""

from __future__ import annotations

import contextvars
import json
import threading
from enum import Enum
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

from cloaca_core._engine.execute.attempt import CURRENT_WORK, Attempt
from cloaca_core._engine.execute.remote.cancel_files import name_of
from cloaca_core._engine.execute.remote.line_socket import LineSocket, SentLines
from cloaca_core._engine.execute.threads import BodyThreads
from cloaca_core._engine.execute.usage import Usage

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import Future

    from cloaca_core._engine.execute.outcome import Outcome
    from cloaca_core._engine.execute.remote.answer import Answer
    from cloaca_core._engine.execute.remote.cancel_files import CancelFiles
    from cloaca_core._engine.execute.work import Work


class Signal(Enum):
    """Wakes the thread that waits for the answer. ``CANCELLED`` has it tell the body to end;
    ``GIVEN_UP`` also has the executor end it, if it can.
    """

    ANSWERED = 0
    CANCELLED = 1
    GIVEN_UP = 2


class Carrier(Protocol):
    """Brings bodies to one executor, and tells what comes back. Called on the threads that wait."""

    @property
    def place(self) -> str:
        """The place of work that runs there."""

    @property
    def cancel_files(self) -> CancelFiles:
        """The files that tell bodies to end."""

    def line_socket(self) -> LineSocket | None:
        """Brings lines of bodies on this host as they are logged; None where that cannot be."""

    def submit(self, attempt: Attempt) -> Future[Answer]:
        """Hand a body over."""

    def interrupt(self, call: Future[Answer]) -> None:
        """Have the executor tell a call to end, if it can."""

    def cancel(self, call: Future[Answer]) -> None:
        """Have the executor end a call, if it can."""

    def not_sent(self, attempt: Attempt, error: BaseException) -> Outcome:
        """The outcome of an attempt that ``submit`` refused."""

    def outcome(self, attempt: Attempt, future: Future[Answer]) -> Outcome:
        """The outcome of an attempt whose call is done."""


class RemoteAttempt(Attempt):
    """Its time counts from when the executor has it. The thread alone talks with the executor: so
    no call of the user's executor holds the engine's loop up.
    """

    __slots__ = ("_carrier", "_newest_line", "_signals", "_taking")

    def __init__(self, carrier: Carrier, /, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.is_async: bool = False  # here; its body may be, there
        self.place: str = carrier.place
        self._carrier = carrier
        self._signals: SimpleQueue[Signal] = SimpleQueue()
        self._taking = threading.Lock()
        self._newest_line = 0

    def run(self) -> None:
        """Hand the body over, and wait for the answer, in a copy of the context variables."""
        self._begin()
        self._come_to(contextvars.copy_context().run(self._outcome))
        self._end()

    def signal(self, signal: Signal) -> None:
        """Tell the thread that waits, if there is one. Any thread may do so."""
        self._signals.put(signal)

    def _outcome(self) -> Outcome:
        CURRENT_WORK.set(self)
        lines = self._carrier.line_socket()
        if lines is not None:
            lines.on(name_of(self), self.take_lines)
        self.clock.pause()
        try:
            future = self._carrier.submit(self)
        except BaseException as error:  # noqa: BLE001 - the executor is the user's
            return self._carrier.not_sent(self, error)
        else:
            self.clock.start()
            self._wait(future)
            self._take_last_lines(future, lines)
            return self._carrier.outcome(self, future)
        finally:
            if lines is not None:
                lines.off(name_of(self))

    def _take_last_lines(self, future: Future[Answer], lines: LineSocket | None) -> None:
        """Take the lines that came with the answer; those of a lost worker came before."""
        if not future.cancelled() and future.exception() is None:
            if (answered := future.result().lines) is not None:
                self.take_lines(SentLines.from_json(json.loads(answered)))
        elif lines is not None:
            lines.sync(name_of(self))

    def take_lines(self, sent: SentLines) -> None:
        """Take lines that the worker has sent: as they were logged, or with the answer again."""
        with self._taking:
            for each in sent.lines:
                if each[0] > self._newest_line:
                    self._newest_line = each[0]
                    self.task_log.put_sent(each)
            if sent.told is not None:
                self.task_log.put_told(sent.told)

    def _wait(self, future: Future[Answer]) -> None:
        future.add_done_callback(lambda _: self._signals.put(Signal.ANSWERED))
        files, told = self._carrier.cancel_files, False
        with files.of(self) as file:
            while (signal := self._signals.get()) is not Signal.ANSWERED:
                files.make(file)
                if signal is Signal.GIVEN_UP:
                    self._carrier.cancel(future)
                elif not told:
                    told = True  # once: it may be cleaning up
                    self._carrier.interrupt(future)


class RemoteThreads(BodyThreads):
    """The threads that wait for the answers of one executor. An abandoned body is not replaced: it
    keeps the executor's worker, and so the slot, until it ends.
    """

    def __init__(self, slots: int, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(slots, loop, replaced=0)

    def usage(self) -> Usage:
        """How the slots are used now."""
        given_up = [work.abandoned for work in list(self.running.values())]
        abandoned = sum(given_up)
        return Usage(self.slots, len(given_up) - abandoned, self.backlog, abandoned)

    def interrupt(self, work: Work) -> None:
        """Tell a body that its run is being cancelled."""
        _signal(work, Signal.CANCELLED)

    def abandon(self, work: Work, *, even_running: bool = True) -> bool:
        """Give work up, and end its body if the executor can; false as for all threads."""
        abandoned = super().abandon(work, even_running=even_running)
        if abandoned:
            _signal(work, Signal.GIVEN_UP)
        return abandoned


def _signal(work: Work, signal: Signal) -> None:
    assert isinstance(work, RemoteAttempt)
    work.signal(signal)
