"""Instants as people write them in a filter: a time ago, a date, or a date and time."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from cloaca_core.errors import ScheduleError
from cloaca_core.values.times.instants import SECOND, Instant, from_datetime, read_instant
from cloaca_tools.duration_texts import seconds_with_unit

_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


def is_moment(text: str) -> bool:
    """Whether the text is one of the forms of an instant."""
    return read_moment(text, 0) is not None


def read_moment(text: str, now: Instant) -> Instant | None:
    """The instant of a text; None if it has another form.

    ``2h``, ``30m``, ``1d12h`` and ``1w`` are so long before ``now``; ``now`` is that; a date is its
    midnight in UTC; a date and time has an offset from UTC, as in RFC 3339.
    """
    if text.lower() == "now":
        return now
    if (ago := seconds_with_unit(text)) is not None:
        return now - round(ago * SECOND)
    if _DATE.fullmatch(text) is not None:
        return _midnight(text)
    try:
        return read_instant("moment", text)
    except ScheduleError:
        return None


def _midnight(text: str) -> Instant | None:
    try:
        return from_datetime(datetime.fromisoformat(text).replace(tzinfo=UTC))
    except ValueError:
        return None
