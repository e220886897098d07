"""Removes secrets from the log records of cloaca itself, as it makes them.

Loggers belong to the whole process, so each of its runners adds the secrets that it knows. Records
of other loggers are the program's own, and stay as they are.
"""

from __future__ import annotations

import sys
import traceback
import weakref
from collections.abc import Sequence
from threading import Lock
from typing import Any, Final, Protocol, TypeAlias


class Redaction(Protocol):
    """Hides the secrets of one runner (see ``telemetry.redaction``). Any thread may call it."""

    @property
    def is_empty(self) -> bool:
        """Whether it knows no secret."""

    def __call__(self, text: str) -> str: ...


Arguments: TypeAlias = tuple[object, tuple[object, ...], dict[str, Any]]
"""The message of a record, what is filled into it, and the options of the call."""

_LOCK: Final = Lock()
_redactions: tuple[weakref.ref[Redaction], ...] = ()
"""They end with their runners, which may log to the last."""


def redact_with(redaction: Redaction) -> None:
    """Hide its secrets in all records of cloaca, as long as it is there."""
    global _redactions
    with _LOCK:
        kept = [each for each in _redactions if each() is not None]
        _redactions = (*kept, weakref.ref(redaction))


def cleaned(message: object, args: tuple[object, ...], options: dict[str, Any]) -> Arguments:
    """The arguments of a record without secrets; unchanged if it has none. A traceback with one
    becomes a part of the message, as handlers would read it from its exception.
    """
    redactions = _in_use()
    if not redactions:
        return message, args, options
    text = str(message) % args if args else str(message)
    clean, trace = _redacted(redactions, text), _trace_of(options.get("exc_info"))
    clean_trace = _redacted(redactions, trace)
    if clean_trace != trace:
        return "%s\n%s", (clean, clean_trace.rstrip()), {**options, "exc_info": None}
    return (message, args, options) if clean == text else ("%s", (clean,), options)


def _in_use() -> list[Redaction]:
    """The redactions that know a secret."""
    return [each for ref in _redactions if (each := ref()) is not None and not each.is_empty]


def _redacted(redactions: Sequence[Redaction], text: str) -> str:
    for redact in redactions:
        text = redact(text)
    return text


def _trace_of(exc_info: object) -> str:
    """The traceback that a record with this ``exc_info`` would show."""
    error = exc_info if isinstance(exc_info, BaseException) else sys.exception()
    return "".join(traceback.format_exception(error)) if exc_info and error is not None else ""
