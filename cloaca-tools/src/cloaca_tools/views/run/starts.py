"""The context, tags and priority of a run, with which another run can be started."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from cloaca_core.errors import RunNotFoundError
from cloaca_core.features.schedules.tick_context import TICK_KEYS
from cloaca_core.run.rows import RunFilter
from cloaca_core.values.payloads.json_values import JsonValue, decode

if TYPE_CHECKING:
    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.run.rows import RunRow


@dataclass(frozen=True, slots=True)
class RunStart:
    """The context, tags and priority of a run. The ``context`` lacks the keys that the tick of a
    schedule has added: another run does not belong to that tick.
    """

    run_id: str
    workflow: str
    context: dict[str, JsonValue]
    tags: dict[str, str]
    priority: int


async def read(engine: Looks, run_id: str) -> RunRow:
    """The row of a run."""
    row = await engine.store.get_run(run_id)
    if row is None:
        raise RunNotFoundError(f"no run with id {run_id!r}", run_id=run_id)
    return row


async def read_last(engine: Looks, workflow: str) -> RunRow | None:
    """The row of the newest run of a workflow, named in full; None without one."""
    for row in await engine.store.list_runs(RunFilter(workflow=workflow, limit=1)):
        return await engine.store.get_run(row.id)
    return None


def start_of(row: RunRow) -> RunStart:
    """The context, tags and priority in the row of a run."""
    context = cast("dict[str, JsonValue]", decode(row.input))
    if "scheduled_time" in context and "schedule_id" in context:
        context = {name: each for name, each in context.items() if name not in TICK_KEYS}
    tags = cast("dict[str, str]", decode(row.tags))
    return RunStart(row.id, row.workflow, context, tags, row.priority)


def start_or_none(row: RunRow | None) -> RunStart | None:
    """The context, tags and priority in the row of a run; None without a row."""
    return None if row is None else start_of(row)
