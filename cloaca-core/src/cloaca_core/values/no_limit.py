"""``NO_LIMIT``: how a program says that a time has no limit.

None cannot say it: as an argument it stands for the default.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

WORD: Final = "none"
"""How an environment variable or a file says it."""


class NoLimit(Enum):
    """The type of ``cloaca.NO_LIMIT``, its only value, for annotations: ``float | NoLimit``."""

    NO_LIMIT = WORD

    def __repr__(self) -> str:
        return "cloaca.NO_LIMIT"

    __str__ = __repr__


NO_LIMIT: Final = NoLimit.NO_LIMIT
"""The time limit of a task or of runs that is to have none."""
