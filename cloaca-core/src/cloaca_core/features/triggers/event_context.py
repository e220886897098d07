"""The context of the run that a trigger fires, and the hash by which equal ones are known."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

from cloaca_core.features.schedules.tick_context import tick_items
from cloaca_core.values.times.instants import Instant, to_datetime

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloaca_core.definition.triggers.result import TriggerResult
    from cloaca_core.features.schedules.timing.catch_up import DueTick
    from cloaca_core.features.triggers.records import TriggerRow
    from cloaca_core.values.payloads.json_values import JsonValue


def fired_items(result: TriggerResult) -> dict[str, JsonValue]:
    """The items that the result hands to its run; empty without a context."""
    return {} if result.context is None else dict(result.context._data)


def context_hash(fired: Mapping[str, JsonValue]) -> str:
    """64 hex digits that are equal for equal contexts only; the order of keys does not matter."""
    canonical = json.dumps(fired, sort_keys=True, separators=(",", ":"))
    return sha256(canonical.encode()).hexdigest()


def run_context(
    fired: Mapping[str, JsonValue], trigger_name: str, now: Instant
) -> dict[str, JsonValue]:
    """The context that the run of a trigger begins with."""
    told: dict[str, JsonValue] = {
        "trigger_name": trigger_name,
        "triggered_at": to_datetime(now).isoformat(),
    }
    return {**fired, **told}


def tick_key(tick: Instant) -> str:
    """The key of a tick's event: it has one run for ever, even if the clock is put back."""
    return f"tick {to_datetime(tick).isoformat()}"


def tick_context(row: TriggerRow, due: DueTick, now: Instant) -> dict[str, JsonValue]:
    """The context that the run of a tick begins with: keys of cron schedules and of triggers."""
    items = tick_items(row.id, row.cron_expression, row.timezone, due)
    return run_context(items, row.name, now)
