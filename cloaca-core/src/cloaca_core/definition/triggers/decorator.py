"""``@trigger``: makes a function a trigger of the program, or of a registry of one's own.

The decorated function stays what it was. Nothing is polled here: a runner does that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from cloaca_core.definition.registry import Registry, default_registry
from cloaca_core.definition.triggers.definition import checked
from cloaca_core.values.arguments import refuse_other_types

FunctionT = TypeVar("FunctionT", bound=Callable[[], Any])


def trigger(
    *,
    name: str | None = None,
    on: str | None = None,
    poll_interval: str | None = None,
    cron: str | None = None,
    timezone: str | None = None,
    allow_concurrent: bool | None = False,
    registry: Registry | None = None,
) -> Callable[[FunctionT], FunctionT]:
    """Run a workflow whenever the decorated function says so, or at the ticks of ``cron``.

    The function takes no arguments, may be ``async``, and returns ``TriggerResult.fire(context)``,
    ``TriggerResult.skip()``, a bool for one of these, or a list of results, each of which makes a
    run. Any number of runners may have the trigger: each poll is made by one of them. What the
    function raises is logged and fires nothing. It stays the plain function.

    Options are keywords; None means the default, which stands last in each line.

    * ``name``: 1 to 255 characters without ``::``; one that is defined again replaces the earlier
      one; the function's name
    * ``on``: the workflow to run, its name or ``tenant::package::workflow``, which need not be
      there yet; none, which makes it a declaration that is listed and never polled
    * ``poll_interval``: ``100ms``, ``5s``, ``1m`` or ``2h``; the first poll comes so long after
      the trigger was registered, or the runner opened; ``30s``
    * ``cron``, ``timezone``: a cron expression in an IANA zone. At each tick the workflow runs,
      and the function is not called; no cron, UTC
    * ``allow_concurrent``: whether a run begins although one of this trigger with the same context
      has not ended; False
    * ``registry``: where it is registered; the program's own

    A run begins with what was fired, and ``trigger_name`` and ``triggered_at``. Wrong arguments
    are a ``DefinitionError`` (ValueError, or TypeError for a type), a wrong expression or zone a
    ``CronExpressionError`` (ValueError).
    """
    options = checked(name, on, poll_interval, cron, timezone, allow_concurrent)
    if registry is not None:
        refuse_other_types("registry", registry, Registry, "a Registry")
    place = default_registry() if registry is None else registry

    def registered(function: FunctionT) -> FunctionT:
        place.register_trigger(options.of(function))
        return function

    return registered
