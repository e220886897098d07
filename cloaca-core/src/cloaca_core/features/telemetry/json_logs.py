"""A formatter for ``logging``: writes each record as one line of JSON, with its ids."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""The attributes of every record; others are what its caller gave as ``extra``."""


class JsonFormatter(logging.Formatter):
    """Formats a record as an object: ``time`` (RFC 3339 in UTC), ``level``, ``logger``,
    ``message``, ``process`` and ``host``, then all that its caller gave as ``extra``, then
    ``exception`` and ``stack`` if it has them.

    Records of cloaca have ``event``, ``run_id``, ``workflow``, ``task_id``, ``attempt`` and others
    there, as far as they apply. A value without a form in JSON is written as its text.
    """

    _host = socket.gethostname()

    def format(self, record: logging.LogRecord) -> str:
        """The record, on one line."""
        at = datetime.fromtimestamp(record.created, UTC)
        found: dict[str, object] = {
            "time": at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
            "host": self._host,
        }
        found |= {k: v for k, v in vars(record).items() if k not in _OWN and k not in found}
        if record.exc_info and not record.exc_text:  # kept there, as the base class does
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            found["exception"] = record.exc_text
        if record.stack_info:
            found["stack"] = self.formatStack(record.stack_info)
        return _encoded(found)


def _encoded(found: Mapping[str, object]) -> str:
    try:
        return json.dumps(found, allow_nan=False, default=str)
    except (ValueError, TypeError, RecursionError):  # NaN, a circle, a key that is no text
        return json.dumps({name: str(value) for name, value in found.items()})
