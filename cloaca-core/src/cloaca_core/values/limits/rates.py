"""Rates: so many starts in a period, as programs write them and as rows hold them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from cloaca_core.errors import DefinitionError, DefinitionTypeError
from cloaca_core.values.arguments import shown_number, whole, wrong_type
from cloaca_core.values.times.durations import LONGEST, read_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloaca_core.values.payloads.json_values import JsonValue
    from cloaca_core.values.times.durations import Duration

RateLike: TypeAlias = "str | tuple[int, Duration]"
"""A rate as programs give it: ``"100/m"``, ``"5/10s"``, or a count and a period."""

FORMS: Final = '"100/s", "100/m", "100/h", "100/d" or "5/10s", or a count and a period'
_SECOND: Final = 1_000_000
_UNITS: Final = {"d": 86_400 * _SECOND, "h": 3_600 * _SECOND, "m": 60 * _SECOND, "s": _SECOND}
"""The units of a period in µs, the longest first."""
_TEXT: Final = re.compile(r"([0-9]{1,18})/([0-9]{1,10}(?:\.[0-9]{1,6})?)?([a-z]+)", re.ASCII)
_LONGEST_US: Final = int(LONGEST) * _SECOND


@dataclass(frozen=True, slots=True)
class Rate:
    """At most ``count`` starts in each period, evenly spread; after a quiet time up to ``burst`` of
    them at once.
    """

    count: int
    period_us: int
    burst: int

    @property
    def text(self) -> str:
        """The rate without its burst, as ``read_rate`` reads it: ``100/m`` or ``5/10s``."""
        unit, length = next(
            ((unit, us) for unit, us in _UNITS.items() if self.period_us % us == 0),
            ("s", _SECOND),
        )
        number, rest = divmod(self.period_us, length)
        decimals = f".{rest:06}".rstrip("0") if rest else ""
        shown = "" if (number, rest) == (1, 0) else f"{number}{decimals}"
        return f"{self.count}/{shown}{unit}"

    def written(self) -> dict[str, JsonValue]:
        """Its JSON form."""
        return {"count": self.count, "period_us": self.period_us, "burst": self.burst}

    @classmethod
    def read(cls, written: Mapping[str, Any]) -> Rate:
        """The inverse of ``written``."""
        return cls(written["count"], written["period_us"], written["burst"])


def read_rate(name: str, rate: object, burst: object = None) -> Rate:
    """A rate as it is given for the parameter ``name``, and its burst. Without a burst it is the
    number of starts in a tenth of a second, at least 1.

    DefinitionTypeError for other types, DefinitionError for other values.
    """
    count, period_us = _read(name, rate)
    if count < 1:
        raise DefinitionError(f"{name} must have a count of at least 1, got {shown_number(count)}")
    if count > period_us:
        raise DefinitionError(f"{name} must be at most one in a microsecond, got {rate!a:.80}")
    if burst is None:
        return Rate(count, period_us, max(1, count * (_SECOND // 10) // period_us))
    return Rate(count, period_us, _burst(f"the burst of {name}", burst, count, period_us))


def _read(name: str, rate: object) -> tuple[int, int]:
    if isinstance(rate, str):
        return _of_text(name, rate)
    if not isinstance(rate, tuple):
        raise wrong_type(name, f"written as {FORMS}", rate)
    if len(rate) != 2:
        raise DefinitionTypeError(
            f"{name} must be written as {FORMS}, got a tuple of {len(rate)} members"
        )
    period_us = round(read_seconds(f"the period of {name}", rate[1]) * _SECOND)
    if not period_us:
        raise DefinitionError(f"the period of {name} must be greater than 0")
    return whole(f"the count of {name}", rate[0]), period_us


def _of_text(name: str, text: str) -> tuple[int, int]:
    found = _TEXT.fullmatch(text)
    if found is None or found[3] not in _UNITS:
        raise DefinitionError(f"{name} must be written as {FORMS}, got {text!a:.80}")
    number, _, decimals = (found[2] or "1").partition(".")
    unit_us = _UNITS[found[3]]
    millionths = int(number) * _SECOND + int(decimals.ljust(6, "0") or 0)
    period_us = millionths * unit_us // _SECOND
    if not 0 < period_us <= _LONGEST_US:
        raise DefinitionError(
            f"the period of {name} must be greater than 0 and at most {LONGEST:.0f} seconds, "
            f"got {text!a:.80}"
        )
    return int(found[1]), period_us


def _burst(name: str, given: object, count: int, period_us: int) -> int:
    """A burst that starts at this rate could save up within the longest duration."""
    burst = whole(name, given)
    most = max(1, _LONGEST_US * count // period_us)
    if not 1 <= burst <= most:
        raise DefinitionError(f"{name} must be 1 to {most}, got {shown_number(burst)}")
    return burst
