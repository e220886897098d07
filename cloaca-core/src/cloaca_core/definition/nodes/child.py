"""``child``: a node that runs another workflow, and waits for its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cloaca_core.definition.maps.options import MapSource, map_options
from cloaca_core.definition.nodes.declare import declare
from cloaca_core.definition.rules import Rule, asks_none_failed, rule_tasks
from cloaca_core.definition.waits.kinds import Child, Constant, Loop
from cloaca_core.definition.written_rules import parse_rule
from cloaca_core.errors import ContextError, ContextTypeError, DefinitionError, DefinitionTypeError
from cloaca_core.values.arguments import text, wrong_type
from cloaca_core.values.map_items import ITEM_KEYS
from cloaca_core.values.node import Node, Reference
from cloaca_core.values.option_names import ItemPolicyName, MapResultsName
from cloaca_core.values.payloads.json_values import normalise
from cloaca_core.values.queue_names import checked_queue
from cloaca_core.values.times.durations import Duration
from cloaca_core.values.times.no_limit import NoLimit
from cloaca_core.values.times.time_limits import read_time_limit, stored_limit

HIGHEST = 100


def child(
    id: str,  # noqa: A002 - the public name of the parameter
    workflow_name: str,
    *,
    context: Mapping[str, str | tuple[str, ...] | Constant] | None = None,
    outputs: Sequence[str] | None = None,
    map: MapSource | None = None,  # noqa: A002 - the public name of the parameter
    label: str | None = None,
    max_parallel: int | None = None,
    item_policy: ItemPolicyName | None = None,
    results: MapResultsName | None = None,
    queue: str | None = None,
    priority: int | None = None,
    time_limit: Duration | NoLimit | None = None,
    tags: Mapping[str, str] | None = None,
    dependencies: Sequence[Reference] | None = None,
    trigger_rules: Mapping[str, object] | None = None,
) -> Node:
    """Make a node of the workflow whose builder block is open that runs another workflow as a child
    of its run. The child's final context becomes the value of ``id`` in the context. No runner
    keeps the run in memory meanwhile.

    * ``id``: as a task's
    * ``workflow_name``: the name of the workflow, which is looked up when the node starts
    * ``context``: the child's input: for each key of it a key of this context, a tuple of keys, one
      within the other, or ``cloaca.constant(value)``; the context that the node sees
    * ``outputs``: the keys of the child's final context that are kept; all
    * ``map``, ``label``, ``max_parallel``, ``item_policy``, ``results``: as a task's. Each item is
      a child run. Its input has the keys ``item``, ``index`` and ``label`` as well, and ``context``
      may name these as keys of this context. Without ``context`` each child gets the list of all
      items as well; with many items give ``context``. The value of ``id`` has what is kept of each
      child
    * ``queue``, ``priority``, ``time_limit``, ``tags``: as of ``Client.submit``
    * ``dependencies``: a list of ids, functions or nodes, also of tasks further down; none
    * ``trigger_rules``: as a task's. Without one a node is skipped like a task, and also if all
      tasks that it depends on were skipped by their rules

    The node fails with ``ChildFailedError`` if the child fails, with ``RunCancelledError`` if that
    is cancelled. ``DefinitionError`` (ValueError) or ``DefinitionTypeError`` (TypeError) names the
    option, what was given and what is accepted.
    """
    limit = None if time_limit is None else read_time_limit("time_limit", time_limit)
    of_items = map_options(
        map,
        label=label,
        max_parallel=max_parallel,
        item_policy=item_policy,
        results=results,
        called="child",
    )
    if of_items is not None and (taken := ITEM_KEYS & frozenset(context or ())):
        raise DefinitionError(
            f"context must not have {min(taken)!r}: the child of an item gets that key anyway"
        )
    wait = Child(
        workflow=text("workflow_name", workflow_name),
        context=None if context is None else _sources(context),
        outputs=None if outputs is None else _outputs(outputs),
        queue=None if queue is None else checked_queue("queue", queue),
        priority=_priority(priority),
        time_limit=None if limit is None else stored_limit(limit),
        tags=_tags(tags),
    )
    in_body = "handle.run_workflow"
    return declare(
        "child", id, wait, dependencies, trigger_rules, in_body=in_body, of_items=of_items
    )


def loop(
    id: str,  # noqa: A002 - the public name of the parameter
    workflow_name: str,
    *,
    until: Mapping[str, object],
    max_iterations: int,
    context: Mapping[str, str | tuple[str, ...] | Constant] | None = None,
    outputs: Sequence[str] | None = None,
    queue: str | None = None,
    priority: int | None = None,
    time_limit: Duration | NoLimit | None = None,
    tags: Mapping[str, str] | None = None,
    dependencies: Sequence[Reference] | None = None,
    trigger_rules: Mapping[str, object] | None = None,
) -> Node:
    """Make a node of the workflow whose builder block is open that runs another workflow again and
    again, until the final context of a run satisfies a condition; it becomes the value of ``id``.
    The input of each run but the first is the final context of the one before, laid over the input
    of the first.

    * ``until``: a condition on that context: ``context_value(…)``, or ``all_of``, ``any_of`` and
      ``none_of`` such
    * ``max_iterations``: after so many runs the node fails with ``LoopError``

    The other options and failures are those of ``child``.
    """
    rule = _condition(until)
    if rule_tasks(rule) or asks_none_failed(rule):
        raise DefinitionError(
            "until must be about the context: context_value(...) and all of these"
        )
    if isinstance(max_iterations, bool) or not isinstance(max_iterations, int):
        raise wrong_type("max_iterations", "an int", max_iterations)
    if max_iterations < 1:
        raise DefinitionError(f"max_iterations must be at least 1, got {max_iterations}")
    limit = None if time_limit is None else read_time_limit("time_limit", time_limit)
    wait = Loop(
        workflow=text("workflow_name", workflow_name),
        context=None if context is None else _sources(context),
        outputs=None if outputs is None else _outputs(outputs),
        queue=None if queue is None else checked_queue("queue", queue),
        priority=_priority(priority),
        time_limit=None if limit is None else stored_limit(limit),
        tags=_tags(tags),
        until=rule,
        max_iterations=max_iterations,
    )
    return declare("loop", id, wait, dependencies, trigger_rules, in_body="handle.run_workflow")


def constant(value: object) -> Constant:
    """A JSON value that a child run gets as it is."""
    try:
        return Constant(normalise(value, "constant"))
    except ContextTypeError as error:
        raise DefinitionTypeError(str(error)) from None
    except ContextError as error:
        raise DefinitionError(str(error)) from None


def _condition(given: object) -> Rule:
    try:
        return parse_rule(given)
    except DefinitionError as error:
        reason = str(error).partition("invalid trigger rule: ")[2]
        raise type(error)(f"until must be a condition on the context: {reason or error}") from None


def _sources(
    given: object,
) -> tuple[tuple[str, tuple[str, ...] | Constant], ...]:
    if not isinstance(given, Mapping):
        raise wrong_type("context", "a mapping of keys", given)
    return tuple((text("a key of context", key), _source(key, each)) for key, each in given.items())


def _source(key: str, given: object) -> tuple[str, ...] | Constant:
    if isinstance(given, Constant):
        return given
    path = (given,) if isinstance(given, str) else given
    if not isinstance(path, tuple) or not path or not all(isinstance(each, str) for each in path):
        raise wrong_type(
            f"context[{key!r}]", "a key, a tuple of keys or cloaca.constant(...)", given
        )
    return path


def _outputs(given: object) -> tuple[str, ...]:
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise wrong_type("outputs", "a list of keys", given)
    return tuple(text("an item of outputs", each) for each in given)


def _priority(given: object) -> int | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int):
        raise wrong_type("priority", "an int", given)
    if not -HIGHEST <= given <= HIGHEST:
        raise DefinitionError(f"priority must be -{HIGHEST} to {HIGHEST}, got {given}")
    return given


def _tags(given: object) -> tuple[tuple[str, str], ...]:
    if given is None:
        return ()
    if not isinstance(given, Mapping):
        raise wrong_type("tags", "a mapping", given)
    return tuple(
        (text("a key of tags", key), text(f"tags[{key!r}]", each)) for key, each in given.items()
    )
