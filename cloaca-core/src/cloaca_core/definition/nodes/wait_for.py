"""``wait_for``: a node that waits for an event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cloaca_core.definition.nodes.declare import declare
from cloaca_core.definition.waits.kinds import WaitFor
from cloaca_core.definition.waits.options import read_timeout, short_text
from cloaca_core.errors import ContextError, ContextTypeError, DefinitionError, DefinitionTypeError
from cloaca_core.values.missing import MISSING, Missing
from cloaca_core.values.node import Node, Reference
from cloaca_core.values.payloads.json_values import JsonValue, normalise
from cloaca_core.values.times.durations import Duration


def wait_for(
    id: str,  # noqa: A002 - the public name of the parameter
    event: str | None = None,
    *,
    timeout: Duration | None = None,
    default: Any = MISSING,
    dependencies: Sequence[Reference] | None = None,
    trigger_rules: Mapping[str, object] | None = None,
) -> Node:
    """Make a node of the workflow whose builder block is open that waits for an event of its run.
    The payload of the event becomes the value of ``id`` in the context. No runner keeps the run in
    memory meanwhile.

    * ``id``: as a task's
    * ``event``: the name of the event, 1 to 255 characters; the node's id
    * ``timeout``: seconds above 0, or a timedelta, from when all dependencies have ended; none
    * ``default``: the value in place of a payload when the time is over, also None; without it the
      node fails with ``EventTimeoutError``
    * ``dependencies``: a list of ids, functions or nodes, also of tasks further down; none
    * ``trigger_rules``: as a task's. Without one a node is skipped like a task, and also if all
      tasks that it depends on were skipped by their rules

    ``DefinitionError`` (ValueError) or ``DefinitionTypeError`` (TypeError) names the option, what
    was given and what is accepted.
    """
    wait = WaitFor(
        event=short_text("event", id if event is None else event),
        timeout=read_timeout(timeout, default),
        default=_storable(default),
    )
    return declare("wait_for", id, wait, dependencies, trigger_rules, in_body="handle.wait_for")


def _storable(default: object) -> JsonValue | Missing:
    if isinstance(default, Missing):
        return default
    try:
        return normalise(default, "default")
    except ContextTypeError as error:
        raise DefinitionTypeError(str(error)) from None
    except ContextError as error:
        raise DefinitionError(str(error)) from None
