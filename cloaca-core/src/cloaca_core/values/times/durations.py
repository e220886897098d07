"""Durations as arguments: seconds, or a timedelta."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from cloaca_core.errors import DefinitionError
from cloaca_core.values.arguments import shown_number, wrong_type

if TYPE_CHECKING:
    from datetime import timedelta

Duration: TypeAlias = "float | timedelta"
"""Seconds, as a number or a timedelta."""

LONGEST: Final = 10.0**9
"""Seconds (32 years). A longer duration is a mistake, and instants must fit their columns."""


def read_seconds(name: str, value: object, *, otherwise: str = "") -> float:
    """The seconds of a duration of at least 0.

    ``name`` is the parameter's; ``otherwise`` names in the error message any other value that the
    caller accepts. DefinitionTypeError for other types, DefinitionError for other values.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds: float = value
    else:
        seconds = _of_timedelta(name, value, otherwise)
    if not 0 <= seconds <= LONGEST:
        raise DefinitionError(
            f"{name} must be 0 to {LONGEST:.0f} seconds, got {shown_number(seconds)}"
        )
    return float(seconds)


def _of_timedelta(name: str, value: object, otherwise: str) -> float:
    from datetime import timedelta  # here: a program that defines workflows may not need it

    if not isinstance(value, timedelta):
        raise wrong_type(name, f"a number of seconds or a timedelta{otherwise}", value)
    return value.total_seconds()
