"""``MISSING``: marks an option that was left out, where None is a value of its own."""

from __future__ import annotations

from enum import Enum
from typing import Final


class Missing(Enum):
    """The type of ``cloaca.MISSING``, its only value, for annotations."""

    MISSING = "missing"

    def __repr__(self) -> str:
        return "cloaca.MISSING"

    __str__ = __repr__


MISSING: Final = Missing.MISSING
"""No value was given."""
