"""Checks the options of a submission about the start of its runs, and their priority."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from cloaca_core.definition.submission import NO_OPTIONS
from cloaca_core.engine.submit.start import AT_ONCE, Start
from cloaca_core.errors import (
    ConfigError,
    ConfigTypeError,
    DefinitionError,
    DefinitionTypeError,
    ScheduleError,
)
from cloaca_core.values.arguments import refuse_other_types, shown_number
from cloaca_core.values.times.durations import read_seconds
from cloaca_core.values.times.instants import read_instant

if TYPE_CHECKING:
    from cloaca_core.definition.submission import StartOptions

HIGHEST: Final = 100
"""Priorities are -100 to 100."""


def checked_start(given: StartOptions) -> Start:
    """The options as the engine takes them. A refusal names the parameter."""
    if given == NO_OPTIONS and given.detached is False:
        return AT_ONCE
    if given.run_at is not None and given.delay is not None:
        raise ConfigError("give run_at or delay, not both", field="delay")
    refuse_other_types("detached", given.detached, bool, "a bool")
    run_at = None if given.run_at is None else checked_instant("run_at", given.run_at)
    start_by, start_within = _latest(given.start_by)
    if run_at is not None and start_by is not None and start_by < run_at:
        raise ConfigError("start_by must not be before run_at", field="start_by")
    return Start(
        priority=None if given.priority is None else _priority(given.priority),
        run_at=run_at,
        delay=0 if given.delay is None else _duration("delay", given.delay),
        start_by=start_by,
        start_within=start_within,
        detached=given.detached,
    )


def _priority(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        kind = type(value).__name__
        raise ConfigTypeError(f"priority must be an int, not {kind}", field="priority")
    if not -HIGHEST <= value <= HIGHEST:
        raise ConfigError(
            f"priority must be -{HIGHEST} to {HIGHEST}, got {shown_number(value)}", field="priority"
        )
    return int(value)


def _latest(value: object) -> tuple[int | None, int | None]:
    """An instant or a duration, one of them."""
    if value is None:
        return None, None
    if isinstance(value, int | float | timedelta):
        return None, _duration("start_by", value)
    return checked_instant("start_by", value), None


def checked_instant(name: str, value: object) -> int:
    """Read the instant of an option; a refusal names the parameter."""
    try:
        return read_instant(name, value)
    except DefinitionTypeError as error:
        raise ConfigTypeError(str(error), field=name) from None
    except ScheduleError as error:
        raise ConfigError(str(error), field=name) from None


def _duration(name: str, value: object) -> int:
    return math.ceil(checked_seconds(name, value) * 1e6)


def checked_seconds(name: str, value: object) -> float:
    """Read the duration of an option; a refusal names the parameter."""
    try:
        return read_seconds(name, value)
    except DefinitionTypeError as error:
        raise ConfigTypeError(str(error), field=name) from None
    except DefinitionError as error:
        raise ConfigError(str(error), field=name) from None
