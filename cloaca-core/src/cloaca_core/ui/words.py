"""Durations, counts and states as the page writes them."""

from __future__ import annotations

import json
import shlex
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


def seconds_between(since: str | None, until: str | None) -> float | None:
    """Seconds from one instant to another, never below 0; None unless both are known."""
    if since is None or until is None:
        return None
    return max(0.0, (_instant(until) - _instant(since)).total_seconds())


def brief(seconds: float | None) -> str:
    """The same without the unit of its second number, for narrow columns: ``1 m 04``."""
    text = duration(seconds)
    return text.rpartition(" ")[0] if text.count(" ") > 1 else text


def short_id(run_id: str) -> str:
    """The beginning of a run's id, which others of the same minute do not share."""
    return run_id[:13]


def counted(number: int, noun: str) -> str:
    """``1 run`` or ``2 runs``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def first_line(text: str | None) -> str:
    """The first line of a text; nothing for None."""
    return (text or "").strip().partition("\n")[0]


def sentence(text: str) -> str:
    """A text with a capital at its beginning and a full stop at its end."""
    if not text:
        return ""
    return f"{text[0].upper()}{text[1:]}{'' if text[-1] in '.!?' else '.'}"


def times(number: int) -> str:
    """``once``, ``twice``, ``3 times``."""
    return {1: "once", 2: "twice"}.get(number, f"{number:,} times")


def verb(choice: str) -> str:
    """A choice as a button says it: ``Send it`` for ``send_it``."""
    words = choice.replace("_", " ").strip() or choice
    return f"{words[:1].upper()}{words[1:]}"


def level(name: str) -> str:
    """A level of a log in one short word."""
    return {"WARNING": "warn", "CRITICAL": "fatal"}.get(name.upper(), name.lower())


def level_class(name: str) -> str:
    """The class of a level that is to be seen."""
    return {"WARNING": " lv-w", "ERROR": " lv-e", "CRITICAL": " lv-e"}.get(name.upper(), "")


def in_json(value: object) -> str:
    """A value in one line."""
    return json.dumps(value, ensure_ascii=False, default=str)


def unquoted(text: str) -> str:
    """JSON of a text without its quotes; other JSON as it is."""
    found = json.loads(text)
    return found if isinstance(found, str) else text


def skipped(reason: str) -> str:
    """Why a task was skipped, in few words."""
    before, _, name = reason.partition("upstream failed: ")
    if name and not before:
        return f"{name} failed"
    return "rule not met" if reason == "Trigger rules not satisfied" else reason


def zone_of(name: str) -> tzinfo | None:
    """The time zone that a browser names; None, the zone of this machine, for an unknown one."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return None


class Clock:
    """Instants as a reader's clock shows them at ``now``. ``zone`` None is that of this machine."""

    def __init__(self, zone: tzinfo | None, now: datetime) -> None:
        self.zone: tzinfo | None = zone
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

    def minute(self, text: str) -> str:
        """An instant to the minute, without its day if that is today: ``28 Nov 02:00``."""
        at = self.local(text)
        return f"{at:%H:%M}" if at.date() == self._now.date() else f"{self.day(text)} {at:%H:%M}"

    def day(self, text: str) -> str:
        """The day of an instant: ``9 Nov``."""
        at = self.local(text)
        year = "" if at.year == self._now.year else f" {at.year}"
        return f"{at.day} {at:%b}{year}"

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

    def midnight(self) -> str:
        """When the reader's day began, as a filter takes it."""
        begun = self._now.replace(hour=0, minute=0, second=0, microsecond=0)
        return begun.isoformat(timespec="minutes")

    @property
    def zone_name(self) -> str:
        """The name of the reader's zone."""
        return getattr(self.zone, "key", None) or f"{self._now:%Z}"

    def full(self, text: str) -> str:
        """An instant with its date and zone, to be shown on demand."""
        return f"{self.local(text):%Y-%m-%d %H:%M:%S.%f %Z}"


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "duration": duration,
    "brief": brief,
    "shell": shlex.quote,
    "short_id": short_id,
    "first_line": first_line,
    "skipped": skipped,
    "counted": counted,
    "sentence": sentence,
    "times": times,
    "verb": verb,
    "level_word": level,
    "level_class": level_class,
    "in_json": in_json,
    "unquoted": unquoted,
}
"""The filters of templates."""
