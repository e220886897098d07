"""Durations, counts and states as the page writes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

_MINUTE: Final = 60
_HOUR: Final = 3_600
_DAY: Final = 86_400

STATES: Final[Mapping[str, str]] = {
    "Pending": "pending",
    "NotStarted": "pending",
    "Running": "running",
    "Waiting": "waiting",
    "Paused": "paused",
    "Cancelling": "cancelling",
    "Completed": "completed",
    "Failed": "failed",
    "Cancelled": "cancelled",
    "Skipped": "skipped",
}
"""The name of each state in classes and symbols."""


def duration(seconds: float | None) -> str:
    """So much time in two units at most: ``1 m 04 s``; nothing for None."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    for unit, name, below, its_name in (
        (_DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "m"),
        (_MINUTE, "m", 1, "s"),
    ):
        if whole >= unit:
            return f"{whole // unit} {name} {whole % unit // below:02d} {its_name}"
    raise AssertionError("there is a unit for a minute")


def short_id(run_id: str) -> str:
    """The beginning of a run's id, which others of the same minute do not share."""
    return run_id[:13]


def counted(number: int, noun: str) -> str:
    """``1 run`` or ``2 runs``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def first_line(text: str | None) -> str:
    """The first line of a text; nothing for None."""
    return (text or "").strip().partition("\n")[0]


def zone_of(name: str) -> tzinfo | None:
    """The time zone that a browser names; None, the zone of this machine, for an unknown one."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return None


class Clock:
    """Instants as a reader's clock shows them at ``now``. ``zone`` None is that of this machine."""

    def __init__(self, zone: tzinfo | None, now: datetime) -> None:
        self._zone = zone
        self._now = now.astimezone(zone)

    def when(self, text: str | None) -> str:
        """A time of today as ``08:13:58``, of another day with its date; nothing for None."""
        if text is None:
            return ""
        at = self.local(text)
        if at.date() == self._now.date():
            return f"{at:%H:%M:%S}"
        year = "" if at.year == self._now.year else f" {at:%Y}"
        return f"{at.day} {at:%b}{year} {at:%H:%M:%S}"

    def hour(self, text: str) -> str:
        """A time without seconds: ``08:30`` for one of today, ``Sat 02:00`` for another."""
        at = self.local(text)
        return f"{at:%H:%M}" if at.date() == self._now.date() else f"{at:%a} {at:%H:%M}"

    def ago(self, text: str | None) -> str:
        """How long since an instant, or until it; nothing for None."""
        return "" if text is None else duration(abs(self.seconds_since(text)))

    def seconds_since(self, text: str) -> float:
        """Seconds since an instant; below 0 for one to come."""
        return (self._now - _instant(text)).total_seconds()

    def local(self, text: str) -> datetime:
        """An instant in the reader's zone."""
        return _instant(text).astimezone(self._zone)

    def midnight(self) -> str:
        """When the reader's day began, as a filter takes it."""
        begun = self._now.replace(hour=0, minute=0, second=0, microsecond=0)
        return begun.isoformat(timespec="minutes")

    @property
    def zone(self) -> str:
        """The name of the reader's zone."""
        return getattr(self._zone, "key", None) or f"{self._now:%Z}"

    def full(self, text: str) -> str:
        """An instant with its date and zone, to be shown on demand."""
        return f"{self.local(text):%Y-%m-%d %H:%M:%S.%f %Z}"


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "duration": duration,
    "short_id": short_id,
    "first_line": first_line,
    "counted": counted,
}
"""The filters of templates."""
