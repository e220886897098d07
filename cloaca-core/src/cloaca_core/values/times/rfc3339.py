"""Instants as text: RFC 3339, in UTC."""

from __future__ import annotations

from functools import lru_cache

from cloaca_core.values.times.instants import SECOND, nearest_shown, to_datetime


def rfc3339(instant: int) -> str:
    """An instant in µs since 1970 as text, UTC, with microseconds. An impossible one, from a
    damaged row, is shown as the nearest possible one.
    """
    second, fraction = divmod(nearest_shown(instant), SECOND)
    return f"{_second_text(second)}.{fraction:06}+00:00"


@lru_cache(maxsize=1_024)
def _second_text(second: int) -> str:
    """A second as text. A run of 10,000 tasks shows 50,000 instants, of few seconds."""
    return f"{to_datetime(second * SECOND):%Y-%m-%dT%H:%M:%S}"


def rfc3339_or_none(instant: int | None) -> str | None:
    """The same; None stays None."""
    return None if instant is None else rfc3339(instant)
