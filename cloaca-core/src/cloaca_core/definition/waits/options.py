"""Checks options of waits, of nodes and of bodies alike."""

from __future__ import annotations

from cloaca_core.errors import DefinitionError, ScheduleError
from cloaca_core.values.arguments import text
from cloaca_core.values.missing import Missing
from cloaca_core.values.namespace import LONGEST_NAME
from cloaca_core.values.text import MAX_TEXT, is_storable
from cloaca_core.values.times.durations import Duration, read_seconds
from cloaca_core.values.times.instants import read_instant


def read_until(name: str, until: object) -> int:
    """The instant of a datetime with a time zone, or of a text; ``name`` is the parameter's."""
    try:
        return read_instant(name, until)
    except ScheduleError as error:
        raise DefinitionError(str(error)) from None


def read_timeout(timeout: Duration | None, default: object) -> float | None:
    """The seconds after which a wait ends, above 0; None for a wait without an end, which has no
    ``default`` either.
    """
    if timeout is None:
        if not isinstance(default, Missing):
            raise DefinitionError(
                "default is taken when the time is over, so it needs a timeout, which is not given"
            )
        return None
    seconds = read_seconds("timeout", timeout, otherwise=" or None")
    if seconds < 1e-6:
        raise DefinitionError(f"timeout must be greater than 0, got {timeout}; None is for none")
    return seconds


def short_text(name: str, value: object) -> str:
    """``value`` if it is a text of 1 to 255 characters that every database can store."""
    return storable(name, value, LONGEST_NAME)


def storable(name: str, value: object, most: int = MAX_TEXT) -> str:
    """``value`` if it is a text of 1 to ``most`` characters that every database can store."""
    given = text(name, value)
    if not 1 <= len(given) <= most or not is_storable(given):
        raise DefinitionError(
            f"{name} must have 1 to {most} characters, no NUL and no lone surrogate, "
            f"got {given!a:.80}"
        )
    return str.__str__(given)
