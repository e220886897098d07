"""``sleep``: a node that waits for a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from cloaca_core.definition.nodes.declare import declare
from cloaca_core.definition.waits.kinds import Sleep
from cloaca_core.definition.waits.options import read_until
from cloaca_core.errors import DefinitionError, DefinitionTypeError
from cloaca_core.values.arguments import wrong_type
from cloaca_core.values.node import Node, Reference
from cloaca_core.values.times.durations import Duration, read_seconds

if TYPE_CHECKING:
    from datetime import datetime


def sleep(
    id: str,  # noqa: A002 - the public name of the parameter
    *,
    seconds: Duration | None = None,
    until: datetime | str | None = None,
    until_key: str | tuple[str, ...] | None = None,
    dependencies: Sequence[Reference] | None = None,
    trigger_rules: Mapping[str, object] | None = None,
) -> Node:
    """Make a node of the workflow whose builder block is open that is Completed after a time, and
    changes nothing. No runner keeps the run in memory meanwhile.

    * ``id``: as a task's
    * ``seconds``: at least 0, from when all dependencies have ended; also as a timedelta
    * ``until``: a datetime with a time zone, or an RFC 3339 text with an offset; one in the past is
      over at once
    * ``until_key``: a key of the context, or a tuple of keys, one within the other; there the node
      finds such a text when it begins to wait
    * ``dependencies``: a list of ids, functions or nodes, also of tasks further down; none
    * ``trigger_rules``: as a task's. Without one a node is skipped like a task, and also if all
      tasks that it depends on were skipped by their rules

    Exactly one of ``seconds``, ``until`` and ``until_key`` is given. ``DefinitionError``
    (ValueError) or ``DefinitionTypeError`` (TypeError) names the option and what is accepted.
    """
    given = [each for each in (seconds, until, until_key) if each is not None]
    if len(given) != 1:
        raise DefinitionError(
            f"sleep() needs exactly one of seconds, until and until_key, got {len(given)} of them"
        )
    wait = Sleep(
        seconds=None if seconds is None else read_seconds("seconds", seconds),
        until=None if until is None else read_until("until", until),
        until_key=None if until_key is None else _keys(until_key),
    )
    in_body = "handle.sleep or handle.sleep_until"
    return declare("sleep", id, wait, dependencies, trigger_rules, in_body=in_body)


def _keys(given: object) -> tuple[str, ...]:
    keys = (given,) if isinstance(given, str) else given
    if not isinstance(keys, tuple):
        raise wrong_type("until_key", "a str, or a tuple of str", given)
    if not keys:
        raise DefinitionError("until_key must name at least one key, got an empty tuple")
    for key in keys:
        if not isinstance(key, str):
            raise DefinitionTypeError(
                f"until_key must be a tuple of str, it has one of {type(key).__name__}"
            )
    return keys
