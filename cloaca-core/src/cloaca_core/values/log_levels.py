"""The levels of lines, by name and by number."""

from __future__ import annotations

import logging
from typing import Final

from cloaca_core.errors import DefinitionError
from cloaca_core.values.arguments import wrong_type

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
OFF: Final = "none"
"""The setting that keeps no line."""
_NUMBERS: Final = {name: logging.getLevelNamesMapping()[name] for name in LEVELS}
_BEYOND: Final = 2**31


def is_setting(level: str) -> bool:
    """Whether this names a level, or none; case does not count."""
    return level.lower() == OFF or level.upper() in LEVELS


def least_number(setting: str) -> int:
    """The number of the least level that is kept; for ``OFF`` a number above all levels."""
    return _BEYOND if setting.lower() == OFF else _NUMBERS[setting.upper()]


def is_off(least: int) -> bool:
    """Whether this is the number of ``OFF``."""
    return least == _BEYOND


def checked_level(level: object) -> tuple[str, int]:
    """The name and number of a level that a body has given, as ``logging`` knows them."""
    if isinstance(level, str):
        return _named(level.upper())
    if isinstance(level, bool) or not isinstance(level, int):
        raise wrong_type("level", "the name or the number of a level", level)
    return logging.getLevelName(level), level


def _named(name: str) -> tuple[str, int]:
    number = _NUMBERS.get(name)
    if number is None and (number := logging.getLevelNamesMapping().get(name)) is None:
        raise DefinitionError(f"level: unknown level {name!r}; there are {', '.join(LEVELS)}")
    return name, number
