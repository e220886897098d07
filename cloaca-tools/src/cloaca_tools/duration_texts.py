"""Durations as people write them in options and filters: ``90``, ``2.5s``, ``10m``, ``1d12h``."""

from __future__ import annotations

import re
from typing import Final

_SECONDS: Final = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_TEXT: Final = re.compile(
    r"(?=\d)(?:(\d{1,6})w)?(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?"
    r"(?:(\d{1,9}(?:\.\d{1,6})?)s?)?",
    re.IGNORECASE,
)


def seconds_of(text: str) -> float | None:
    """The seconds of a text; None if it is no duration. A number without a unit is in seconds."""
    found = _TEXT.fullmatch(text)
    if found is None:
        return None
    parts = zip(found.groups(), _SECONDS.values(), strict=True)
    return float(sum([float(count) * each for count, each in parts if count]))


def seconds_with_unit(text: str) -> float | None:
    """The same for a duration that ends with a unit, so that it is not taken for a number."""
    return seconds_of(text) if text[-1:].isalpha() else None
