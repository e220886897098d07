"""When a new run may start, and which other runs start before it: the options, checked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from cloaca_core.definition.submission import NO_OPTIONS
from cloaca_core.errors import (
    ConfigError,
    ConfigTypeError,
    DefinitionError,
    DefinitionTypeError,
)
from cloaca_core.values.arguments import refuse_other_types, shown_number
from cloaca_core.values.queue_names import checked_queue
from cloaca_core.values.times.given import checked_instant, checked_seconds

if TYPE_CHECKING:
    from cloaca_core.definition.submission import StartOptions

HIGHEST: Final = 100
"""Priorities are -100 to 100."""


@dataclass(frozen=True, slots=True)
class Start:
    """The start options of a request. Instants and times are in µs.

    ``priority`` None means the priority of the run whose body submits, or 0. A run is due at
    ``run_at``, or ``delay`` after it was submitted. It is cancelled if it has not begun by
    ``start_by``, or ``start_within`` after it was due. A run that is ``detached`` is not paused or
    cancelled with the run whose body submits it. ``queue`` is the queue of its tasks that name
    none; None means that of the workflow.
    """

    priority: int | None = None
    run_at: int | None = None
    delay: int = 0
    start_by: int | None = None
    start_within: int | None = None
    detached: bool = False
    queue: str | None = None

    def due_at(self, now: int) -> int | None:
        """The instant before which the run must not start; None if it may start at once. ``now``
        and the answer are by the store's clock.
        """
        due_at = now + self.delay if self.run_at is None else self.run_at
        return due_at if due_at > now else None

    def latest(self, now: int, due_at: int | None) -> int | None:
        """The instant by which the run must have begun, None for no limit."""
        if self.start_within is None:
            return self.start_by
        return self.start_within + (now if due_at is None else due_at)


AT_ONCE: Final = Start()
"""No options."""


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
        queue=None if given.queue is None else _queue(given.queue),
    )


def _queue(name: object) -> str:
    try:
        return checked_queue("queue", name)
    except DefinitionTypeError as error:
        raise ConfigTypeError(str(error), field="queue") from None
    except DefinitionError as error:
        raise ConfigError(str(error), field="queue") from None


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


def _duration(name: str, value: object) -> int:
    return math.ceil(checked_seconds(name, value) * 1e6)
