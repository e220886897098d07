"""``NO_LIMIT``: the value for a time without a limit.

Not None: as an argument None means the default.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import Final

WORD: Final = "none"
"""The word for ``NO_LIMIT`` in environment variables and files."""


class NoLimit(Enum):
    """The type of ``cloaca.NO_LIMIT``, its only value, for annotations: ``float | NoLimit``."""

    NO_LIMIT = WORD

    def __repr__(self) -> str:
        return "cloaca.NO_LIMIT"

    __str__ = __repr__


NO_LIMIT: Final = NoLimit.NO_LIMIT
"""The value for tasks and runs without a time limit."""


def in_seconds(limit: float | NoLimit) -> float:
    """A time limit as a number of seconds: ``math.inf`` for none."""
    return math.inf if isinstance(limit, NoLimit) else limit
