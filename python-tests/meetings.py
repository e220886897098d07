"""Lets two threads meet at every line: one stands still there until the other has passed.

Chance finds such a meeting rarely. Here each is provoked once: a scene is made anew for each line
of the thread that is held, so a race that needs one change of threads is found, and found again.
"""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import SimpleQueue
from types import FrameType
from typing import Any, Final, NamedTuple

PATIENCE: Final = 20.0
"""Seconds after which a thread has certainly hung up."""
MOST: Final = 500
"""Lines of the held function at most."""


class Scene(NamedTuple):
    """``held`` stands still at a line while ``passes`` runs; ``check`` judges what came of it."""

    held: Callable[[], object]
    passes: Callable[[], object]
    check: Callable[[], object]


class Meeting:
    """One meeting: at the line of this number of ``held``, in files that ``where`` names."""

    def __init__(self, number: int, where: tuple[str, ...]) -> None:
        self._left = number
        self._where = where
        self._told: SimpleQueue[str] = SimpleQueue()
        self._may_go = threading.Event()
        self._errors: list[BaseException] = []
        self.place: str | None = None

    def lock(self) -> Any:
        """A lock that tells when a thread has to wait for it."""
        return _ToldLock(self)

    def waits(self) -> None:
        """The thread that passes cannot go on by itself."""
        self._told.put("waits")

    def play(self, scene: Scene) -> bool:
        """Let the threads meet; False if ``held`` has fewer lines."""
        held = threading.Thread(target=self._hold, args=(scene.held,), daemon=True)
        passes = threading.Thread(target=self._run, args=(scene.passes,), daemon=True)
        held.start()
        self._told.get(timeout=PATIENCE)
        passes.start()
        self._told.get(timeout=PATIENCE)
        self._may_go.set()
        for each in (held, passes):
            each.join(PATIENCE)
            assert not each.is_alive(), f"a thread never ends, met at {self.place}"
        try:
            for error in self._errors:
                raise error
            scene.check()
        except Exception as error:
            raise AssertionError(f"a thread stood still at {self.place}: {error!r}") from error
        return self.place is not None

    def _hold(self, function: Callable[[], object]) -> None:
        sys.settrace(self._trace)
        try:
            self._run(function)
        finally:
            sys.settrace(None)

    def _run(self, function: Callable[[], object]) -> None:
        try:
            function()
        except BaseException as error:
            self._errors.append(error)
        self._told.put("over")

    def _trace(self, frame: FrameType, _: str, __: object) -> Any:
        return self._line if frame.f_code.co_filename.endswith(self._where) else None

    def _line(self, frame: FrameType, event: str, _: object) -> Any:
        if event == "line" and self.place is None:
            self._left -= 1
            if self._left < 0:
                self.place = f"{frame.f_code.co_qualname}, line {frame.f_lineno}"
                self._told.put("stands")
                self._may_go.wait(PATIENCE)
        return self._line


class _ToldLock:
    def __init__(self, meeting: Meeting) -> None:
        self._lock = threading.Lock()
        self._meeting = meeting

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            self._meeting.waits()
            self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def meet_everywhere(make: Callable[[Meeting], Scene], *where: str) -> int:
    """Let the threads of a scene meet at each line of the held one; the number of lines."""
    for number in itertools.count():
        meeting = Meeting(number, where)
        if not meeting.play(make(meeting)):
            return number
        assert number < MOST, "the held function has no end"
    raise AssertionError


class HandLoop:
    """A loop whose callbacks are run by ``run``: only ``call_soon_threadsafe`` may be called by
    other threads meanwhile. Its time stands still, and timers are run as they come.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], object]] = SimpleQueue()

    def call_soon_threadsafe(self, call: Callable[..., object], *args: Any, **_: object) -> None:
        """Run it later."""
        self._calls.put(lambda: call(*args))

    call_soon = call_soon_threadsafe

    def call_at(self, _: float, call: Callable[..., object], **__: object) -> None:
        """Run it later."""
        self.call_soon_threadsafe(call)

    def time(self) -> float:
        """Now."""
        return 1000.0

    def create_task(self, _: Any) -> Any:
        """Refuse: it runs no coroutines."""
        raise NotImplementedError

    def once(self) -> None:
        """Run the callbacks that are there."""
        for call in list(self._there()):
            call()

    def run(self) -> None:
        """Run callbacks until there is none."""
        while not self._calls.empty():
            self.once()

    def _there(self) -> Iterator[Callable[[], object]]:
        with suppress(Exception):  # empty
            while True:
                yield self._calls.get_nowait()
