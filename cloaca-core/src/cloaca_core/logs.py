"""Set-up of the ``cloaca`` loggers, which write to no terminal unless the user asks.

A program that configures ``logging`` gets their records as usual; ``CLOACA_LOG=info`` (any level)
shows them on stderr without that. Sets no level of a logger that the user did not name. Records
show no secret that a runner of this process knows.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import suppress
from typing import Any, Final, TextIO

from cloaca_core.clean_records import cleaned
from cloaca_core.errors import ConfigError

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
VARIABLE: Final = "CLOACA_LOG"
_IS_ENABLED_FOR: Final = logging.Logger.isEnabledFor
"""The method before runners wrap it (see ``telemetry.capture``)."""


def arrange() -> None:
    """Set up the logger ``cloaca``; called once, when the package is imported."""
    logger = logging.getLogger("cloaca")
    logger.addHandler(logging.NullHandler())
    if (level := _wanted()) in logging.getLevelNamesMapping():
        handler = _Fallback()
        handler.setFormatter(logging.Formatter(FORMAT))
        logger.addHandler(handler)
        logger.setLevel(level)


class SafeLogger(logging.LoggerAdapter[logging.Logger]):
    """A logger whose calls never raise, for code that must continue.

    Errors of the program's handlers and filters are printed to stderr, as ``logging`` does with
    those of its own handlers.
    """

    def __init__(self, name: str) -> None:
        super().__init__(logging.getLogger(name))
        self.answers: Mapping[int, bool] = getattr(self.logger, "_cache", {})
        """Whether records of a level are written, as far as ``logging`` has been asked since it was
        last configured. A look at it spares the code of each run a call: False is certain.
        """

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """As ``Logger.log``."""
        try:
            if self.isEnabledFor(level):
                msg, args, kwargs = cleaned(msg, args, kwargs)
                super().log(level, msg, *args, stacklevel=2, **kwargs)  # the caller's line
        except Exception:  # noqa: BLE001 - a handler's fault must not fail the code that logs
            if logging.raiseExceptions:
                traceback.print_exc()

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - overrides that of logging
        """As that of the logger, but never true for the sake of a task's log: the engine asks
        several times for each run, and its records are no lines of bodies.
        """
        return _IS_ENABLED_FOR(self.logger, level)

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """Leave the record as its caller made it."""
        return msg, kwargs


def warn_person(logger: SafeLogger, message: str, extra: Mapping[str, object]) -> None:
    """Log a warning for a person who has just pressed Ctrl-C.

    If the program has set up no logging and stderr is a terminal, print the warning there.
    """
    logger.warning("%s", message, extra=extra)
    if all(isinstance(each, logging.NullHandler) for each in _handlers(logger.logger.name)):
        with suppress(Exception):  # sys.stderr may be any object
            if sys.stderr.isatty():
                sys.stderr.write(f"cloaca: {message}\n")
                sys.stderr.flush()


def refuse_unknown_level() -> None:
    """Raise when ``CLOACA_LOG`` names no level; not at import, where a warning must not fail."""
    level = _wanted()
    if level and level not in logging.getLevelNamesMapping():
        raise ConfigError(
            f"{VARIABLE}: unknown level {os.environ[VARIABLE]!r}: "
            "expected one of debug, info, warning, error, critical",
            field=VARIABLE,
        )


def _wanted() -> str:
    return os.environ.get(VARIABLE, "").strip().upper()


class _Fallback(logging.StreamHandler[TextIO]):
    """Writes to stderr only records that no other handler writes to the terminal."""

    def emit(self, record: logging.LogRecord) -> None:
        if not any(self._does_as_much(other, record) for other in _handlers(record.name)):
            super().emit(record)

    def _does_as_much(self, other: logging.Handler, record: logging.LogRecord) -> bool:
        return (
            other is not self
            and getattr(other, "stream", None) in (sys.stdout, sys.stderr, self.stream)
            and record.levelno >= other.level
        )


def _handlers(name: str) -> Iterator[logging.Handler]:
    """All handlers that receive a record of this logger."""
    logger: logging.Logger | None = logging.getLogger(name)
    while logger is not None:
        yield from logger.handlers
        logger = logger.parent if logger.propagate else None
