"""An attempt whose body runs on an executor, and the threads of its slots."""

from __future__ import annotations

import contextvars
import json
import threading
from collections import deque
from enum import Enum
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.engine.execute.current_work import CURRENT_WORK
from cloaca_core.engine.execute.threads import BodyThreads
from cloaca_core.engine.execute.usage import Usage
from cloaca_core.features.executors.kinds import OnStart
from cloaca_core.features.executors.remote.cancel_files import CancelFiles, name_of
from cloaca_core.features.executors.remote.line_socket import LineSocket, SentLines
from cloaca_core.features.task_logs.task_log import TaskLog
from cloaca_core.logs import SafeLogger

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import Future
    from pathlib import Path

    from cloaca_core.engine.execute.attempt import AttemptTools
    from cloaca_core.engine.execute.outcome import Outcome
    from cloaca_core.engine.execute.work import Work
    from cloaca_core.features.executors.remote.answer import Answer
    from cloaca_core.features.executors.remote.carrier import Carrier
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.restore import Resume
    from cloaca_core.values.map_items import Item
    from cloaca_core.values.payloads.json_values import JsonValue

log = SafeLogger("cloaca.engine")


SOON: Final = 0.1
"""Seconds after which it must be known that a body runs which had to wait there."""
LATEST: Final = 10.0
PART: Final = 0.1
"""Of any other body so many seconds, or this part of its time limit, if that is less."""


class Signal(Enum):
    """Asks the body to end; ``GIVEN_UP`` also makes the executor end it, if it can."""

    CANCELLED = 1
    GIVEN_UP = 2


class RemoteAttempt(Attempt):
    """Its time counts from when its body runs, as far as that can be known: it may wait in the
    executor, for a worker that starts or behind calls of others. The loop never talks with the
    executor: so no call of the user's executor holds the engine up.
    """

    __slots__ = (
        "_call",
        "_carrier",
        "_has_begun",
        "_lines",
        "_newest_line",
        "_signals",
        "_slot",
        "_taking",
        "_told",
        "domain",
    )

    def __init__(
        self,
        carrier: Carrier,
        owner: ActiveRun,
        index: int,
        given: dict[str, JsonValue],
        resume: Resume,
        tools: AttemptTools,
        item: Item | None = None,
    ) -> None:
        super().__init__(owner, index, given, resume, tools, item)
        self.is_async: bool = False  # here; its body may be, there
        self.place: str = carrier.place
        self.domain: str = carrier.domain
        self._carrier = carrier
        self._has_begun = True
        self._call: Future[Answer] | None = None
        self._signals: deque[Signal] = deque()
        self._slot: Slot | None = None
        self._told: Path | None = None
        self._lines: LineSocket | None = None
        self._taking = threading.Lock()
        self._newest_line = 0

    def run(self) -> None:
        """Hand the body over and wait for the answer, on this thread."""
        Slot(self).run()

    def send(self, slot: Slot) -> Future[Answer] | None:
        """Hand the body over for ``slot``, in a context of its own; None if it is not taken."""
        self._begin()
        call = contextvars.Context().run(self._submit)
        self._call, self._slot = call, slot
        if self._signals:
            slot.ring(self)
        return call

    def _submit(self) -> Future[Answer] | None:
        CURRENT_WORK.set(self)
        self._lines = self._carrier.line_socket()
        if self._lines is not None:
            self._lines.on(name_of(self), self)
        self.clock.pause()
        try:
            self._has_begun = self._carrier.runs_next()
            return self._carrier.submit(self, OnStart(self.begun, self._told_within()))
        except BaseException as error:  # noqa: BLE001 - the executor is the user's
            self._come_to(self._carrier.not_sent(self, error))
            return None

    def _told_within(self) -> float:
        if not self._has_begun:
            return SOON
        return min(self.timeout * PART, LATEST)

    def begun(self, seconds: float) -> None:
        """Its body began this number of seconds ago."""
        self._has_begun = True
        self.clock.restart(seconds)

    def frees_worker(self) -> bool:
        """Whether its call, which is done, frees a worker for the next attempt at once."""
        return self._call is not None and self._carrier.frees_worker(self._call)

    def conclude(self) -> None:
        """Come to the outcome of the call, which is done."""
        self.clock.pause()
        if self._told is not None:
            CancelFiles.remove(self._told)
        if self._call is not None:
            self._take_last_lines(self._call)
            self._come_to(contextvars.Context().run(self._outcome, self._call))
            # Dask runs a call again whose answer is lost with its worker, as long as any object has
            # its future. That leads back here, so it would stay until garbage is collected.
            self._call = None
        if self._lines is not None:
            self._lines.off(name_of(self))
        self._end()

    def _outcome(self, call: Future[Answer]) -> Outcome:
        CURRENT_WORK.set(self)
        return self._carrier.outcome(self, call, has_begun=self._has_begun)

    def _take_last_lines(self, call: Future[Answer]) -> None:
        """Take the lines that came with the answer. Lines of a lost worker came before."""
        if not call.cancelled() and call.exception() is None:
            if (answered := call.result().lines) is not None:
                self.take_lines(SentLines.from_json(json.loads(answered)))
        elif self._lines is not None:
            self._lines.sync(name_of(self))

    def take_lines(self, sent: SentLines) -> None:
        """Take lines that the worker has sent: as they were logged, or with the answer again."""
        log = self.task_log
        if not isinstance(log, TaskLog):  # that of another feature
            return
        with self._taking:
            for each in sent.lines:
                if each[0] > self._newest_line:
                    self._newest_line = each[0]
                    log.put_sent(each)
            if sent.told is not None:
                log.put_told(sent.told)

    def signal(self, signal: Signal) -> None:
        """Let the thread of its slot act on this, once the executor has it. Any thread may call
        it.
        """
        self._signals.append(signal)
        if (slot := self._slot) is not None:
            slot.ring(self)

    def act_on_signals(self) -> None:
        """On the thread of its slot."""
        while self._signals and (call := self._call) is not None and not call.done():
            is_first = self._told is None
            file = self._told = self._carrier.cancel_files.path(self)
            CancelFiles.make(file)
            try:
                if self._signals.popleft() is Signal.GIVEN_UP:
                    self._carrier.cancel(call)
                elif is_first:  # once: it may be cleaning up
                    self._carrier.interrupt(call)
            except Exception:
                log.exception("%s: its executor could not end it", self, extra=self.log_ids())
            if call.done():  # and ``conclude`` may be over
                CancelFiles.remove(file)


