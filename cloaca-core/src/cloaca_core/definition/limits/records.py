"""The limits of tasks and of runs in the record of a workflow: names and keys, without settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloaca_core.definition.limits.limit import LimitUse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloaca_core.values.payloads.json_values import JsonValue


def written_uses(uses: Sequence[LimitUse]) -> list[JsonValue]:
    """Uses of limits as JSON."""
    return [
        {"name": use.name} if use.path is None else {"name": use.name, "key": list(use.path)}
        for use in uses
    ]


def read_uses(read: Sequence[Mapping[str, Any]]) -> tuple[LimitUse, ...]:
    """The inverse of ``written_uses``."""
    return tuple(
        [LimitUse(each["name"], tuple(each["key"]) if "key" in each else None) for each in read]
    )
