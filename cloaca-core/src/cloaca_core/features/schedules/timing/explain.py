"""Explains a schedule: in words, its next ticks, and the clock changes that affect it.

cronsim makes the words, except those for the weekday nearest to a day, which it does not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import Final

from cronsim import CronSimError

from cloaca_core.definition.cron.expression import CronExpression
from cloaca_core.definition.cron.text import cronsim_of, nearest
from cloaca_core.definition.cron.zones import Span, spans_from
from cloaca_core.values.times.instants import (
    SECOND,
    Instant,
    from_datetime,
    read_instant,
    to_datetime,
)

NEXT_TICKS: Final = 5
_YEAR: Final = 366 * 86_400


@dataclass(frozen=True, slots=True)
class ClockChange:
    """A change of a zone's clock that skips or repeats times of the schedule.

    ``at`` is the first moment of the new time, ``minutes`` the change of the clock (negative:
    back), ``times`` the number of the schedule's times that are skipped or repeated, and
    ``effect`` says in words which of them run.
    """

    at: datetime
    minutes: int
    times: int
    effect: str

    def __str__(self) -> str:
        way = "forward" if self.minutes > 0 else "back"
        # Arithmetic within a zone is in wall-clock time.
        before = self.at - timedelta(minutes=self.minutes)
        return (
            f"the clock is put {way} from {before:%Y-%m-%d %H:%M} to {self.at:%Y-%m-%d %H:%M}; "
            f"{self.effect}"
        )


@dataclass(frozen=True, slots=True)
class ScheduleExplanation:
    """Result of ``explain_schedule``; ``str()`` of it is a text to show.

    ``expression`` is the normal form of the given expression: it ticks at the same instants.
    ``next_ticks`` and ``clock_changes`` are in the zone's own time; the changes are the ones of the
    next year that affect the schedule.
    """

    expression: str
    timezone: str
    words: str
    next_ticks: tuple[datetime, ...]
    clock_changes: tuple[ClockChange, ...]

    def __str__(self) -> str:
        ticks = [f"  {tick.isoformat(' ')}" for tick in self.next_ticks]
        changes = [f"  {change}" for change in self.clock_changes]
        return "\n".join(
            (
                f"{self.expression} in {self.timezone}: {self.words}",
                *(("Next:", *ticks) if ticks else ("It never comes: the clock skips its times.",)),
                *(("Clock changes ahead:", *changes) if changes else ()),
            )
        )


def explain_schedule(
    expr: str, tz: str, *, after: datetime | str | None = None
) -> ScheduleExplanation:
    """Explain in words when a cron expression ticks in a time zone, with its next ticks.

    ``expr`` is a cron expression and ``tz`` an IANA time zone; CronExpressionError says what is
    wrong with either. ``after`` is the time to begin at, now by default.
    """
    cron = CronExpression(expr, tz)
    start = from_datetime(datetime.now(UTC)) if after is None else read_instant("after", after)
    return explained(cron, start)


def explained(cron: CronExpression, after: Instant) -> ScheduleExplanation:
    """The explanation, as seen from an instant."""
    ticks = islice(cron.ticks_after(after), NEXT_TICKS)
    return ScheduleExplanation(
        expression=cron.normalized,
        timezone=cron.timezone,
        words=in_words(cron.normalized),
        next_ticks=tuple(to_datetime(tick).astimezone(cron.zone) for tick in ticks),
        clock_changes=tuple(_clock_changes(cron, after // SECOND)),
    )


def in_words(normalized: str) -> str:
    """Describe an expression in its normal form."""
    fields = normalized.split()
    terms = fields[-3].split(",")
    near = [f"day {day}" for term in terms if (day := nearest(term)) is not None]
    others = [term for term in terms if nearest(term) is None]
    fields[-3] = ",".join(others) or "*"
    if near and others and not _takes(fields):  # none of these months has one of the other days
        others, fields[-3] = [], "*"
    words = cronsim_of(*["0", *fields][-6:]).explain()
    if not near:
        return words
    joined = " and ".join(near)
    if others or fields[-1][0] != "*":
        return f"{words}, and on the weekday nearest to {joined} of the month"
    return f"{words}, but only on the weekday nearest to {joined} of the month"


def _takes(fields: Sequence[str]) -> bool:
    """True when cronsim accepts these fields alone."""
    try:
        cronsim_of(*["0", *fields][-6:])
    except CronSimError:
        return False
    return True


# -- clock changes -------------------------------------------------------------------------------


def _clock_changes(cron: CronExpression, moment: int) -> Iterator[ClockChange]:
    spans = spans_from(cron.zone, moment)
    for span in takewhile(lambda each: each.start <= moment + _YEAR, spans):
        if span.start > moment and not _is_untouched(cron, span):
            walls = sorted((span.start + span.before, span.start + span.offset))
            times = cron.fields.count(*walls)
            if times:
                at = to_datetime(span.start * SECOND).astimezone(cron.zone)
                yield ClockChange(at, span.jump // 60, times, _effect(cron, span, times))


def _is_untouched(cron: CronExpression, span: Span) -> bool:
    """True when a wildcard job keeps its rhythm across the change, as each hour is alike."""
    rhythm = cron.fields.rhythm
    return cron.fields.follows_real_time and rhythm is not None and span.jump % rhythm == 0


def _effect(cron: CronExpression, span: Span, times: int) -> str:
    what = "1 time" if times == 1 else f"{times} times"
    if span.jump > 0:
        fate = "run once, at the change" if cron.catches_up(span) else "left out"
        return f"it skips {what} of the schedule: {fate}"
    fate = "run in the first pass only" if cron.catches_up(span) else "run in both passes"
    return f"it repeats {what} of the schedule: {fate}"
