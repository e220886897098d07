"""``Clock``: instants as a reader's clock shows them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from cloaca_core.values.wording import duration

_INSTANT: Final = re.compile(
    r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)(?!\d)", re.ASCII
)

_PRECISE: Final = 10
"""Seconds below which a duration has a tenth."""


def zone_of(name: str) -> tzinfo | None:
    """The time zone that a browser names; None, the zone of this machine, for an unknown one."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return None


class Clock:
    """Instants as a reader's clock shows them at ``now``. ``zone`` None is this machine's."""

    def __init__(self, zone: tzinfo | None, now: datetime) -> None:
        self.zone: tzinfo | None = zone
        self._now = now.astimezone(zone)

    def when(self, text: str | None) -> str:
        """A time of today as ``08:13:58``, of another day with its date; nothing for None."""
        if text is None:
            return ""
        return self._at(text, "%H:%M:%S")

    def near(self, text: str) -> str:
        """A time of today as ``08:13:58``, of another day to the minute: ``28 Nov 02:00``."""
        return self._at(text, "%H:%M:%S" if self._is_today(text) else "%H:%M")

    def minute(self, text: str) -> str:
        """An instant to the minute, without its day if that is today: ``28 Nov 02:00``."""
        return self._at(text, "%H:%M")

    def retold(self, text: str) -> str:
        """A sentence whose instants are in RFC 3339, with each of them as ``minute`` writes it."""
        return _INSTANT.sub(self._found, text)

    def day(self, text: str) -> str:
        """The day of an instant: ``9 Nov``."""
        at = self.local(text)
        year = "" if at.year == self._now.year else f" {at.year}"
        return f"{at.day} {at:%b}{year}"

    def ago(self, text: str | None) -> str:
        """How long since an instant, or until it, in whole seconds; nothing for None."""
        if text is None:
            return ""
        seconds = max(1, round(abs(self.seconds_since(text))))
        return duration(seconds) if seconds >= _PRECISE else f"{seconds} s"

    def ahead(self, text: str) -> str:
        """How long until an instant, without what changes all the time: ``8 m``, ``30 s``."""
        return time_to_come(-self.seconds_since(text))

    def seconds_since(self, text: str) -> float:
        """Seconds since an instant; below 0 for one to come."""
        return (self._now - _instant(text)).total_seconds()

    def local(self, text: str) -> datetime:
        """An instant in the reader's zone."""
        at = _instant(text)
        try:
            return at.astimezone(self.zone)
        except (ValueError, OverflowError):  # there it is before year 1, or after year 9999
            return at

    def tenth(self, text: str) -> str:
        """A time of day to a tenth of a second: ``06:29:46.2``."""
        at = self.local(text)
        return f"{at:%H:%M:%S}.{at.microsecond // 100_000}"

    def instant(self, text: str) -> datetime | None:
        """The instant of a date and time as a browser writes them, in the reader's zone unless they
        have one; None if they cannot be read.
        """
        try:
            at = datetime.fromisoformat(text)
            if at.tzinfo is None:
                at = at.astimezone() if self.zone is None else at.replace(tzinfo=self.zone)
            at.astimezone(UTC)
        except (ValueError, OverflowError):  # in another zone it may be before year 1
            return None
        return at

    @property
    def now(self) -> datetime:
        """Now, in the reader's zone."""
        return self._now

    def written(self, text: str) -> str:
        """An instant as a browser writes it in a field, in the reader's zone."""
        return f"{self.local(text):%Y-%m-%dT%H:%M}"

    def midnight(self, days_ago: int = 0) -> str:
        """When the reader's day began, or one before it, as a filter takes it."""
        begun = self._now.replace(hour=0, minute=0, second=0, microsecond=0)
        begun -= timedelta(days=days_ago)
        return begun.isoformat(timespec="minutes")

    @property
    def zone_name(self) -> str:
        """The name of the reader's zone, perhaps a short one that no schedule takes: ``CEST``."""
        return getattr(self.zone, "key", None) or f"{self._now:%Z}"

    @property
    def iana_zone(self) -> str:
        """The IANA name of the reader's zone; UTC where it is not known."""
        return str(getattr(self.zone, "key", "UTC"))

    def full(self, text: str) -> str:
        """An instant with its date and zone, to be shown on demand."""
        return f"{self.local(text):%Y-%m-%d %H:%M:%S.%f %Z}"

    def _found(self, found: re.Match[str]) -> str:
        try:
            return self.minute(found[0])
        except ValueError:  # a name may look like an instant without being one
            return found[0]

    def _at(self, text: str, time: str) -> str:
        """A time of day, with its date unless that is today."""
        shown = format(self.local(text), time)
        return shown if self._is_today(text) else f"{self.day(text)} {shown}"

    def _is_today(self, text: str) -> bool:
        return self.local(text).date() == self._now.date()


def seconds_between(since: str | None, until: str | None) -> float | None:
    """Seconds from one instant to another, never below 0; None unless both are known."""
    if since is None or until is None:
        return None
    return max(0.0, (_instant(until) - _instant(since)).total_seconds())


def time_to_come(seconds: float) -> str:
    """A time to come: above 100 seconds in whole minutes, ``28 m`` or ``1 d 06 h``."""
    if seconds < 100:
        return duration(max(1, seconds))
    return duration(round(seconds / 60) * 60).removesuffix(" 00 s")


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
