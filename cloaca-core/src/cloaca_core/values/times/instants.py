"""Instants: whole microseconds since 1970 in UTC, as stored, and conversions to other forms."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from cloaca_core.errors import ScheduleError
from cloaca_core.values.arguments import wrong_type

Instant: TypeAlias = int
SECOND: Final = 1_000_000

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_FIRST: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


def to_datetime(instant: Instant) -> datetime:
    """The same instant, in UTC."""
    return _EPOCH + instant * _MICROSECOND


def instant_text(instant: Instant | None) -> str | None:
    """An instant as RFC 3339 text in UTC; None stays None."""
    return None if instant is None else to_datetime(instant).isoformat()


def nearest_shown(instant: Instant) -> Instant:
    """The nearest instant between 1970 and the end of the year 9999: a damaged row may hold
    another one.
    """
    return min(max(instant, 0), _LAST)


def from_datetime(moment: datetime) -> Instant:
    """The instant of a datetime with a time zone."""
    return (moment - _EPOCH) // _MICROSECOND


def read_instant(name: str, value: object) -> Instant:
    """The instant of a datetime with a zone, or of an RFC 3339 text with an offset.

    ``name`` is the parameter's. ScheduleError "Invalid datetime format" if it has neither, or is in
    UTC outside of the years 1 to 9999: it could not be shown.
    """
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise _refused(name, value) from None
    elif isinstance(value, datetime):
        moment = value
    else:
        raise wrong_type(name, "a datetime with a time zone, or a str", value)
    if moment.utcoffset() is None:
        raise _refused(name, value)
    if not _FIRST <= (instant := from_datetime(moment)) <= _LAST:
        raise ScheduleError(
            f"Invalid datetime format: {name} is {str(value)!r}, which is in UTC outside of the "
            "years 1 to 9999"
        )
    return instant


def _refused(name: str, value: object) -> ScheduleError:
    return ScheduleError(
        f"Invalid datetime format: {name} is {str(value)!r}, expected a date and time with an "
        f"offset from UTC, such as 2026-03-29T02:30:00+01:00"
    )