class Slot:
    """Its thread sends an attempt and waits. If an answer arrives on a thread of ours, that thread
    sends the next attempt at once, before it reads the answer: the worker waits for it. So attempts
    of ``followers`` follow one another without a switch to the slot's thread, which only acts on
    signals.
    """

    def __init__(self, attempt: RemoteAttempt, followers: RemoteThreads | None = None) -> None:
        self._attempt = attempt
        self._followers = followers
        self._thread = threading.get_ident()
        self._bell: SimpleQueue[RemoteAttempt | None] = SimpleQueue()

    def run(self) -> RemoteAttempt:
        """Run on this thread until no attempt follows at once; the last of them."""
        self._send()
        while (attempt := self._bell.get()) is not None:
            attempt.act_on_signals()
        _conclude(self._attempt)
        return self._attempt

    def ring(self, attempt: RemoteAttempt | None) -> None:
        """Wake the thread: there are signals to an attempt, or none follows. Any thread may."""
        self._bell.put(attempt)

    def _send(self) -> None:
        try:
            call = self._attempt.send(self)
        except BaseException as error:  # noqa: BLE001 - any error would cost a slot
            self._attempt.broke(error)
            call = None
        if call is None:
            self.ring(None)
        else:
            call.add_done_callback(self._answered)

    def _answered(self, _: Future[Answer]) -> None:
        done, followers = self._attempt, self._followers
        if (
            followers is None
            or not done.frees_worker()
            or (following := followers.follow(self._thread, done)) is None
        ):
            self.ring(None)
            return
        self._attempt = following
        self._send()
        _conclude(done)
        followers.report(done)


def _conclude(attempt: RemoteAttempt) -> None:
    try:
        attempt.conclude()
    except BaseException as error:  # noqa: BLE001 - any error would cost a slot
        attempt.broke(error)


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
        _remote(work).signal(Signal.CANCELLED)

    def abandon(self, work: Work, *, even_running: bool = True) -> bool:
        """Give work up, and end its body if the executor can; false as for all threads."""
        abandoned = super().abandon(work, even_running=even_running)
        if abandoned:
            _remote(work).signal(Signal.GIVEN_UP)
        return abandoned

    def _run(self, work: Work) -> Work:
        return Slot(_remote(work), self).run()

    def count_from_now(self) -> None:
        """Have the time of all bodies count that are not known to run: nothing will tell that they
        do. Any thread.
        """
        for work in list(self.running.values()):
            work.clock.start()

    # -- on the thread on which an answer comes ------------------------------------------------

    def follow(self, thread: int, done: RemoteAttempt) -> RemoteAttempt | None:
        """Begin the attempt that gets the slot of this thread after a finished one. None if the
        thread must look itself.
        """
        if self._has_run(done) or self._dismissals or (work := self._next_now()) is None:
            return None
        self.running[thread] = work
        return _remote(work)

    def report(self, done: RemoteAttempt) -> None:
        """Tell the loop that it has run."""
        self._reports.put(done)


def _remote(work: Work) -> RemoteAttempt:
    assert isinstance(work, RemoteAttempt)
    return work
