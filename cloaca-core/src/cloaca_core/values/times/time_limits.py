"""Time limits of runs: as programs give them, and as rows hold them."""

from __future__ import annotations

import math
from typing import Final, TypeAlias

from cloaca_core.errors import DefinitionError
from cloaca_core.values.times.durations import read_seconds
from cloaca_core.values.times.no_limit import NO_LIMIT, NoLimit

TimeLimit: TypeAlias = float | NoLimit
"""Seconds, or ``NO_LIMIT``."""

_NONE: Final = -1
"""``NO_LIMIT`` in a row, where NULL means that no limit was given."""


def read_time_limit(name: str, value: object) -> TimeLimit:
    """A limit as it is given: a duration above 0, or ``NO_LIMIT``. ``name`` is the parameter's."""
    if isinstance(value, NoLimit):
        return value
    seconds = read_seconds(name, value, otherwise=" or cloaca.NO_LIMIT")
    if _us(seconds) == 0:
        raise DefinitionError(
            f"{name} must be greater than 0, got {value}; cloaca.NO_LIMIT is for none"
        )
    return seconds


def stored_limit(limit: TimeLimit | None) -> int | None:
    """The limit in µs, as a row holds it."""
    if limit is None:
        return None
    return _NONE if isinstance(limit, NoLimit) else _us(limit)


def limit_of_row(stored: int | None) -> TimeLimit | None:
    """The inverse of ``stored_limit``."""
    if stored is None:
        return None
    return NO_LIMIT if stored == _NONE else stored / 1e6


def _us(seconds: float) -> int:
    return math.ceil(seconds * 1e6)
