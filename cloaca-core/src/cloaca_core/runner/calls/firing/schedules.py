"""Calls about cron schedules.

The workflow's name and the parameters are checked on the caller's thread, since the registry and
a context belong to the caller; ``schedule_table`` checks and does all else, on the engine's loop.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypedDict, TypeVar, Unpack

from cloaca_core.definition.inputs import input_text, items_of
from cloaca_core.runner.calls.call import Call, unchanged
from cloaca_core.runner.calls.firing.schedule_lists import ScheduleLists
from cloaca_core.runner.calls.firing.schedule_table import Moment, ScheduleSpec, ScheduleTable
from cloaca_core.runner.calls.firing.table_calls import TableCalls
from cloaca_core.runner.calls.names import name_to_look_up
from cloaca_core.runner.calls.noted_acts import NotedActs
from cloaca_core.runner.calls.orders import asker
from cloaca_core.runner.error_prefixes import CRON_WORKFLOW, INSTANCE, SCHEDULE, prefixed

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from cloaca_core._engine.engine import Engine
    from cloaca_core._engine.observe.onlooker import Looks
    from cloaca_core.definition.inputs import ContextLike
    from cloaca_core.runner.host import EngineHost
    from cloaca_core.values.durations import Duration
    from cloaca_core.values.no_limit import NoLimit

P = ParamSpec("P")
T = TypeVar("T")


class ScheduleOptions(TypedDict, total=False):
    """Settings of a schedule; None stands for a default."""

    catchup_policy: str | None
    overlap_policy: str | None
    jitter_seconds: int | None
    start_date: Moment
    end_date: Moment
    time_limit: Duration | NoLimit | None


class ScheduleCalls(TableCalls[ScheduleTable]):
    """Makes the calls of one runner. Any thread may ask."""

    def __init__(self, host: EngineHost) -> None:
        super().__init__(host, _table)

    def register(
        self, workflow_name: str, cron_expression: str, timezone: str, by: str | None = None
    ) -> Call[str]:
        """Add a schedule without a name; returns its id."""
        with prefixed(CRON_WORKFLOW):
            spec = self._spec(None, workflow_name, cron_expression, timezone, None)
        return self._put(ScheduleTable.register, spec, workflow_name, CRON_WORKFLOW, by)

    def put(
        self,
        name: str,
        workflow_name: str,
        cron_expression: str,
        timezone: str,
        params: ContextLike,
        by: str | None = None,
        **options: Unpack[ScheduleOptions],
    ) -> Call[str]:
        """Add a schedule, or change the one of its name; returns its id."""
        with prefixed(SCHEDULE):
            spec = self._spec(name, workflow_name, cron_expression, timezone, params, **options)
        return self._put(ScheduleTable.put, spec, workflow_name, SCHEDULE, by)

    def put_instance(
        self,
        instance_name: str,
        workflow_name: str,
        cron_expression: str,
        timezone: str,
        params: ContextLike,
        by: str | None = None,
    ) -> Call[str]:
        """Add an instance of a workflow, or change it; returns the id of its schedule."""
        with prefixed(INSTANCE):
            spec = self._spec(instance_name, workflow_name, cron_expression, timezone, params)
        return self._put(ScheduleTable.put_instance, spec, workflow_name, INSTANCE, by)

    def page(
        self, enabled_only: bool | None, limit: int | None, offset: int | None
    ) -> Call[list[dict[str, Any]]]:
        """Some of the schedules, by workflow."""
        return self._look(ScheduleLists.page, enabled_only, limit, offset)

    def get(self, schedule_id: str) -> Call[dict[str, Any]]:
        """One schedule."""
        return self._look(ScheduleLists.get, schedule_id)

    def update(
        self, schedule_id: str, cron_expression: str, timezone: str, by: str | None = None
    ) -> Call[None]:
        """Change when it ticks."""
        return self._ask_as(by, ScheduleTable.update, schedule_id, cron_expression, timezone)

    def set_enabled(self, schedule_id: str, enabled: bool, by: str | None = None) -> Call[None]:
        """Enable or disable it."""
        return self._ask_as(by, ScheduleTable.set_enabled, schedule_id, enabled)

    def delete(self, schedule_id: str, by: str | None = None) -> Call[None]:
        """Remove it."""
        return self._ask_as(by, ScheduleTable.delete, schedule_id)

    def history(
        self, schedule_id: str, limit: int | None, offset: int | None
    ) -> Call[list[dict[str, Any]]]:
        """Some of its ticks, newest first."""
        return self._look(ScheduleLists.history, schedule_id, limit, offset)

    def stats(self, since: str) -> Call[dict[str, Any]]:
        """Counts of the ticks of all schedules."""
        return self._look(ScheduleLists.stats, since)

    def _look(
        self,
        method: Callable[Concatenate[ScheduleLists, P], Coroutine[Any, Any, T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Call[T]:
        """A call that a client answers without an engine."""

        async def answer(engine: Looks) -> T:
            return await method(ScheduleLists(engine.store), *args, **kwargs)

        return Call(lambda: self._host.read(answer), unchanged)

    def _put(
        self,
        put: Callable[[ScheduleTable, ScheduleSpec], Coroutine[Any, Any, str]],
        spec: ScheduleSpec,
        workflow_name: str,
        prefix: str,
        by: str | None,
    ) -> Call[str]:
        """A call that puts a schedule; its workflow may be known by its record alone."""
        who = asker(by)
        if (name := name_to_look_up(self._host, workflow_name)) is None:
            return self._ask_as(by, put, spec)

        async def answer(engine: Engine) -> str:
            with prefixed(prefix):
                workflow = await engine.definitions.full_name(name, spec.workflow)
            return await put(_table(engine, who), replace(spec, workflow=workflow))

        return Call(lambda: self._host.send(answer), unchanged)

    def _spec(
        self,
        name: str | None,
        workflow_name: str,
        cron_expression: str,
        timezone: str,
        params: ContextLike,
        **options: Unpack[ScheduleOptions],
    ) -> ScheduleSpec:
        """The settings as the table takes them; a closed runner raises first."""
        self._host.refuse_closed()
        workflow = self._host.registry.full_name(workflow_name)
        text = input_text(items_of(params, "params"), self._host.config.max_context_bytes, "params")
        return ScheduleSpec(workflow, cron_expression, timezone, name=name, params=text, **options)


def _table(engine: Engine, by: str) -> ScheduleTable:
    ids, acts = engine.ids, NotedActs(engine.store, engine.ids, by)
    loop, changed = engine.schedule_loop, engine.schedule_changed
    return ScheduleTable(engine.store, ids, acts, loop, changed)
