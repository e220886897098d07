"""Takes the records that bodies log with ``logging``, and changes nothing for anybody else.

A handler on the root logger would be in the program's way: ``basicConfig`` does nothing once there
is one, the standard library's last resort falls silent, ``dictConfig`` removes it, and it sees no
record that a logger keeps to itself or that is below the root's level. So methods of the class
``Logger`` are wrapped, from the first ``begin`` to the last ``end``. Outside of bodies they do what
they did.

The levels of the task log are its own: that of the runner, and those of loggers below the root. The
root's level says what the program shows. A record that only the task log wants is not handed to the
program's handlers; filters of its logger see it, as they may hide secrets. Where there is no filter
no such record is made, as that is most of what a line costs: in the place of ``info``, ``debug``
and ``log`` stand methods that hand over what they were called with, or go on as those do.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from cloaca_core.engine.execute.body_log import CURRENT_LOG
from cloaca_core.features.task_logs.lines import names_of

_Method: TypeAlias = Callable[..., Any]
WRAPPED: Final = ("isEnabledFor", "callHandlers", "log", "info", "debug")
"""The methods of ``Logger`` that are wrapped."""
_record_factory: Final = logging.getLogRecordFactory
_PLAIN_RECORD: Final = logging.LogRecord
_PLAIN_LOGGER: Final = logging.Logger
_OURS: Final = "cloaca"
"""The logger of this package, whose records tell of the engine and not of a body."""


class _Wrappers:
    """Stand in for methods of ``Logger``. Once removed they only pass on: a program may have
    put a wrapper of its own around them, which stays.
    """

    def __init__(self) -> None:
        self.is_active: bool = True
        enabled, called, log, info, debug = (getattr(logging.Logger, name) for name in WRAPPED)
        self._wrapped: tuple[_Method, ...] = (enabled, called, log, info, debug)
        self._wrappers: tuple[_Method, ...] = (
            self._around_is_enabled_for(enabled),
            self._around_call_handlers(called, enabled),
            self._in_place_of_log(log, enabled),
            self._in_place_of(info, logging.INFO, enabled),
            self._in_place_of(debug, logging.DEBUG, enabled),
        )
        for name, wrapper in zip(WRAPPED, self._wrappers, strict=True):
            setattr(logging.Logger, name, wrapper)

    def _around_is_enabled_for(self, is_enabled_for: _Method) -> _Method:
        def enabled(logger: Any, level: int) -> bool:
            if is_enabled_for(logger, level):
                return True
            sink = CURRENT_LOG.get()
            if sink is None or level < sink.least or not self.is_active:
                return False
            return bool(_kept(logger, level, is_enabled_for))

        return enabled

    def _in_place_of_log(self, log: _Method, is_enabled_for: _Method) -> _Method:
        if not _is_plain(log):
            return log

        def logged(logger: Any, level: Any, msg: object, *args: object, **options: Any) -> None:
            sink = CURRENT_LOG.get()
            if type(level) is not int:
                log(logger, level, msg, *args, **_one_deeper(options))  # it may refuse that
            elif (
                sink is not None
                and not options
                and level >= sink.least
                and (names := self._of_unseen(logger, level, is_enabled_for))
            ):
                sink.take_call(names, msg, args)
            elif logger.isEnabledFor(level):
                logger._log(level, msg, args, **_one_deeper(options))

        return logged

    def _in_place_of(self, method: _Method, level: int, is_enabled_for: _Method) -> _Method:
        """In the place of ``info`` or ``debug``, by which most lines come."""
        if not _is_plain(method):
            return method

        def called(logger: Any, msg: object, *args: object, **options: Any) -> None:
            sink = CURRENT_LOG.get()
            if sink is None:
                # The driver of SQLite logs each step: the logger's own answer needs no call.
                kind: object = type(logger)
                if kind is logging.Logger and logger._cache.get(level) is False:
                    return
                if logger.isEnabledFor(level):
                    logger._log(level, msg, args, **_one_deeper(options))
            elif (
                not options
                and level >= sink.least
                and (names := self._of_unseen(logger, level, is_enabled_for))
            ):
                sink.take_call(names, msg, args)
            elif logger.isEnabledFor(level):  # as that of logging goes on
                logger._log(level, msg, args, **_one_deeper(options))

        return called

    def _of_unseen(self, logger: Any, level: int, is_enabled_for: _Method) -> str:
        """The names of lines of this level, if nothing of the program would see the record, so that
        none need be made; else nothing.
        """
        if (
            logger.filters
            or logger.disabled
            or _record_factory() is not _PLAIN_RECORD
            or type(logger) is not _PLAIN_LOGGER
            or not self.is_active
        ):
            return ""
        names: str | None = logger._cache.get(~level)  # type: ignore[attr-defined]  # undocumented
        return _kept(logger, level, is_enabled_for) if names is None else names

    def _around_call_handlers(self, call_handlers: _Method, is_enabled_for: _Method) -> _Method:
        def called(logger: logging.Logger, record: logging.LogRecord) -> None:
            sink, level = CURRENT_LOG.get(), record.levelno
            if sink is not None and level >= sink.least and self.is_active:
                if is_enabled_for(logger, level):
                    if not _is_ours(logger.name):
                        sink.take(record)
                elif _kept(logger, level, is_enabled_for):
                    sink.take(record)
                    return
            call_handlers(logger, record)

        return called

    def remove(self) -> None:
        """Put the methods back, unless the program has replaced them since."""
        self.is_active = False
        for name, wrapper, method in zip(WRAPPED, self._wrappers, self._wrapped, strict=True):
            if getattr(logging.Logger, name) is wrapper:
                setattr(logging.Logger, name, method)


def _is_plain(method: _Method) -> bool:
    """Whether the method is the one of ``logging``. A method of the program may do anything, and
    stays.
    """
    return method.__module__ == logging.__name__


def _one_deeper(options: dict[str, Any]) -> dict[str, Any]:
    """The options of a call of ``logging`` from a wrapper, whose frame is none of the program's."""
    options["stacklevel"] = options.get("stacklevel", 1) + 1
    return options


