"""Calls that steer runs and workflows: cancel, pause, resume, retry, fork."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, cast

from cloaca_core.definition.inputs import ContextLike, input_text, items_of
from cloaca_core.errors import (
    ConfigError,
    ConfigTypeError,
    RunEndedError,
    RunNotFoundError,
    RunStateError,
)
from cloaca_core.records.states import RunStatus
from cloaca_core.runner.calls.arguments import checked_run_id, checked_time_limit, tags_json
from cloaca_core.runner.calls.call import Call, unchanged
from cloaca_core.runner.calls.names import looked_up, name_to_look_up
from cloaca_core.runner.calls.orders import checked_order
from cloaca_core.runner.calls.start_options import checked_instant, checked_seconds
from cloaca_core.runner.calls.tracing import FORK, first, traced
from cloaca_core.runner.results import Plan, PlanItem, Steered
from cloaca_core.values import option_names
from cloaca_core.values.arguments import refuse_other_types
from cloaca_core.values.text import checked_text

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Callable, Coroutine, Sequence
    from datetime import datetime, timedelta
    from typing import Any

    from cloaca_core._engine.engine import Engine
    from cloaca_core._engine.plan.rerun import Choice, Rerun
    from cloaca_core.records.steering import Acted
    from cloaca_core.runner.host import EngineHost
    from cloaca_core.values.durations import Duration
    from cloaca_core.values.no_limit import NoLimit

    Answer = dict[str, Acted]

_ENDED = (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED)


class SteeringCalls:
    """Makes the calls of one runner and its handles. Any thread may ask."""

    def __init__(self, host: EngineHost) -> None:
        self._host = host

    def cancel(
        self,
        run_id: str,
        reason: str | None,
        grace: float | timedelta | None,
        children: bool,
        by: str | None,
    ) -> Call[Steered]:
        """Cancel a run; one that has ended stays as it is."""
        order = checked_order("cancel", reason, by)
        usual = self._host.config.shutdown_grace_seconds
        seconds = usual if grace is None else checked_seconds("grace", grace)
        refuse_other_types("children", children, bool, "a bool")
        return self._ask(
            run_id,
            lambda engine, ids: engine.steering.cancel(ids, order, seconds, children=children),
            _steered,
        )

    def pause(
        self,
        run_id: str,
        reason: str | None,
        until: datetime | str | None,
        children: bool,
        by: str | None,
    ) -> Call[Steered]:
        """Pause a run that has not ended."""
        order = checked_order("pause", reason, by)
        instant = None if until is None else checked_instant("until", until)
        refuse_other_types("children", children, bool, "a bool")
        return self._ask(
            run_id,
            lambda engine, ids: engine.steering.pause(ids, order, instant, children=children),
            lambda acted: _unless_over(run_id, "paused", acted),
        )

    def resume(
        self, run_id: str, context: ContextLike, reason: str | None, by: str | None
    ) -> Call[Steered]:
        """Let a paused run go on, with other values of the keys of ``context``."""
        order = checked_order("resume", reason, by)
        content = self._content(context)
        return self._ask(
            run_id,
            lambda engine, ids: engine.steering.resume(ids, order, content),
            lambda acted: _resumed(run_id, acted, with_keys=content is not None),
        )

    def _content(self, context: ContextLike) -> str | None:
        """Keys that are to be replaced, as JSON."""
        if context is None:
            return None
        return input_text(items_of(context), self._host.config.max_context_bytes)

    def retry(
        self,
        run_id: str,
        tasks: Iterable[str] | None,
        time_limit: Duration | NoLimit | None,
        children: bool,
        reason: str | None,
        by: str | None,
    ) -> Call[str]:
        """Begin the next round of a run that has failed or was cancelled; returns its id."""
        order = checked_order("retry", reason, by)
        limit = checked_time_limit(time_limit)
        checked, chosen = checked_run_id(run_id), _checked_tasks(tasks)
        refuse_other_types("children", children, bool, "a bool")
        return Call(
            lambda: self._host.send(
                lambda engine: engine.steering.retries.retry(
                    checked, chosen, order, children=children, time_limit=limit
                )
            ),
            unchanged,
        )

    def plan_retry(self, run_id: str, tasks: Iterable[str] | None) -> Call[Plan]:
        """Plan a retry; writes nothing."""
        checked, chosen = checked_run_id(run_id), _checked_tasks(tasks)
        return Call(
            lambda: self._host.send(lambda engine: engine.steering.retries.plan(checked, chosen)),
            _plan,
        )

    def fork(
        self,
        run_id: str,
        from_task: str,
        context: ContextLike,
        idempotency_key: str | None,
        tags: Mapping[str, str] | None,
        reason: str | None,
        by: str | None,
    ) -> Call[tuple[str, bool]]:
        """Make a run of another one, from a task on; its id, or that of the run with its key, and
        whether it was made.
        """
        order = checked_order("fork", reason, by)
        checked, task = checked_run_id(run_id), checked_text("from_task", from_task)
        content = self._content(context)
        key = None if idempotency_key is None else checked_text("idempotency_key", idempotency_key)
        text = None if tags is None else tags_json(tags)

        def send(trace: str | None) -> concurrent.futures.Future[tuple[str, bool]]:
            return self._host.send(
                lambda engine: engine.steering.forks.fork(
                    checked,
                    task,
                    order,
                    content=content,
                    tags=text,
                    idempotency_key=key,
                    trace=trace,
                )
            )

        return Call(lambda: traced(self._host.tracer, FORK, send, read=first), unchanged)

    def plan_fork(self, run_id: str, from_task: str) -> Call[Plan]:
        """Plan a fork; writes nothing."""
        checked, task = checked_run_id(run_id), checked_text("from_task", from_task)
        return Call(
            lambda: self._host.send(lambda engine: engine.steering.forks.plan(checked, task)), _plan
        )

    def pause_workflow(
        self, workflow_name: str, until: datetime | str | None, reason: str | None, by: str | None
    ) -> Call[bool]:
        """Have no run of a workflow claimed."""
        order = checked_order("pause", reason, by)
        instant = None if until is None else checked_instant("until", until)
        return self._ask_of_workflow(
            workflow_name,
            lambda engine, workflow: engine.steering.pause_workflow(workflow, order, instant),
        )

    def resume_workflow(self, workflow_name: str, reason: str | None, by: str | None) -> Call[bool]:
        """Let runs of a workflow be claimed again."""
        order = checked_order("resume", reason, by)
        return self._ask_of_workflow(
            workflow_name,
            lambda engine, workflow: engine.steering.resume_workflow(workflow, order),
        )

    def _ask_of_workflow(
        self, workflow_name: str, act: Callable[[Engine, str], Coroutine[Any, Any, bool]]
    ) -> Call[bool]:
        full_name = self._host.registry.full_name(workflow_name)
        name = name_to_look_up(self._host, workflow_name)

        async def answer(engine: Engine) -> bool:
            return await act(engine, await looked_up(engine, name, full_name))

        return Call(lambda: self._host.send(answer), unchanged)

    def _ask(
        self,
        run_id: str,
        act: Callable[[Engine, list[str]], Coroutine[Any, Any, Answer]],
        read: Callable[[Acted], Steered],
    ) -> Call[Steered]:
        checked = checked_run_id(run_id)

        def answered(answer: Answer) -> Steered:
            if (acted := answer.get(checked)) is None:
                raise RunNotFoundError(f"no run with id {checked!r}", run_id=checked)
            return read(acted)

        return Call(lambda: self._host.send(lambda engine: act(engine, [checked])), answered)


def _unless_over(run_id: str, wanted: str, acted: Acted) -> Steered:
    """The answer of an act that needs a run which goes on."""
    if acted.status in _ENDED:
        raise RunEndedError(
            f"run {run_id} is {acted.status}: only a run that has not ended can be {wanted}",
            run_id=run_id,
            status=acted.status,
            accepted=tuple([status.value for status in RunStatus if status not in _ENDED]),
        )
    if acted.status == RunStatus.CANCELLING:
        raise RunStateError(
            f"run {run_id} is being cancelled: it cannot be {wanted}",
            run_id=run_id,
            status=acted.status,
            accepted=("Pending", "Running", "Waiting", "Paused"),
        )
    return _steered(acted)


def _steered(acted: Acted) -> Steered:
    return Steered(cast("option_names.RunStatus", str(acted.status)), acted.changed)


def _resumed(run_id: str, acted: Acted, *, with_keys: bool) -> Steered:
    """The answer of a resume. Keys are never left out in silence."""
    answer = _unless_over(run_id, "resumed", acted)
    if with_keys and not acted.changed:
        raise RunStateError(
            f"run {run_id} is {acted.status}: its context can be replaced only when it is resumed "
            "from a pause",
            run_id=run_id,
            status=acted.status,
            accepted=(RunStatus.PAUSED.value,),
        )
    return answer


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
