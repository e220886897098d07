"""Operations about cron schedules.

The workflow's name and the parameters are checked on the caller's thread, since the registry and
a context belong to the caller; ``schedule_table`` checks and does all else, on the engine's loop.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar, Union

from cloaca_core.definition.context import input_text, items_of
from cloaca_core.engine.calls.call import Call, unchanged
from cloaca_core.engine.calls.orders import asker
from cloaca_core.engine.calls.table_calls import table_call
from cloaca_core.features.definitions.names import name_to_look_up
from cloaca_core.features.schedules.operations.schedule_lists import ScheduleLists
from cloaca_core.features.schedules.operations.schedule_table import (
    Moment,
    ScheduleSpec,
    ScheduleTable,
)
from cloaca_core.features.steering.noted_acts import NotedActs
from cloaca_core.values.error_prefixes import CRON_WORKFLOW, INSTANCE, SCHEDULE, prefixed

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from cloaca_core.definition.context import ContextLike
    from cloaca_core.engine.calls.call import CallerOf, Host
    from cloaca_core.features.schedules.operations.schedule_engine import (
        ScheduleEngine,
        ScheduleLooks,
    )
    from cloaca_core.values.times.durations import Duration
    from cloaca_core.values.times.no_limit import NoLimit

T = TypeVar("T")
_Ticking: TypeAlias = Union["RegisterCron", "WholeSchedule", "PutInstance"]


class RegisterCron(NamedTuple):
    """Add a schedule without a name; returns its id."""

    workflow_name: str
    cron_expression: str
    timezone: str
    by: str | None = None

    def call(self, caller: CallerOf[ScheduleEngine, ScheduleLooks]) -> Call[str]:
        """See ``Operation``."""
        with prefixed(CRON_WORKFLOW):
            spec = _spec(caller.host, self, None, None)
        return _put(caller, ScheduleTable.register, spec, self, CRON_WORKFLOW)


class WholeSchedule(NamedTuple):
    """All settings of a schedule; None stands for a default. ``schedule`` is its name or its id."""

    schedule: str
    workflow_name: str
    cron_expression: str
    timezone: str
    params: ContextLike = None
    catchup_policy: str | None = None
    overlap_policy: str | None = None
    jitter_seconds: int | None = None
    start_date: Moment = None
    end_date: Moment = None
    time_limit: Duration | NoLimit | None = None
    by: str | None = None
    queue: str | None = None


class PutSchedule(WholeSchedule):
    """Add a schedule, or change the schedule with its name. Returns its id."""

    __slots__ = ()

    def call(self, caller: CallerOf[ScheduleEngine, ScheduleLooks]) -> Call[str]:
        """See ``Operation``."""
        with prefixed(SCHEDULE):
            spec = _whole_spec(caller.host, self, self.schedule)
        return _put(caller, ScheduleTable.put, spec, self, SCHEDULE)


class PutInstance(NamedTuple):
    """Add an instance of a workflow, or change it; returns the id of its schedule."""

    workflow_name: str
    instance_name: str
    cron_expression: str
    timezone: str
    params: ContextLike = None
    by: str | None = None

    def call(self, caller: CallerOf[ScheduleEngine, ScheduleLooks]) -> Call[str]:
        """See ``Operation``."""
        with prefixed(INSTANCE):
            spec = _spec(caller.host, self, self.instance_name, self.params)
        return _put(caller, ScheduleTable.put_instance, spec, self, INSTANCE)


class ListSchedules(NamedTuple):
    """Some of the schedules, by workflow."""

    enabled_only: bool | None = None
    limit: int | None = None
    offset: int | None = None

    def call(self, caller: CallerOf[ScheduleEngine, ScheduleLooks]) -> Call[list[dict[str, Any]]]:
        """See ``Operation``."""
        return _look(caller, lambda lists: lists.page(*self))


class GetSchedule(NamedTuple):
    """One schedule."""

    schedule_id: str

    def call(self, caller: CallerOf[ScheduleEngine, ScheduleLooks]) -> Call[dict[str, Any]]:
        """See ``Operation``."""
        return _look(caller, lambda lists: lists.get(self.schedule_id))


class RetimeSchedule(NamedTuple):
    """Change when it ticks."""

    schedule_id: str
    cron_expression: str
    timezone: str
    by: str | None = None

    def call(self, caller: CallerOf[ScheduleEngine, ScheduleLooks]) -> Call[None]:
        """See ``Operation``."""
        given = self.schedule_id, self.cron_expression, self.timezone
        return table_call(caller, _table, self.by, lambda table: table.update(*given))


class ChangeSchedule(WholeSchedule):
    """Change all settings of the schedule with this id but its name."""

    __slots__ = ()

    def call(self, caller: CallerOf[ScheduleEngine, ScheduleLooks]) -> Call[None]:
        """See ``Operation``."""
        with prefixed(SCHEDULE):
            spec = _whole_spec(caller.host, self, None)
        put = partial(ScheduleTable.change, schedule_id=self.schedule)
        return _put(caller, put, spec, self, SCHEDULE)


class EnableSchedule(NamedTuple):
    """Enable or disable it."""

    schedule_id: str
    enabled: bool
    by: str | None = None

    def call(self, caller: CallerOf[ScheduleEngine, ScheduleLooks]) -> Call[None]:
        """See ``Operation``."""
        given = self.schedule_id, self.enabled
        return table_call(caller, _table, self.by, lambda table: table.set_enabled(*given))


class DeleteSchedule(NamedTuple):
    """Remove it."""

    schedule_id: str
    by: str | None = None

    def call(self, caller: CallerOf[ScheduleEngine, ScheduleLooks]) -> Call[None]:
        """See ``Operation``."""
        return table_call(caller, _table, self.by, lambda table: table.delete(self.schedule_id))


class ScheduleHistory(NamedTuple):
    """Some of its ticks, newest first."""

    schedule_id: str
    limit: int | None = None
    offset: int | None = None

    def call(self, caller: CallerOf[ScheduleEngine, ScheduleLooks]) -> Call[list[dict[str, Any]]]:
        """See ``Operation``."""
        return _look(caller, lambda lists: lists.history(*self))


class ScheduleStats(NamedTuple):
    """Counts of the ticks of all schedules."""

    since: str

    def call(self, caller: CallerOf[ScheduleEngine, ScheduleLooks]) -> Call[dict[str, Any]]:
        """See ``Operation``."""
        return _look(caller, lambda lists: lists.stats(self.since))


def _look(
    caller: CallerOf[ScheduleEngine, ScheduleLooks],
    ask: Callable[[ScheduleLists], Coroutine[Any, Any, T]],
) -> Call[T]:
    async def answer(engine: ScheduleLooks) -> T:
        return await ask(ScheduleLists(engine.store))

    return caller.look(answer, unchanged)


def _spec(
    host: Host[object, object], asked: _Ticking, name: str | None, params: ContextLike
) -> ScheduleSpec:
    """The settings as the table takes them; a closed runner raises first. ``InputError`` for
    parameters that the workflow does not take: its ticks only add keys.
    """
    host.refuse_closed()
    full_name, items = host.registry.full_name(asked.workflow_name), items_of(params, "params")
    workflow = host.registry.get(full_name)
    if workflow is not None and workflow.input is not None:
        workflow.input.check(items)
    return ScheduleSpec(
        full_name,
        asked.cron_expression,
        asked.timezone,
        name=name,
        params=input_text(items, host.config.max_context_bytes, "params"),
    )


def _whole_spec(host: Host[object, object], asked: WholeSchedule, name: str | None) -> ScheduleSpec:
    return replace(
        _spec(host, asked, name, asked.params),
        catchup_policy=asked.catchup_policy,
        overlap_policy=asked.overlap_policy,
        jitter_seconds=asked.jitter_seconds,
        start_date=asked.start_date,
        end_date=asked.end_date,
        time_limit=asked.time_limit,
        queue=asked.queue,
    )


def _put(
    caller: CallerOf[ScheduleEngine, ScheduleLooks],
    put: Callable[[ScheduleTable, ScheduleSpec], Coroutine[Any, Any, T]],
    spec: ScheduleSpec,
    asked: _Ticking,
    prefix: str,
) -> Call[T]:
    """A call that puts a schedule; its workflow may be known by its record alone."""
    name = name_to_look_up(caller.host, asked.workflow_name)
    if name is None:
        return table_call(caller, _table, asked.by, lambda table: put(table, spec))
    who = asker(asked.by)

    async def answer(engine: ScheduleEngine) -> T:
        with prefixed(prefix):
            workflow = await engine.definitions.full_name(name, spec.workflow)
            await engine.definitions.check_input(workflow, spec.params)
        return await put(_table(engine, who), replace(spec, workflow=workflow))

    return caller.act(answer, unchanged)


def _table(engine: ScheduleEngine, by: str) -> ScheduleTable:
    ids, acts = engine.ids, NotedActs(engine.store, engine.ids, by)
    loop, changed = engine.schedule_loop, engine.subjects.schedules.publish
    return ScheduleTable(engine.store, ids, acts, loop, changed)
