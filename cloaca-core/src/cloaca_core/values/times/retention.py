"""For how long ended runs are kept: as programs say it, and as rows hold it."""

from __future__ import annotations

import math
from typing import Final, TypeAlias

from cloaca_core.errors import DefinitionError
from cloaca_core.values.arguments import number
from cloaca_core.values.times.no_limit import NoLimit

Retention: TypeAlias = float | NoLimit
"""Days, or ``NO_LIMIT``."""

MOST_DAYS: Final = 100_000
"""More (273 years) is a mistake, and instants must fit their columns."""
FOR_EVER: Final = -1
"""``NO_LIMIT`` in a row, where NULL means that the runner decides."""
DAY_US: Final = 86_400_000_000


class UsualDays(int):
    """The default of ``retention_days``. It is told from the same number that a program has set: an
    upgraded database keeps everything until one has.
    """


def read_retention(name: str, value: object) -> Retention:
    """Check days above 0, or ``NO_LIMIT``. ``name`` is the parameter's."""
    if isinstance(value, NoLimit):
        return value
    days = number(name, value)
    if not 0 < days <= MOST_DAYS:
        raise DefinitionError(
            f"{name} must be greater than 0, at most {MOST_DAYS}, or cloaca.NO_LIMIT, got {value}"
        )
    return days


def stored_retention(retention: Retention | None) -> int | None:
    """The retention in µs, as a row holds it."""
    if retention is None:
        return None
    return FOR_EVER if isinstance(retention, NoLimit) else math.ceil(retention * DAY_US)
