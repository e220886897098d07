"""Schedules, triggers and acts in words. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from cloaca_core.values.wording import duration
from cloaca_tools.ui.words.clock import time_to_come, zone_of

if TYPE_CHECKING:
    from cloaca_core.features.schedules.timing.explain import ClockChange
    from cloaca_tools.ui.words.clock import Clock

CATCH_UP: Final[Mapping[str, str]] = {
    "skip": "skip",
    "run_once": "run the newest",
    "run_all": "run all",
}
"""The fate of ticks during which no runner ran."""
CATCH_UP_CHOICES: Final = tuple(
    [(each, CATCH_UP[each]) for each in ("run_once", "skip", "run_all")]
)
"""The same in the order of a form, the default first."""
OVERLAP: Final[Mapping[str, str]] = {
    "allow": "start beside it",
    "skip": "skip the tick",
    "queue": "wait for it",
    "cancel_old": "cancel the older run",
}
"""The fate of a tick while the run of the tick before has not ended."""
OUTCOMES: Final[Mapping[str, str]] = {
    "Fired": "on time",
    "Recovered": "caught up",
    "Skipped": "skipped",
    "Backfilled": "back-filled",
    "Requested": "run by hand",
}
ACTS: Final[Mapping[str, str]] = {
    "submit": "started",
    "cancel": "cancelled",
    "pause": "paused",
    "resume": "resumed",
    "retry": "retried",
    "fork": "forked",
    "send": "sent",
    "approve": "decided",
    "expire": "expired",
    "prune": "deleted runs",
    "add_schedule": "schedule added",
    "change_schedule": "schedule changed",
    "enable_schedule": "schedule enabled",
    "disable_schedule": "schedule disabled",
    "backfill_schedule": "schedule back-filled",
    "run_schedule": "schedule run by hand",
    "delete_schedule": "schedule deleted",
    "enable_trigger": "trigger enabled",
    "disable_trigger": "trigger disabled",
    "set_limit": "limit set",
    "clear_limit": "limit back to its code",
    "define_limit": "limit defined anew",
    "drain_runner": "runner asked to leave",
}
"""The kinds of acts as people read them."""
ACTS_ON: Final[Mapping[str, str]] = {
    "schedules": "_schedule",
    "triggers": "_trigger",
    "limits": "_limit",
    "runners": "_runner",
}
"""Groups of kinds that are chosen together, by the ends of their names."""

_FAR: Final = 180 * 86_400
"""Seconds to a tick that is shown with its year."""
_WORDS: Final = (
    (re.compile(r"^At (?=\d)"), ""),
    (re.compile(r"^Every (\d+)[a-z]{2} minute of every hour$"), r"every \1 minutes"),
    (re.compile(r"^At minute (\d+) of every hour$"), r"\1 past every hour"),
    (re.compile(r"^Every minute of every hour$|^Every minute$"), "every minute"),
    (re.compile(r"\bMonday through Friday\b"), "workdays"),
    (re.compile(r"\bon (Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)$"), r"on \1s"),
)


def cron_words(words: str) -> str:
    """The words of a schedule, shorter: ``02:00 every day``."""
    for pattern, short in _WORDS:
        words = pattern.sub(short, words)
    return words[:1].lower() + words[1:]


def coming(clock: Clock, text: str | None, now: str) -> str:
    """When something will be: ``08:30, in 16 m``, ``tomorrow 02:00`` or ``Mon 30 Nov 09:00``."""
    if text is None:
        return ""
    at, today = clock.local(text), clock.local(now)
    seconds = (at - today).total_seconds()
    if at.date() == today.date():
        return f"{at:%H:%M}, in {time_to_come(seconds)}" if seconds > 0 else f"due since {at:%H:%M}"
    if at.date() == today.date() + timedelta(days=1):
        return f"tomorrow {at:%H:%M}"
    year = "" if at.year == today.year else f" {at.year}"
    return f"{at:%a} {at.day} {at:%b}{year} {at:%H:%M}"


def every(seconds: float) -> str:
    """How often something is polled: ``5 s``, ``1.5 s``, ``2 m``."""
    if seconds < 60:
        return f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1000:g} ms"
    return duration(seconds).replace(" 00 s", "").replace(" 00 m", "")


def tick(clock: Clock, at: datetime) -> str:
    """A tick by the clock of its zone: ``Sat 28 Nov 02:00``, with seconds where it has some and
    with its year if it is far.
    """
    seconds = f":{at:%S}" if at.second else ""
    year = f" {at.year}" if clock.seconds_since(at.isoformat()) < -_FAR else ""
    return f"{at:%a} {at.day} {at:%b}{year} {at:%H:%M}{seconds}"


def there(clock: Clock, text: str, zone: str | None) -> str:
    """The local time of an instant in the zone of a schedule, to stand beside the reader's time:
    ``02:00 in Europe/Oslo``, with its weekday if that is another; nothing if both are the same.
    """
    known = zone_of(zone or "")
    if known is None:
        return ""
    here = clock.local(text)
    at = here.astimezone(known)
    if at.replace(tzinfo=None) == here.replace(tzinfo=None):
        return ""
    day = "" if at.date() == here.date() else f"{at:%a} "
    return f"{day}{at:%H:%M} in {zone}"


def clock_change(change: ClockChange) -> str:
    """A change of the clock, and what it does to a schedule."""
    at, before = change.at, change.at - timedelta(minutes=change.minutes)  # by the clock's hands
    way = "forward" if change.minutes > 0 else "back"
    day = f"{at:%a} {at.day} {at:%b} {at.year}"
    return f"{day}: the clock goes {way} from {before:%H:%M} to {at:%H:%M}; {change.effect}"


def offset(at: datetime) -> str:
    """How far a clock is from UTC: ``UTC+1``, ``UTC+5:30``."""
    minutes = round((at.utcoffset() or timedelta()).total_seconds() / 60)
    if not minutes:
        return "UTC"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'+' if minutes > 0 else '-'}{hours}{f':{rest:02d}' if rest else ''}"
