"""A trigger's definition: checked, immutable, with the user's own function.

Calls nothing, and knows neither a registry nor when a trigger is polled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cloaca_core.definition.callables import call_signature, is_async_callable
from cloaca_core.definition.triggers.durations import read_duration
from cloaca_core.errors import DefinitionError
from cloaca_core.values.arguments import flag, text, wrong_type
from cloaca_core.values.namespace import SEPARATOR, check_name

DEFAULT_INTERVAL: Final = "30s"


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Trigger:
    """One trigger. ``workflow`` is a short or full name, None for a declaration.

    It is polled every ``interval_ms``, or fires at the ticks of ``cron_expression``. Triggers are
    compared by identity: a trigger that is defined again is a new one.
    """

    name: str
    function: Callable[[], object]
    workflow: str | None
    interval_ms: int | None
    cron_expression: str | None
    timezone: str | None
    allow_concurrent: bool

    @property
    def is_async(self) -> bool:
        """True when the function is called on a loop."""
        return is_async_callable(self.function)


@dataclass(frozen=True, slots=True)
class Options:
    """Checked options of ``trigger(...)``."""

    name: str | None
    workflow: str | None
    interval_ms: int | None
    cron_expression: str | None
    timezone: str | None
    allow_concurrent: bool

    def of(self, function: Callable[[], object]) -> Trigger:
        """Make a function's trigger."""
        if not callable(function):
            raise wrong_type("trigger", "put on a function", function)
        _refuse_parameters(function)
        name = _name_of(function) if self.name is None else self.name
        return Trigger(
            name,
            function,
            self.workflow,
            self.interval_ms,
            self.cron_expression,
            self.timezone,
            self.allow_concurrent,
        )


def checked(
    name: object,
    on: object,
    poll_interval: object,
    cron: object,
    timezone: object,
    allow_concurrent: object,
) -> Options:
    """Check options. None means the default."""
    if name is not None:
        check_name(name, "trigger(name=...)")
    workflow = None if on is None else _workflow_name(on)
    concurrent = False if allow_concurrent is None else flag("allow_concurrent", allow_concurrent)
    interval, expression, zone = None, None, None
    if cron is None:
        _refuse_zone(timezone)
        given = DEFAULT_INTERVAL if poll_interval is None else poll_interval
        interval = read_duration("poll_interval", given)
    else:
        _refuse_interval(poll_interval)
        expression, zone = _cron(cron, workflow, timezone)
    return Options(
        name if name is None else str(name), workflow, interval, expression, zone, concurrent
    )


def _cron(cron: object, workflow: str | None, timezone: object) -> tuple[str, str]:
    cron = text("cron", cron)
    if workflow is None:
        raise DefinitionError(
            "trigger(cron=...) requires 'on': the workflow that runs at each tick"
        )
    zone = "UTC" if timezone is None else timezone
    zone = text("timezone", zone)
    # Imported here: cron and time zones would make ``import cloaca`` a tenth slower.
    from cloaca_core.definition.cron.expression import CronExpression

    CronExpression(cron, zone)
    return cron, zone


def _refuse_interval(poll_interval: object) -> None:
    if poll_interval is not None:
        raise DefinitionError("trigger cannot have both 'cron' and 'poll_interval': pick one")


def _refuse_zone(timezone: object) -> None:
    if timezone is not None:
        raise DefinitionError("trigger(timezone=...) is for 'cron', which is not given")


def _workflow_name(on: object) -> str:
    """A name, or ``tenant::package::workflow``; that workflow need not exist yet."""
    on = text("trigger(on=...)", on)
    parts = on.split(SEPARATOR)
    if len(parts) not in (1, 3):
        raise DefinitionError(
            "trigger(on=...) must be a workflow's name or tenant::package::workflow, "
            f"got {on!r:.100}"
        )
    for part in parts:
        check_name(part, "trigger(on=...)")
    return str.__str__(on)


def _name_of(function: Callable[[], object]) -> str:
    name = getattr(function, "__name__", None)
    if name is None:
        raise DefinitionError(
            f"{type(function).__name__} has no __name__: say what the trigger is called with "
            "trigger(name=...)"
        )
    return check_name(name, "the trigger's function")


def _refuse_parameters(function: Callable[[], object]) -> None:
    """Refuse a function with required parameters now: it would fail at each poll."""
    signature = call_signature(function)
    if signature is None:
        return
    try:
        signature.bind()
    except TypeError:
        raise DefinitionError(
            f"a trigger's function is called without arguments, but this one takes {signature}"
        ) from None
