"""The starters of a workflow's runs: its schedules and its triggers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from cloaca_core.definition.cron.expression import CronExpression
from cloaca_core.errors import ScheduleError
from cloaca_core.features.schedules.timing.explain import in_words
from cloaca_core.values.payloads.json_forms import Shown
from cloaca_core.values.times.rfc3339 import rfc3339_or_none
from cloaca_tools.views.run.graph import one_workflow

if TYPE_CHECKING:
    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.features.schedules.records import ScheduleRow
    from cloaca_core.features.triggers.records import TriggerRow

LOOKED_AT: Final = 2_000
"""Schedules and triggers of all workflows that are looked at."""


@dataclass(frozen=True, slots=True)
class Starter(Shown):
    """A schedule, whose ``name`` may be None, or a trigger. ``cron_expression`` in ``timezone``
    says when, in words ``words``, or it is polled every ``poll_seconds``; ``words`` are None where
    the expression cannot be read here. ``next_at`` is its next tick or poll, ``last_at`` the last.
    """

    kind: Literal["schedule", "trigger"]
    id: str
    name: str | None
    cron_expression: str | None
    timezone: str | None
    words: str | None
    poll_seconds: float | None
    enabled: bool
    next_at: str | None
    last_at: str | None


class Found(NamedTuple):
    """The rows of a workflow."""

    schedules: Sequence[ScheduleRow]
    triggers: Sequence[TriggerRow]


async def read(engine: Looks, name: str) -> Found:
    """The schedules and triggers of a workflow; runs on the engine's loop."""
    store, workflow = engine.store, await one_workflow(engine, name)
    schedules = await store.list_schedules(enabled_only=False, limit=LOOKED_AT, offset=0)
    triggers = await store.list_triggers(enabled_only=False, limit=LOOKED_AT, offset=0)
    return Found(
        [each for each in schedules if each.workflow == workflow],
        [each for each in triggers if each.workflow == workflow],
    )


def starters(found: Found) -> tuple[Starter, ...]:
    """The schedules and triggers that were found, schedules first."""
    return (*map(_schedule, found.schedules), *map(_trigger, found.triggers))


def _schedule(row: ScheduleRow) -> Starter:
    return Starter(
        kind="schedule",
        id=row.id,
        name=row.name,
        cron_expression=row.cron_expression,
        timezone=row.timezone,
        words=_words(row.cron_expression, row.timezone),
        poll_seconds=None,
        enabled=row.enabled,
        next_at=rfc3339_or_none(row.next_tick),
        last_at=rfc3339_or_none(row.last_tick),
    )


def _trigger(row: TriggerRow) -> Starter:
    expression, zone = row.cron_expression, row.timezone
    return Starter(
        kind="trigger",
        id=row.id,
        name=row.name,
        cron_expression=expression,
        timezone=zone,
        words=None if expression is None else _words(expression, zone or "UTC"),
        poll_seconds=row.poll_seconds,
        enabled=row.enabled,
        next_at=rfc3339_or_none(row.next_poll_at),
        last_at=rfc3339_or_none(row.last_poll_at),
    )


def _words(expression: str, zone: str) -> str | None:
    try:
        return in_words(CronExpression(expression, zone).normalized)
    except ScheduleError:  # of a machine that knows other zones
        return None
