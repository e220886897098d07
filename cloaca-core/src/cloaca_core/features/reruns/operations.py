"""Operations that begin a run again, or preview that: retry and fork."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from cloaca_core.definition.context import ContextLike
from cloaca_core.engine.calls.arguments import checked_run_id, checked_time_limit, tags_json
from cloaca_core.engine.calls.call import Call, unchanged
from cloaca_core.engine.calls.orders import checked_order
from cloaca_core.errors import ConfigError, ConfigTypeError
from cloaca_core.features.maps.choice import checked_choice, checked_names
from cloaca_core.features.reruns.results import Plan, PlanItem
from cloaca_core.features.steering.operations import SteeringEngine, replaced_keys
from cloaca_core.features.telemetry.tracing import FORK, first, traced
from cloaca_core.values.arguments import refuse_other_types
from cloaca_core.values.text import checked_text

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Mapping, Sequence

    from cloaca_core.engine.calls.call import CallerOf
    from cloaca_core.features.maps.choice import ItemName
    from cloaca_core.run.rerun import Choice, Rerun
    from cloaca_core.values.times.durations import Duration
    from cloaca_core.values.times.no_limit import NoLimit


class Retry(NamedTuple):
    """Begin the next round of a run that has failed or was cancelled; returns its id."""

    run_id: str
    tasks: Iterable[str] | None = None
    time_limit: Duration | NoLimit | None = None
    children: bool = True
    reason: str | None = None
    by: str | None = None
    items: Mapping[str, Iterable[ItemName]] | None = None

    def call(self, caller: CallerOf[SteeringEngine, object]) -> Call[str]:
        """See ``Operation``."""
        order = checked_order("retry", self.reason, self.by)
        limit = checked_time_limit(self.time_limit)
        checked, chosen = checked_run_id(self.run_id), _checked_tasks(self.tasks)
        refuse_other_types("children", self.children, bool, "a bool")
        items = checked_choice(self.items)
        return caller.act(
            lambda engine: engine.steering.retries.retry(
                checked, chosen, order, children=self.children, time_limit=limit, items=items
            ),
            unchanged,
        )


class PlanRetry(NamedTuple):
    """Plan a retry; writes nothing."""

    run_id: str
    tasks: Iterable[str] | None = None

    def call(self, caller: CallerOf[SteeringEngine, object]) -> Call[Plan]:
        """See ``Operation``."""
        checked, chosen = checked_run_id(self.run_id), _checked_tasks(self.tasks)
        return caller.act(lambda engine: engine.steering.retries.plan(checked, chosen), _plan)


class Fork(NamedTuple):
    """Make a run of another one, from a task on; its id, or the id of the run with its key, and
    whether it was made.
    """

    run_id: str
    from_task: str
    context: ContextLike = None
    idempotency_key: str | None = None
    tags: Mapping[str, str] | None = None
    reason: str | None = None
    by: str | None = None
    items: Iterable[ItemName] | None = None

    def call(self, caller: CallerOf[SteeringEngine, object]) -> Call[tuple[str, bool]]:
        """See ``Operation``."""
        order, host = checked_order("fork", self.reason, self.by), caller.host
        checked, task = checked_run_id(self.run_id), checked_text("from_task", self.from_task)
        content, key = replaced_keys(host, self.context), self.idempotency_key
        if key is not None:
            key = checked_text("idempotency_key", key)
        tags = None if self.tags is None else tags_json(self.tags)
        items = None if self.items is None else checked_names(self.items)

        def send(trace: str | None) -> concurrent.futures.Future[tuple[str, bool]]:
            return host.send(
                lambda engine: engine.steering.forks.fork(
                    checked,
                    task,
                    order,
                    content=content,
                    tags=tags,
                    idempotency_key=key,
                    trace=trace,
                    items=items,
                )
            )

        return Call(lambda: traced(host.tracer, FORK, send, read=first), unchanged)


class PlanFork(NamedTuple):
    """Plan a fork; writes nothing."""

    run_id: str
    from_task: str

    def call(self, caller: CallerOf[SteeringEngine, object]) -> Call[Plan]:
        """See ``Operation``."""
        checked, task = checked_run_id(self.run_id), checked_text("from_task", self.from_task)
        return caller.act(lambda engine: engine.steering.forks.plan(checked, task), _plan)


def _plan(chosen: Rerun) -> Plan:
    def items(choices: Sequence[Choice]) -> tuple[PlanItem, ...]:
        return tuple([PlanItem(*choice) for choice in choices])

    return Plan(items(chosen.keep), items(chosen.run), items(chosen.drop))


def _checked_tasks(tasks: Iterable[str] | None) -> list[str] | None:
    if tasks is None:
        return None
    if isinstance(tasks, str) or not isinstance(tasks, Iterable):
        kind = type(tasks).__name__
        raise ConfigTypeError(f"tasks must be a list of task ids, not {kind}", field="tasks")
    chosen = [checked_text("an item of tasks", task) for task in tasks]
    if not chosen:
        raise ConfigError("tasks must name a task, or be None for those that failed", field="tasks")
    return chosen
