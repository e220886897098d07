"""Takes the records that bodies log with ``logging``, and changes nothing for anybody else.

A handler on the root logger would be in the program's way: ``basicConfig`` does nothing once there
is one, the standard library's last resort falls silent, ``dictConfig`` removes it, and it sees no
record that a logger keeps to itself or that is below the root's level. So methods of the class
``Logger`` are wrapped, from the first ``begin`` to the last ``end``. Outside of bodies they do what
they did.

The levels of the task log are its own: that of the runner, and those of loggers below the root. The
root's level says what the program shows. A record that only the task log wants is not handed to the
program's handlers; filters of its logger see it, as they may hide secrets. Where there is no filter
no such record is made, as that is most of what a line costs.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final, Protocol, TypeAlias


class Sink(Protocol):
    """Takes the records of one body, from the level ``least`` on. Any thread may call it."""

    @property
    def least(self) -> int:
        """The number of a level."""

    def take(self, record: logging.LogRecord) -> None:
        """Keep a record. Must neither raise nor log."""

    def take_call(self, level: int, logger: str, message: object, args: tuple[object, ...]) -> None:
        """Keep what a logger was called with, and no record was made of. Like ``take``."""


CURRENT: Final[ContextVar[Sink | None]] = ContextVar("cloaca_task_log", default=None)
"""The sink of the body that runs in this thread or coroutine."""

_Method: TypeAlias = Callable[..., Any]
_WRAPPED: Final = ("isEnabledFor", "callHandlers", "_log")
_OURS: Final = "cloaca"
"""The logger of this package, whose records tell of the engine and not of a body."""


class _Wrappers:
    """Stand in for methods of ``Logger``. Once removed they only pass on: a program may have
    put a wrapper of its own around them, which stays.
    """

    def __init__(self) -> None:
        self.is_active: bool = True
        enabled, called, log = (getattr(logging.Logger, name) for name in _WRAPPED)
        self._wrapped: tuple[_Method, ...] = (enabled, called, log)
        self._wrappers: tuple[_Method, ...] = (
            self._around_is_enabled_for(enabled),
            self._around_call_handlers(called, enabled),
            self._around_log(log, enabled),
        )
        for name, wrapper in zip(_WRAPPED, self._wrappers, strict=True):
            setattr(logging.Logger, name, wrapper)

    def _around_is_enabled_for(self, is_enabled_for: _Method) -> _Method:
        def enabled(logger: logging.Logger, level: int) -> bool:
            if is_enabled_for(logger, level):
                return True
            sink = CURRENT.get()
            if sink is None or level < sink.least or not self.is_active:
                return False
            return _passes(logger, level, is_enabled_for)

        return enabled

    def _around_log(self, log: _Method, is_enabled_for: _Method) -> _Method:
        plain_logger, plain_record = logging.Logger, logging.LogRecord
        record_factory = logging.getLogRecordFactory

        def logged(
            logger: logging.Logger,
            level: int,
            msg: object,
            args: tuple[object, ...],
            exc_info: Any = None,
            extra: Any = None,
            stack_info: bool = False,
            stacklevel: int = 1,
        ) -> None:
            sink = CURRENT.get()
            if (
                sink is not None
                and level >= sink.least
                and self.is_active
                and not (exc_info or extra or stack_info or logger.filters)
                and type(logger) is plain_logger
                and record_factory() is plain_record
                and _passes(logger, level, is_enabled_for)
            ):  # nothing of the program would see the record: none is made
                sink.take_call(level, logger.name, msg, args)
            else:  # one level more: the frame of this function is none of the program's
                log(logger, level, msg, args, exc_info, extra, stack_info, stacklevel + 1)

        return logged

    def _around_call_handlers(self, call_handlers: _Method, is_enabled_for: _Method) -> _Method:
        def called(logger: logging.Logger, record: logging.LogRecord) -> None:
            sink, level = CURRENT.get(), record.levelno
            if sink is not None and level >= sink.least and self.is_active:
                if is_enabled_for(logger, level):
                    if not _is_ours(logger.name):
                        sink.take(record)
                elif _passes(logger, level, is_enabled_for):
                    sink.take(record)
                    return
            call_handlers(logger, record)

        return called

    def remove(self) -> None:
        """Put the methods back, unless the program has replaced them since."""
        self.is_active = False
        for name, wrapper, method in zip(_WRAPPED, self._wrappers, self._wrapped, strict=True):
            if getattr(logging.Logger, name) is wrapper:
                setattr(logging.Logger, name, method)


def _is_ours(name: str) -> bool:
    return name.startswith(_OURS) and (name == _OURS or name.startswith(f"{_OURS}."))


def _passes(logger: logging.Logger, level: int, is_enabled_for: _Method) -> bool:
    """Whether records of this level, which the program does not show, are for the task log. The
    answer is kept where ``logging`` keeps its own, beside it: both are forgotten together.
    """
    if logger.disabled:
        return False
    answers: dict[int, bool] = vars(logger).get("_cache", {})
    answer = answers.get(~level)
    if answer is None:
        answer = not is_enabled_for(logger, level) and _is_for_us(logger, level)
        answers[~level] = answer
    return answer


def _is_for_us(logger: logging.Logger, level: int) -> bool:
    if logger.manager.disable >= level or _is_ours(logger.name):
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
