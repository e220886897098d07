"""Takes the records that bodies log with ``logging``, and changes nothing for anybody else.

A handler on the root logger would be in the program's way: ``basicConfig`` does nothing once there
is one, the standard library's last resort falls silent, ``dictConfig`` removes it, and it sees no
record that a logger keeps to itself or that is below the root's level. So two methods of the class
``Logger`` are wrapped, from the first ``begin`` to the last ``end``. Outside of bodies they do what
they did.

The levels of the task log are its own: that of the runner, and those of loggers below the root. The
root's level says what the program shows. A record that only the task log wants is not handed to the
program's handlers; filters of its logger see it, as they may hide secrets.
"""

from __future__ import annotations

import logging
import threading
from contextvars import ContextVar
from typing import Final, Protocol


class Sink(Protocol):
    """Takes the records of one body, from the level ``least`` on. Any thread may call it."""

    @property
    def least(self) -> int:
        """The number of a level."""

    def take(self, record: logging.LogRecord) -> None:
        """Keep a record. Must neither raise nor log."""


CURRENT: Final[ContextVar[Sink | None]] = ContextVar("cloaca_task_log", default=None)
"""The sink of the body that runs in this thread or coroutine."""

_OURS: Final = "cloaca"
"""The logger of this package, whose records tell of the engine and not of a body."""


class _Wrappers:
    """Stand in for two methods of ``Logger``. Once removed they only pass on: a program may have
    put a wrapper of its own around them, which stays.
    """

    def __init__(self) -> None:
        self.is_active: bool = True
        is_enabled_for = logging.Logger.isEnabledFor
        call_handlers = logging.Logger.callHandlers

        def enabled(logger: logging.Logger, level: int) -> bool:
            if is_enabled_for(logger, level):
                return True
            sink = CURRENT.get()
            return sink is not None and self._wants(sink, logger, level) and _passes(logger, level)

        def called(logger: logging.Logger, record: logging.LogRecord) -> None:
            sink = CURRENT.get()
            if sink is not None and self._wants(sink, logger, record.levelno):
                if is_enabled_for(logger, record.levelno):
                    sink.take(record)
                elif _passes(logger, record.levelno):
                    sink.take(record)
                    return
            call_handlers(logger, record)

        self._wrapped = {"isEnabledFor": is_enabled_for, "callHandlers": call_handlers}
        self._wrappers = {"isEnabledFor": enabled, "callHandlers": called}
        for name, wrapper in self._wrappers.items():
            setattr(logging.Logger, name, wrapper)

    def _wants(self, sink: Sink, logger: logging.Logger, level: int) -> bool:
        """Whether the sink takes such records, if the logger lets them pass."""
        return level >= sink.least and self.is_active and not _is_ours(logger.name)

    def remove(self) -> None:
        """Put the methods back, unless the program has replaced them since."""
        self.is_active = False
        for name, wrapper in self._wrappers.items():
            if getattr(logging.Logger, name) is wrapper:
                setattr(logging.Logger, name, self._wrapped[name])


def _is_ours(name: str) -> bool:
    return name.startswith(_OURS) and (name == _OURS or name.startswith(f"{_OURS}."))


def _passes(logger: logging.Logger, level: int) -> bool:
    """Whether a record of this level, which the program does not show, is one for the task log."""
    if logger.disabled or logger.manager.disable >= level:
        return False
    each: logging.Logger | None = logger
    while each is not None and each.parent is not None:
        if each.level:
            return level >= each.level
        each = each.parent
    return True


class _Capture:
    """Counts who needs the wrappers: runners, and bodies in workers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._wrappers: _Wrappers | None = None

    def begin(self) -> None:
        with self._lock:
            self._users += 1
            if self._wrappers is None:
                self._wrappers = _Wrappers()

    def end(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0 and self._wrappers is not None:
                self._wrappers.remove()
                self._wrappers = None


_CAPTURE: Final = _Capture()


def begin() -> None:
    """Have records of bodies taken, until the ``end`` that belongs to this call."""
    _CAPTURE.begin()


def end() -> None:
    """Need no records any more."""
    _CAPTURE.end()
