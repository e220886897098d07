"""``@trigger``: registers a function as a trigger, in the program's registry or another one.

The decorated function stays unchanged. Nothing is polled here: a runner does that.
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
    run. Any number of runners may have the trigger: one of them makes each poll. An exception of
    the function is logged and starts no run. The function stays the plain function.

    Options are keywords; None means the default, which stands last in each line.

    * ``name``: 1 to 255 characters without ``::``; a trigger of the same name is replaced; the
      function's name
    * ``on``: the workflow to run, its name or ``tenant::package::workflow``, which need not exist
      yet; none, which makes the trigger a declaration that is listed and never polled
    * ``poll_interval``: ``100ms``, ``5s``, ``1m`` or ``2h``; also the time from registering the
      trigger, or opening the runner, to the first poll; ``30s``
    * ``cron``, ``timezone``: a cron expression in an IANA zone. At each tick the workflow runs,
      and the function is not called; no cron, UTC
    * ``allow_concurrent``: whether a run starts while another one of this trigger with the same
      context has not ended; False
    * ``registry``: the registry to add it to; the program's own

    A run's input is the fired context with ``trigger_name`` and ``triggered_at``. Wrong arguments
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