def _is_ours(name: str) -> bool:
    return name.startswith(_OURS) and (name == _OURS or name.startswith(f"{_OURS}."))


def _kept(logger: Any, level: int, is_enabled_for: _Method) -> str:
    """The names for log lines of records of this level, if the program does not show such records
    and the task log takes them; otherwise nothing. Cached beside the answers that ``logging``
    caches, so that both are forgotten together.
    """
    if logger.disabled:
        return ""
    try:
        names: str = logger._cache[~level]
    except (AttributeError, KeyError):
        is_kept = not is_enabled_for(logger, level) and _is_for_us(logger, level)
        names = names_of(logging.getLevelName(level), logger.name) if is_kept else ""
        vars(logger).get("_cache", {})[~level] = names
    return names


def _is_for_us(logger: logging.Logger, level: int) -> bool:
    if logger.manager.disable >= level or _is_ours(logger.name):
        return False
    each: logging.Logger | None = logger
    while each is not None and each.parent is not None:
        if each.level:
            return level >= each.level
        each = each.parent
    return True


class Capture:
    """Counts the users of the wrappers: runners, and bodies in workers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._wrappers: _Wrappers | None = None

    def begin(self) -> None:
        """Have records of bodies taken, until the ``end`` that belongs to this call."""
        with self._lock:
            self._users += 1
            if self._wrappers is None:
                self._wrappers = _Wrappers()

    def end(self) -> None:
        """Need no records any more."""
        with self._lock:
            self._users -= 1
            if self._users == 0 and self._wrappers is not None:
                self._wrappers.remove()
                self._wrappers = None


CAPTURE: Final = Capture()
"""The one of this process."""
