"""A line of a task's log, and the text in which lines are stored and sent.

A line is made into its text at once, by the body that logs it: a text is one object, which the
garbage collector need not look at, and the texts of many lines are one by joining them.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cloaca_core.values.text import MAX_TEXT, storable_text

if TYPE_CHECKING:
    from cloaca_core.values.payloads.redaction import LineRedact

LONGEST_NAME: Final = 255
"""The longest name of a logger, a level or a field that is stored, in characters."""
HANDLE: Final = "handle"
"""The name of the logger of lines that come by ``handle.log``."""

_PLAIN: Final = frozenset((str, int, float))
"""Types that are no mappings, which ``isinstance`` takes long to find out."""

_LARGE: Final = 2**64
"""Larger integers go the way of other values: Python writes none of thousands of digits."""
_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Line(NamedTuple):
    """``at`` is in µs since 1970. ``fields`` are JSON values, or None."""

    at: int
    level: str
    logger: str
    message: str
    fields: dict[str, Any] | None = None


def text_of_record(record: logging.LogRecord, at: int, redact: LineRedact) -> str:
    """The line of a record, which stays as it is. Reads it at once: its arguments may change."""
    message = _message(record)
    if record.exc_info or record.stack_info:
        message = _with_traces(message, record)
    return _text(at, record.levelname, record.name, message, redact)


def text_of_logged(
    names: str, message: object, args: tuple[object, ...], at: int, redact: LineRedact
) -> str:
    """The line of the record that would be made of such a call. Nearly all lines take this path, so
    steps that change nothing are left out.
    """
    if type(message) is str and (not args or type(args[0]) in _PLAIN):
        try:
            text = message % args if args else message
        except Exception:  # noqa: BLE001 - arguments are the user's, and may raise anything
            text = _filled(message, args)
    else:
        text = _filled(message, args)
    if not redact.is_empty and redact(both := names + text) != both:
        names, text = _hidden(names, redact), redact(text)
    if not text.isascii() or len(text) > MAX_TEXT or "\0" in text:
        text = storable_text(text)
    return f"[{at},{names},{encode_basestring(text)}]"


def text_of_call(
    message: object, level: str, fields: Mapping[str, object], at: int, redact: LineRedact
) -> str:
    """The line of a call of ``handle.log``."""
    text = _text(at, level, HANDLE, _shown(message), redact)
    if not fields:
        return text
    told = {_name(redact(name)): _json(value, redact) for name, value in fields.items()}
    return f"{text[:-1]},{_encode(told)}]"


def redacted(text: str, redact: LineRedact) -> str:
    """A line of another process, which may not know all secrets."""
    at, level, logger, message, fields = Line(*json.loads(text))
    found = _text(at, level, logger, message, redact)
    return found if fields is None else f"{found[:-1]},{_encode(_clean(fields, redact))}]"


def _text(at: int, level: str, logger: str, message: str, redact: LineRedact) -> str:
    if not redact.is_empty:
        level, logger, message = redact(level), redact(logger), redact(message)
    return f"[{at},{names_of(level, logger)},{encode_basestring(storable_text(message))}]"


@lru_cache(maxsize=1024)
def names_of(level: str, logger: str) -> str:
    """The names of a level and a logger as JSON. There are few of them."""
    return f"{encode_basestring(_name(level))},{encode_basestring(_name(logger))}"


def _hidden(names: str, redact: LineRedact) -> str:
    """Such names without secrets."""
    level, logger = json.loads(f"[{names}]")
    return names_of(redact(level), redact(logger))


def _name(text: str) -> str:
    return storable_text(text[:LONGEST_NAME])


def _message(record: logging.LogRecord) -> str:
    """Its text; if its arguments do not fit, both as they are, since no body fails for that."""
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - arguments are the user's, and may raise anything
        return f"{_shown(record.msg)} {_shown(record.args)}"


def _filled(message: object, args: tuple[object, ...]) -> str:
    """As in ``LogRecord``: a single mapping is the arguments by name."""
    try:
        text = message if type(message) is str else str(message)
        if not args:
            return text
        if len(args) == 1 and type(args[0]) not in _PLAIN and isinstance(args[0], Mapping):
            return text % (args[0] or args)
        return text % args
    except Exception:  # noqa: BLE001 - as above
        return f"{_shown(message)} {_shown(args)}"


def _with_traces(text: str, record: logging.LogRecord) -> str:
    """With the traceback and the stack, as a formatter writes them."""
    if record.exc_info and record.exc_info[0] is not None:
        text = f"{text}\n{''.join(traceback.format_exception(*record.exc_info)).rstrip()}"
    return f"{text}\n{record.stack_info}" if record.stack_info else text


def _shown(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - as above
        return f"<{type(value).__name__}>"


def _json(value: object, redact: LineRedact) -> object:
    """A value of a field: as JSON, or, where it has no such form or a long one, as text."""
    if value is None or type(value) is bool or (type(value) is int and abs(value) < _LARGE):
        return value
    if type(value) is str:
        return storable_text(redact(value))
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except Exception:  # noqa: BLE001 - as above
        text = _shown(value)
    else:
        if len(text) <= MAX_TEXT:
            return _clean(json.loads(text), redact)
    return storable_text(redact(text))


def _clean(value: object, redact: LineRedact) -> object:
    """A JSON value with clean texts."""
    if isinstance(value, str):
        return storable_text(redact(value))
    if isinstance(value, list):
        return [_clean(each, redact) for each in value]
    if isinstance(value, dict):
        return {storable_text(redact(key)): _clean(each, redact) for key, each in value.items()}
    return value


# -- many lines ----------------------------------------------------------------------------------


def joined(lines: Iterable[str]) -> str:
    """The texts of lines as one text."""
    return f"[{','.join(lines)}]"


def lines_in(text: str) -> list[Line]:
    """The lines of a joined text. A damaged one has no line: it must not hide others."""
    try:
        found: Sequence[Sequence[Any]] = json.loads(text)
        return [_line(*each) for each in found]
    except (ValueError, TypeError):
        return []


def _line(at: Any, level: Any, logger: Any, message: Any, fields: Any = None) -> Line:
    """The line with these values. Raises ``TypeError`` if a value was stored as another type."""
    line = Line(at, level, logger, message, fields)
    if not (isinstance(at, int) and all(isinstance(each, str) for each in line[1:4])):
        raise TypeError(f"no line of a log: {line!r:.100}")
    return line
