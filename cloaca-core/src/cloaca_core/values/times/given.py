"""Reads instants and durations that a caller gives; a refusal names the parameter."""

from __future__ import annotations

from cloaca_core.errors import (
    ConfigError,
    ConfigTypeError,
    DefinitionError,
    DefinitionTypeError,
    ScheduleError,
)
from cloaca_core.values.times.durations import read_seconds
from cloaca_core.values.times.instants import read_instant


def checked_instant(name: str, value: object) -> int:
    """Read the instant of an option; a refusal names the parameter."""
    try:
        return read_instant(name, value)
    except DefinitionTypeError as error:
        raise ConfigTypeError(str(error), field=name) from None
    except ScheduleError as error:
        raise ConfigError(str(error), field=name) from None


def checked_seconds(name: str, value: object) -> float:
    """Read the duration of an option; a refusal names the parameter."""
    try:
        return read_seconds(name, value)
    except DefinitionTypeError as error:
        raise ConfigTypeError(str(error), field=name) from None
    except DefinitionError as error:
        raise ConfigError(str(error), field=name) from None
