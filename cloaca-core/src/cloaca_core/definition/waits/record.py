"""Nodes without a body in the record of a workflow: their options as JSON, and back.

The record serves programs without the code, so it has the JSON schema of an approval's data and not
their type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, assert_never

from cloaca_core.definition.waits.kinds import (
    Approval,
    Child,
    Constant,
    Loop,
    NodeWait,
    Sleep,
    WaitFor,
)
from cloaca_core.definition.written_rules import parse_rule, to_dict
from cloaca_core.values.missing import MISSING, Missing
from cloaca_core.values.payloads.json_values import JsonValue
from cloaca_core.values.times.instants import instant_text, read_instant

_DEFAULT: Final = "default"
"""Left out of the record of a node that has none: null is a value."""


def written_wait(wait: NodeWait) -> dict[str, JsonValue]:
    """The options of a node; its kind stands beside them."""
    match wait:
        case Sleep(seconds, until, keys):
            return {
                "seconds": seconds,
                "until": instant_text(until),
                "until_key": None if keys is None else list(keys),
            }
        case WaitFor(event, timeout, default):
            return {"event": event, "timeout": timeout, **_written_default(default)}
        case Approval():
            return {
                "prompt": wait.prompt,
                "choices": list(wait.choices),
                "schema": None if wait.schema is None else dict(wait.schema),
                "timeout": wait.timeout,
                "reject_policy": wait.reject_policy,
                **_written_default(wait.default),
            }
        case Child():
            loop: dict[str, JsonValue] = {}
            if isinstance(wait, Loop):
                loop = {"until": dict(to_dict(wait.until)), "max_iterations": wait.max_iterations}
            return {
                **loop,
                "workflow": wait.workflow,
                "context": None
                if wait.context is None
                else dict(map(_written_source, wait.context)),
                "outputs": None if wait.outputs is None else list(wait.outputs),
                "queue": wait.queue,
                "priority": wait.priority,
                "time_limit": wait.time_limit,
                "tags": dict(wait.tags),
            }
        case _:
            assert_never(wait)


def read_wait(kind: str, read: Mapping[str, Any]) -> NodeWait | None:
    """The inverse of ``written_wait``; None for a kind that a newer version has."""
    match kind:
        case Sleep.kind:
            until, keys = read["until"], read["until_key"]
            return Sleep(
                read["seconds"],
                None if until is None else read_instant("until", until),
                None if keys is None else tuple(keys),
            )
        case WaitFor.kind:
            return WaitFor(read["event"], read["timeout"], read.get(_DEFAULT, MISSING))
        case Approval.kind:
            return Approval(
                prompt=read["prompt"],
                choices=tuple(read["choices"]),
                schema=read["schema"],
                timeout=read["timeout"],
                default=read.get(_DEFAULT, MISSING),
                reject_policy=read["reject_policy"],
            )
        case Child.kind:
            return Child(**_read_child(read))
        case Loop.kind:
            most, until = read["max_iterations"], parse_rule(read["until"])
            return Loop(**_read_child(read), until=until, max_iterations=most)
        case _:
            return None


def _read_child(read: Mapping[str, Any]) -> dict[str, Any]:
    context, outputs = read["context"], read["outputs"]
    return {
        "workflow": read["workflow"],
        "context": None if context is None else tuple(map(_read_source, context.items())),
        "outputs": None if outputs is None else tuple(outputs),
        "queue": read.get("queue"),  # left out by an earlier version
        "priority": read["priority"],
        "time_limit": read["time_limit"],
        "tags": tuple(read["tags"].items()),
    }


def _written_source(item: tuple[str, tuple[str, ...] | Constant]) -> tuple[str, JsonValue]:
    key, source = item
    if isinstance(source, Constant):
        return key, {"constant": source.value}
    return key, {"path": list(source)}


def _read_source(item: tuple[str, Mapping[str, Any]]) -> tuple[str, tuple[str, ...] | Constant]:
    key, source = item
    return key, Constant(source["constant"]) if "constant" in source else tuple(source["path"])


def _written_default(default: JsonValue | Missing) -> dict[str, JsonValue]:
    return {} if isinstance(default, Missing) else {_DEFAULT: default}
